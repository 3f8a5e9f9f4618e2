"""Embedding lookup, with a dense or a sparse gradient of the table."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def look_up(weight: Tensor, ids: Tensor, sparse: bool = False) -> Tensor:
    """Look up rows of a table.

    Args:
        weight: The table (V, D).
        ids: Ids (...), each from 0 to V − 1.
        sparse: Whether the table's gradient is sparse, with the rows looked up only.

    Returns:
        Rows (..., D).

    Example:
        >>> look_up(torch.tensor([[0.0], [10.0], [20.0]]), torch.tensor([2, 1, 2])).flatten()
        tensor([20., 10., 20.])
    """
    if sparse:
        # it imports torch's compiler, so it is loaded only when used
        from .sparse_lookup import look_up_sparse

        found: Tensor = look_up_sparse(weight, ids)
        return found
    if weight.device.type != "cpu" or not weight.requires_grad:
        return F.embedding(ids, weight)
    rows: Tensor = _DenseRows.apply(weight, ids)
    return rows


class _DenseRows(torch.autograd.Function):
    """F.embedding on the CPU with a faster backward: torch's searches all ids in every thread."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.n_rows = len(weight)
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (ids,) = ctx.saved_tensors
        table = grad.new_zeros(ctx.n_rows, grad.shape[-1])
        return table.index_add_(0, ids.reshape(-1), grad.reshape(-1, grad.shape[-1])), None


def spread(values: Tensor, widths: Sequence[int]) -> Tensor:
    """Repeat each value `width` times, (F,) to (Σ widths,), without synchronizing the device."""
    return torch.cat([v.expand(width) for v, width in zip(values.unbind(), widths, strict=True)])


def is_any_of(columns: Sequence[Tensor], sought: Sequence[Collection[int | None]]) -> Tensor:
    """Mask of the ids of each column that are in a set: (B, F) sparse, (B, ΣL) sequences."""
    masks = []
    for ids, values in zip(columns, sought, strict=True):
        mask = torch.zeros_like(ids, dtype=torch.bool)
        for value in values:
            mask = mask | (ids == value)
        masks.append(mask)
    return torch.stack(masks, dim=1) if columns[0].dim() == 1 else torch.cat(masks, dim=1)
