"""Pooling of embedding sequences, and padding masks."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..features import SequenceFeature
from .inputs import column


class InputMask(nn.Module):
    """The padding mask of sequence features.

    Shape:
        x[name]: (B, L); returns (B, F, L), 1.0 for an id and 0.0 for padding.

    Example:
        >>> feature = SequenceFeature("genres", 20, embed_dim=4, padding_idx=0)
        >>> InputMask()({"genres": torch.tensor([[3, 5, 0]])}, [feature])
        tensor([[[1., 1., 0.]]])
    """

    def forward(
        self, x: Mapping[str, Tensor], features: SequenceFeature | Sequence[SequenceFeature]
    ) -> Tensor:
        """The mask of `features`, one or several of one length."""
        several = [features] if isinstance(features, SequenceFeature) else features
        return torch.stack([column(x, f) != f.padding_id for f in several], dim=1).float()


class ConcatPooling(nn.Module):
    """No pooling: (B, L, D) to (B, L, D)."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return x of shape (B, L, D); `mask` is ignored."""
        return x


class SumPooling(nn.Module):
    """Σ_l m_l x_l: (B, L, D) to (B, D)."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Sum x of shape (B, L, D) over L, where mask (B, 1, L) is not 0."""
        if mask is None:
            return x.sum(dim=1)
        return torch.bmm(mask.to(x.dtype), x).squeeze(1)


class AveragePooling(nn.Module):
    """Σ_l m_l x_l / Σ_l m_l, and 0 where the mask is all 0: (B, L, D) to (B, D)."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Average x of shape (B, L, D) over L, where mask (B, 1, L) is not 0."""
        if mask is None:
            return x.mean(dim=1)
        m = mask.to(x.dtype)
        return torch.bmm(m, x).squeeze(1) / m.sum(dim=2).clamp(min=1.0)


POOLING: dict[str, nn.Module] = {
    "mean": AveragePooling(),
    "sum": SumPooling(),
    "concat": ConcatPooling(),
}
