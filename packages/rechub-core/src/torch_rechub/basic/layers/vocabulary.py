"""Masking of items in a ranking."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .precision import leave_out


class VocabMask(nn.Module):
    """Excludes items from a ranking by setting their logits to −10⁹.

    Args:
        vocab_size: Number V of items.
        invalid_items: Ids that are never recommended, such as the padding id 0.

    Shape:
        logits: (B, V) or (B, L, V); returns a new tensor of the same shape.

    Raises:
        IndexError: An id is outside the vocabulary.

    Example:
        >>> mask = VocabMask(4, invalid_items=[0])
        >>> mask.apply_mask(torch.tensor([[9.0, 2.0, 1.0, 3.0]]), [3]).argmax().item()
        1
    """

    mask: Tensor

    def __init__(self, vocab_size: int, invalid_items: Iterable[int] | None = None) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.register_buffer("mask", torch.ones(vocab_size, dtype=torch.bool))
        self.mask[self._ids([] if invalid_items is None else list(invalid_items))] = False

    def apply_mask(
        self, logits: Tensor, invalid_ids: Tensor | Iterable[int] | None = None
    ) -> Tensor:
        """Mask the invalid items and additional ones.

        Args:
            logits: Scores of all items.
            invalid_ids: Additional ids: (K,) for all rows, or (B, K), K for each row.
        """
        invalid = ~self.mask
        if invalid_ids is not None:
            ids = self._ids(invalid_ids)
            additional = torch.zeros(*ids.shape[:-1], self.vocab_size, dtype=torch.bool)
            additional = additional.to(ids.device).scatter_(-1, ids, True)
            if additional.dim() == 2 and logits.dim() == 3:
                additional = additional.unsqueeze(1)
            invalid = invalid | additional
        return leave_out(logits, invalid)

    forward = apply_mask

    def _ids(self, values: Tensor | Iterable[int]) -> Tensor:
        ids = values if isinstance(values, Tensor) else torch.tensor(list(values))
        ids = ids.to(self.mask.device, torch.int64)
        if ids.numel() and (ids.min() < 0 or ids.max() >= self.vocab_size):
            raise IndexError(
                f"items to mask must be ids from 0 to {self.vocab_size - 1} "
                f"(vocab_size={self.vocab_size}), got {ids.min().item()} to {ids.max().item()}"
            )
        return ids
