"""Weights of fields computed from all fields: squeeze-and-excitation, compose-excitation."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from .mlp import MLP


class SENETLayer(nn.Module):
    """Squeeze-and-excitation: rescales each field by an importance computed from all fields.

    z_f = (1/D) Σ_d v_fd,  a = g(W_2 ReLU(W_1 z)),  V_f = a_f v_f

    Args:
        num_fields: Number F of fields.
        reduction_ratio: r; the hidden layer has max(1, ⌊F / r⌋) units.
        gate: g: ReLU or Sigmoid. With Sigmoid, a is near ½ at the start even for small embeddings.

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
        check_whole(1, num_fields=num_fields, reduction_ratio=reduction_ratio)
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
    """Compose-excitation: rescales each vector by a weight computed from all vectors.

    d_p = ReLU(⟨u_p, e_p⟩),  s = ReLU(W_2 ReLU(W_1 d + b_1) + b_2),  y_p = s_p e_p

    The hidden layer has max(1, ⌊P / r⌋) units. b_2 is initialized to 1, so that s starts near 1 for
    small vectors: a ReLU that starts at 0 for every row has no gradient.

    Args:
        embed_dim: Width D of a vector.
        num_field_crosses: Number P of vectors.
        reduction_ratio: r.
        batch_norm: Whether batch normalization precedes both ReLUs and b_2 has the default
            initialization, as in torch-rechub 0.9.

    Shape:
        em: (B, P, D); returns (B, P·D).

    Example:
        >>> CEN(4, num_field_crosses=3, reduction_ratio=1)(torch.ones(2, 3, 4)).shape
        torch.Size([2, 12])

    Reference:
        Zhang et al., FAT-DeepFFM: Field Attentive Deep Field-aware Factorization Machine,
        ICDM 2019, arXiv 1905.06336.
    """

    def __init__(
        self,
        embed_dim: int,
        num_field_crosses: int,
        reduction_ratio: int,
        *,
        batch_norm: bool = False,
    ) -> None:
        check_whole(1, num_field_crosses=num_field_crosses)
        check_whole(1, embed_dim=embed_dim, reduction_ratio=reduction_ratio)
        super().__init__()
        self.u = nn.Parameter(torch.empty(num_field_crosses, embed_dim))
        nn.init.xavier_uniform_(self.u)
        reduced = max(1, num_field_crosses // reduction_ratio)
        self.mlp_att: nn.Module
        if batch_norm:
            dims = [reduced, num_field_crosses]
            self.mlp_att = MLP(num_field_crosses, dims=dims, output_layer=False)
        else:
            last = nn.Linear(reduced, num_field_crosses)
            nn.init.ones_(last.bias)
            first = nn.Linear(num_field_crosses, reduced)
            self.mlp_att = nn.Sequential(first, nn.ReLU(), last, nn.ReLU())

    def forward(self, em: Tensor) -> Tensor:
        """Return (B, P·D)."""
        d = (self.u * em).sum(dim=2).relu()
        s: Tensor = self.mlp_att(d)
        return (s.unsqueeze(2) * em).flatten(1)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        normalized = f"{prefix}mlp_att.mlp.1.running_mean" in state_dict
        if normalized and isinstance(self.mlp_att, nn.Sequential):
            error_msgs: list[str] = args[-1]
            error_msgs.append(
                f"{prefix}mlp_att: this checkpoint is of torch-rechub 0.9, whose layer had batch "
                "normalization and in FatDeepFFM weighed the products; it loads into "
                "FatDeepFFM(…, attention='after'), the layer alone into CEN(…, batch_norm=True)"
            )
