"""Interactions of fields: factorization machine and cross network."""

import torch
from torch import Tensor, nn


class FM(nn.Module):
    """Second-order interactions of F fields: Σ_{i<j} v_i ⊙ v_j = ½ ((Σ v)² − Σ v²).

    Args:
        reduce_sum: Whether to sum over the dimension, giving Σ_{i<j} ⟨v_i, v_j⟩.

    Shape:
        x: (B, F, D); returns (B, 1), or (B, D) without the sum.

    Example:
        >>> FM()(torch.ones(1, 3, 4)).item()  # three pairs of width 4
        12.0

    Reference:
        Rendle, Factorization Machines, ICDM 2010.
    """

    def __init__(self, reduce_sum: bool = True) -> None:
        super().__init__()
        self.reduce_sum = reduce_sum

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 1) or (B, D)."""
        pairs = 0.5 * (x.sum(dim=1).square() - x.square().sum(dim=1))
        return pairs.sum(dim=1, keepdim=True) if self.reduce_sum else pairs


class CrossLayer(nn.Module):
    """One cross of a vector with x_0: x_0 (wᵀ x_i) + b.

    Args:
        input_dim: Length D of the vectors.

    Shape:
        x_0, x_i: (B, D); returns (B, D).
    """

    def __init__(self, input_dim: int) -> None:
        super().__init__()
        self.w = nn.Linear(input_dim, 1, bias=False)
        self.b = nn.Parameter(torch.zeros(input_dim))

    def forward(self, x_0: Tensor, x_i: Tensor) -> Tensor:
        """Return (B, D)."""
        product: Tensor = x_0 * self.w(x_i)
        return product + self.b


class CrossNetwork(nn.Module):
    """The cross network of DCN: x_{l+1} = x_0 (x_lᵀ w_l) + b_l + x_l.

    Args:
        input_dim: Length D of x.
        num_layers: Number of crosses.

    Shape:
        x: (B, D); returns (B, D).

    Example:
        >>> CrossNetwork(4, num_layers=2)(torch.ones(3, 4)).shape
        torch.Size([3, 4])

    Reference:
        Wang et al., Deep & Cross Network for Ad Click Predictions, ADKDD 2017, arXiv 1708.05123.
    """

    def __init__(self, input_dim: int, num_layers: int) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.w = nn.ModuleList(nn.Linear(input_dim, 1, bias=False) for _ in range(num_layers))
        self.b = nn.ParameterList(torch.zeros(input_dim) for _ in range(num_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, D)."""
        x_0, x_l = x, x
        for w, b in zip(self.w, self.b, strict=True):
            x_l = x_0 * w(x_l) + b + x_l
        return x_l
