"""Weights of fields, computed from all fields: squeeze-and-excitation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SENETLayer(nn.Module):
    """Squeeze and excitation: how much each field counts in a row, and the fields times that.

    z_f = (1/D) Σ_d v_fd,  a = g(W_2 ReLU(W_1 z)),  V_f = a_f v_f

    Args:
        num_fields: Number F of fields.
        reduction_ratio: r; the layer between has max(1, ⌊F / r⌋) units.
        gate: g: ReLU, or Sigmoid, with which a starts near ½ even if embeddings are small.

    Shape:
        x: (B, F, D); returns (B, F, D).

    Example:
        >>> SENETLayer(num_fields=3)(torch.ones(2, 3, 4)).shape
        torch.Size([2, 3, 4])

    Reference:
        Huang et al., FiBiNET: Combining Feature Importance and Bilinear Feature Interaction for
        Click-Through Rate Prediction, RecSys 2019, arXiv 1905.09433.
    """

    def __init__(
        self, num_fields: int, reduction_ratio: int = 3, *, gate: type[nn.Module] = nn.ReLU
    ) -> None:
        super().__init__()
        reduced = max(1, num_fields // reduction_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(num_fields, reduced, bias=False),
            nn.ReLU(),
            nn.Linear(reduced, num_fields, bias=False),
            gate(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, F, D)."""
        return torch.stack(self.weighted(x.unbind(1)), dim=1)

    def weighted(self, fields: Sequence[Tensor]) -> list[Tensor]:
        """The fields, each (B, D_f) of a width of its own, times their weights."""
        a = self.mlp(torch.stack([v.mean(dim=1) for v in fields], dim=1))
        return [a_f.unsqueeze(1) * v for a_f, v in zip(a.unbind(1), fields, strict=True)]
