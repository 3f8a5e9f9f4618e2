"""Gates that scale a vector by what other inputs say of it."""

import torch
from torch import Tensor, nn


class GateNU(nn.Module):
    """How much each number of a vector counts, from 0 to 2: δ = 2 σ(ReLU(x W + b) W' + b').

    Args:
        input_dim: Length of x.
        output_dim: Number D of gates, also the width of the hidden layer.

    Shape:
        x: (B, input_dim); returns (B, D).

    Example:
        >>> GateNU(8, 3)(torch.ones(2, 8)).shape
        torch.Size([2, 3])

    Reference:
        Chang et al., PEPNet: Parameter and Embedding Personalized Network for Infusing with
        Personalized Prior Information, KDD 2023, arXiv 2302.01115.
    """

    def __init__(self, input_dim: int, output_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(input_dim, output_dim)
        self.output = nn.Linear(output_dim, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, D)."""
        return 2 * torch.sigmoid(self.output(self.hidden(x).relu()))
