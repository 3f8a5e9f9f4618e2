"""Embedding lookup with a sparse gradient."""

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.compiler.disable  # type: ignore[untyped-decorator]  # torch before 2.8 cannot compile it
def look_up_sparse(weight: Tensor, ids: Tensor) -> Tensor:
    """Look up rows (..., D) of a table (V, D) by ids (...).

    Example:
        >>> table = torch.zeros(4, 2, requires_grad=True)
        >>> look_up_sparse(table, torch.tensor([3, 1])).sum().backward()
        >>> table.grad.is_sparse
        True
    """
    return F.embedding(ids, weight, sparse=True)
