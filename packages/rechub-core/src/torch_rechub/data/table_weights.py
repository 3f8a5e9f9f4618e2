"""The weights of the rows of a whole table, checked before training."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import Subset, TensorDataset

from .raw_column import RawColumn
from .table import to_tensor
from .weights import check_weights, taken_out


def check_table_weights(loader: Any, column: str | None) -> bool:
    """Check the weights of a whole table before training, if it is in memory.

    Args:
        loader: The loader of the table.
        column: The column of the weights; None means those of the data set.

    Returns:
        Whether the table is in memory and has weights.

    Raises:
        KeyError: The column is missing.
        TypeError: The column is not numeric.
        ValueError: A weight is invalid, all are 0, or weights are given twice.
    """
    dataset: Any = getattr(loader, "dataset", None)
    rows: Any = None
    if isinstance(dataset, Subset):
        dataset, rows = dataset.dataset, torch.as_tensor(dataset.indices)
    weights, name = _of_dataset(dataset, column)
    if weights is None:
        return False
    if isinstance(weights, RawColumn):
        weights = to_tensor(weights.values, column or "weights")
    check_weights(weights, len(dataset), name)
    weights = weights if rows is None else weights[rows]
    if len(weights) and not weights.any():
        raise ValueError(
            f"{name} is 0 in every row, so that no row counts: give the rows that are to count a "
            "weight above 0"
        )
    return True


def _of_dataset(dataset: Any, column: str | None) -> tuple[Any, str]:
    """Return the weights of a data set in memory, or None, and their name."""
    own = getattr(dataset, "weights", None)
    if isinstance(dataset, TensorDataset) and len(dataset.tensors) == 3:
        own = dataset.tensors[2]
    x = getattr(dataset, "x", None)
    if column is None or not isinstance(x, Mapping):
        return own, "weights"
    return taken_out(x, own, column)[1], f"weight_column={column!r}"
