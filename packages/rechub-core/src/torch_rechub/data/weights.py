"""Weights of rows in losses and metrics."""

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import torch
from torch import Tensor

from ..basic.layers.values import describe_missing, extremes, find, plural

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
        ValueError: weights must be numbers from 0 to 1e+30, but has 1 other value, first -2 in ...
    """
    if not isinstance(weights, Tensor) or weights.is_complex():
        kind = weights.dtype if isinstance(weights, Tensor) else type(weights).__name__
        raise TypeError(f"{name} must be a tensor of one number a row, but is {kind}")
    if weights.dim() == 0 or weights.numel() != rows or len(weights) != rows:
        raise ValueError(
            f"{name} must hold one number a row, {rows} of them, but has the shape "
            f"{tuple(weights.shape)}"
        )
    low, high = extremes(weights)
    if low >= 0 and high <= LARGEST:  # neither is so if one is NaN
        return
    problem = describe_missing(weights)
    if problem is None:
        wrong = find(weights, lambda block: (block < 0) | (block > LARGEST))
        if wrong is None:  # 1e30 in single precision is a little more than in double
            return
        problem = f"{plural(wrong.count, 'other value')}, first {wrong.value:g} in row {wrong.row}"
    raise ValueError(
        f"{name} must be numbers from 0 to {LARGEST:g}, but has {problem}: correct them, or "
        "set them to 0, by which those rows do not count"
    )


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
