"""Weights of fields, computed from all fields: squeeze-and-excitation, compose-excitation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .mlp import MLP


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


class CEN(nn.Module):
    """Compose-excitation: weighs each crossed field by what all of them hold.

    d_p = ReLU(⟨u_p, e_p⟩),  s = MLP(d),  y_p = s_p e_p

    The `MLP` has hidden layers of max(1, ⌊P / r⌋) and P values and ends in the second.

    Args:
        embed_dim: Width D of a crossed field.
        num_field_crosses: Number P of crossed fields.
        reduction_ratio: r.

    Shape:
        em: (B, P, D); returns (B, P·D).

    Example:
        >>> CEN(4, num_field_crosses=3, reduction_ratio=1)(torch.ones(2, 3, 4)).shape
        torch.Size([2, 12])

    Reference:
        Zhang et al., FAT-DeepFFM: Field Attentive Deep Field-aware Factorization Machine,
        ICDM 2019, arXiv 1905.06336.
    """

    def __init__(self, embed_dim: int, num_field_crosses: int, reduction_ratio: int) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.empty(num_field_crosses, embed_dim))
        nn.init.xavier_uniform_(self.u)
        reduced = max(1, num_field_crosses // reduction_ratio)
        self.mlp_att = MLP(num_field_crosses, dims=[reduced, num_field_crosses], output_layer=False)

    def forward(self, em: Tensor) -> Tensor:
        """Return (B, P·D)."""
        d = (self.u * em).sum(dim=2).relu()
        s: Tensor = self.mlp_att(d)
        return (s.unsqueeze(2) * em).flatten(1)
