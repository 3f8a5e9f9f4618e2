"""Gates: scale a vector by factors computed from other inputs."""

import torch
from torch import Tensor, nn

from ..._bounds import check_number, check_whole


class GateNU(nn.Module):
    """The gate of PEPNet, a factor from 0 to 2 for each value: δ = 2 σ(ReLU(x W + b) W' + b').

    2 is the paper's γ, with which a neutral gate is 1. The paper does not specify the hidden width.

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
        check_whole(1, input_dim=input_dim, output_dim=output_dim)
        super().__init__()
        self.hidden = nn.Linear(input_dim, output_dim)
        self.output = nn.Linear(output_dim, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, D)."""
        return 2 * torch.sigmoid(self.output(self.hidden(x).relu()))


class MaskBlock(nn.Module):
    """The mask block of MaskNet: a hidden layer on input scaled by an instance-guided mask.

    m = W_2 ReLU(W_1 e + b_1) + b_2,  y = ReLU(LayerNorm(W (m ⊙ h)))

    Args:
        input_dim: Length of h.
        instance_dim: Length of e, the embedding of the instance.
        output_dim: Length of y.
        ratio: Width of the mask's hidden layer relative to h.

    Shape:
        h: (B, input_dim), e: (B, instance_dim); returns (B, output_dim).

    Raises:
        ValueError: `ratio` gives a hidden layer of width 0.

    Example:
        >>> MaskBlock(4, 6, 3)(torch.ones(2, 4), torch.ones(2, 6)).shape
        torch.Size([2, 3])

    Reference:
        Wang et al., MaskNet: Introducing Feature-Wise Multiplication to CTR Ranking Models by
        Instance-Guided Mask, DLP-KDD 2021, arXiv 2102.07619.
    """

    def __init__(
        self, input_dim: int, instance_dim: int, output_dim: int, ratio: float = 2.0
    ) -> None:
        check_whole(1, input_dim=input_dim, instance_dim=instance_dim, output_dim=output_dim)
        check_number("(0, inf)", ratio=ratio)
        super().__init__()
        hidden = int(ratio * input_dim)
        if hidden < 1:
            raise ValueError(f"ratio={ratio!r} leaves no hidden unit next to {input_dim} inputs")
        self.mask = nn.Sequential(
            nn.Linear(instance_dim, hidden), nn.ReLU(), nn.Linear(hidden, input_dim)
        )
        self.fc = nn.Linear(input_dim, output_dim, bias=False)
        self.norm = nn.LayerNorm(output_dim)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        """Return (B, output_dim)."""
        y: Tensor = self.norm(self.fc(self.mask(e) * h)).relu()
        return y
