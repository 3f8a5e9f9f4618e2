"""Weights of rows in losses and metrics."""

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

# a limit with which sums of weights and weighted losses are finite in single precision
LARGEST = 1e30


def check_weights(weights: Any, rows: int, name: str = "weights") -> None:
    """Refuse weights other than one number from 0 to 1e30 for each row.

    Args:
        weights: The weights.
        rows: The number of rows.
        name: The name of the weights, for the message.

    Raises:
        TypeError: Weights are not a tensor of real numbers.
        ValueError: There is not one weight per row, or a weight is negative, too large, or NaN. The
            message gives the number of such rows, the first one and the remedy.

    Example:
        >>> check_weights(torch.tensor([1.0, -2.0, 0.0]), 3)
        Traceback (most recent call last):
        ValueError: weights must be numbers from 0 to 1e+30, but 1 of 3 is not; the first is -2 ...
    """
    if not isinstance(weights, Tensor) or weights.is_complex():
        kind = weights.dtype if isinstance(weights, Tensor) else type(weights).__name__
        raise TypeError(f"{name} must be a tensor of one number a row, but is {kind}")
    if weights.dim() == 0 or weights.numel() != rows or len(weights) != rows:
        raise ValueError(
            f"{name} must hold one number a row, {rows} of them, but has the shape "
            f"{tuple(weights.shape)}"
        )
    if rows == 0:
        return
    low, high = torch.aminmax(weights)
    if low >= 0 and high <= LARGEST:  # both are False if a weight is NaN
        return
    wrong = ~((weights >= 0) & (weights <= LARGEST)).reshape(-1)
    row, n = int(wrong.nonzero()[0]), int(wrong.sum())
    value = float(weights.reshape(-1)[row])
    are = "is" if n == 1 else "are"
    raise ValueError(
        f"{name} must be numbers from 0 to {LARGEST:g}, but {n} of {rows} {are} not; the first is "
        f"{value:g} in row {row}: correct them, or give such rows the weight 0, by which they do "
        "not count"
    )


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


def taken_out(
    x: Any, weights: Tensor | None, column: str, required: bool = True
) -> tuple[Any, Tensor | None]:
    """Separate the weights from the inputs.

    Args:
        x: The inputs.
        weights: The weights from the loader, or None.
        column: The column of the weights.
        required: Whether the inputs must have the column.

    Raises:
        KeyError: The required column is missing.
        ValueError: Weights are given twice.
    """
    if not isinstance(x, Mapping) or column not in x:
        if not required:
            return x, weights
        there = ", ".join(map(str, x)) if isinstance(x, Mapping) else "none, as inputs are no dict"
        raise KeyError(
            f"weight_column={column!r} is not in the data, which training and evaluation need; "
            f"columns there are: {there}"
        )
    if weights is not None:
        raise ValueError(
            f"there are weights twice: in weight_column={column!r} and as the third part of a "
            "batch, (x, y, weights): give one of them"
        )
    return {name: value for name, value in x.items() if name != column}, x[column]


def rows_of(value: Any, kept: Tensor, rows: int) -> Any:
    """The rows `kept` of inputs: of tensors, of lists of as many rows, and of dicts of them.

    Args:
        value: The inputs.
        kept: The numbers of the rows.
        rows: The number of rows before.

    Raises:
        ValueError: A tensor has another number of rows.
    """
    if isinstance(value, Tensor):
        if value.dim() == 0 or len(value) != rows:
            raise ValueError(
                f"an input of shape {tuple(value.shape)} has not one entry for each of the {rows} "
                "rows, so that rows of weight 0 cannot be left out: leave them out of the data"
            )
        return value.index_select(0, kept.to(value.device))
    if isinstance(value, Mapping):
        return {name: rows_of(part, kept, rows) for name, part in value.items()}
    if not isinstance(value, list | tuple):
        return value
    if any(isinstance(part, Tensor | Mapping | list | tuple) for part in value):
        return tuple(rows_of(part, kept, rows) for part in value)
    chosen = set(kept.tolist())
    return (
        tuple(compress(value, (i in chosen for i in range(rows)))) if len(value) == rows else value
    )


def joined_weights(parts: Sequence[Tensor | None]) -> Tensor | None:
    """The weights of all batches; None where they have none.

    Raises:
        ValueError: Only some batches have weights.
    """
    present = [part for part in parts if part is not None]
    if present and len(present) < len(parts):
        raise ValueError(
            "some batches have weights and others have none: give all of them weights, or none"
        )
    return torch.cat(present) if present else None
