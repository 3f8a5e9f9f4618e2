"""Checks of the values of a column: finite numbers, whole numbers, ids of a vocabulary.

Each check is one pass at the speed of memory, without a copy. Only if it fails, a second pass
counts the values that are wrong and finds the first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK = 2**18  # numbers, so that what a comparison allocates stays in the cache

FILL_DENSE = (
    "fill them, such as with the median, and add a column that indicates which were missing, or "
    "drop those rows"
)
FILL_IDS = (
    "map missing values to an id of their own, such as with pandas' fillna, and count it in "
    "vocab_size, or drop those rows"
)
FILL_LABELS = "drop those rows, from the inputs too"


@dataclass(frozen=True, slots=True)
class Wrong:
    """The values of a column that fail a check.

    Attributes:
        count: How many there are.
        row: The row of the first, from 0.
        value: The first.
    """

    count: int
    row: int
    value: float


def extremes(values: Tensor) -> tuple[float, float]:
    """The smallest and the largest value; both NaN if one is NaN, and 0 if there are none.

    Example:
        >>> extremes(torch.tensor([2.0, -1.0])), extremes(torch.tensor([2.0, torch.nan]))
        ((-1.0, 2.0), (nan, nan))
    """
    if values.numel() == 0:
        return 0, 0
    low, high = torch.aminmax(values.detach())
    return low.item(), high.item()


def find(values: Tensor, is_wrong: Callable[[Tensor], Tensor]) -> Wrong | None:
    """Count the values that fail a check, block by block; None if there are none.

    Args:
        values: A column of one row per entry, (N, …).
        is_wrong: Maps a block of values to a mask of the same shape.

    Example:
        >>> find(torch.tensor([[1, 2], [-3, -4]]), lambda block: block < 0)
        Wrong(count=2, row=1, value=-3)
    """
    count, row, value = 0, 0, 0.0
    for start, block in _blocks(values):
        wrong = is_wrong(block)
        found = int(wrong.sum())
        if found and not count:
            row = start + int(wrong.nonzero()[0, 0])
            value = block[wrong][0].item()
        count += found
    return Wrong(count, row, value) if count else None


def describe_missing(values: Tensor) -> str | None:
    """Count NaN and infinite values, as a part of a message; None if there are none.

    Example:
        >>> describe_missing(torch.tensor([1.0, torch.nan, -torch.inf]))
        '1 missing value (NaN), first in row 1, and 1 infinite value, first in row 2'
    """
    if not values.is_floating_point():
        return None
    kinds = (("missing value", " (NaN)", torch.isnan), ("infinite value", "", torch.isinf))
    parts = []
    for kind, note, is_wrong in kinds:
        if wrong := find(values, is_wrong):
            parts.append(f"{plural(wrong.count, kind)}{note}, first in row {wrong.row}")
    return ", and ".join(parts) or None


def plural(count: int, noun: str) -> str:
    """A number and what it counts.

    Example:
        >>> plural(1, "missing value"), plural(2, "missing value")
        ('1 missing value', '2 missing values')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def check_finite(
    values: Tensor, subject: str, dtype: torch.dtype = torch.float32, remedy: str = FILL_DENSE
) -> None:
    """Refuse NaN, infinity, and finite numbers that are infinite in the dtype of the model.

    Args:
        values: A column, (N, …).
        subject: The beginning of the message, such as "column 'price'".
        dtype: The floating dtype that it is cast to.
        remedy: The end of the message about missing and infinite values.

    Raises:
        ValueError: Names the column, the number of such values, the first row and the remedy.

    Example:
        >>> check_finite(torch.tensor([0.5, torch.nan]), "column 'price'", remedy="fill it")
        Traceback (most recent call last):
        ValueError: column 'price' has 1 missing value (NaN), first in row 1: fill it
    """
    largest = torch.finfo(dtype).max
    if not values.is_floating_point() and largest > 2**64:
        return
    low, high = extremes(values)
    if -largest <= low and high <= largest:  # neither holds for NaN
        return
    if problem := describe_missing(values):
        raise ValueError(f"{subject} has {problem}: {remedy}")
    wrong = find(values, lambda block: (block < -largest) | (block > largest))
    assert wrong is not None
    raise ValueError(
        f"{subject} has {plural(wrong.count, 'value')} beyond {largest:.3g}, the largest "
        f"{str(dtype).removeprefix('torch.')}, first {wrong.value:g} in row {wrong.row}: scale or "
        "clip it (numpy.clip, a logarithm), or make the model double"
    )


def check_whole_numbers(values: Tensor, name: str, rows_of: str = "") -> None:
    """Refuse ids that came as floats and are no whole numbers, or are not exact.

    Args:
        values: A column of ids, (N, …), of any dtype.
        name: Its name, for the message.
        rows_of: The unit of row numbers, for the message, such as " of the batch".

    Raises:
        ValueError: Names the column, the number of such values, the first row and the remedy.
    """
    if not values.is_floating_point():
        return
    inexact = 2 / torch.finfo(values.dtype).eps  # from here on, neighbors are 2 or more apart
    low, high = extremes(values)
    bounded = -inexact < low and high < inexact
    if bounded and all(bool((block == block.floor()).all()) for _, block in _blocks(values)):
        return
    if wrong := find(values, torch.isnan):
        raise ValueError(
            f"column {name!r} has {plural(wrong.count, 'missing value')} (NaN), first in row "
            f"{wrong.row}{rows_of}: {FILL_IDS}"
        )
    if wrong := find(values, lambda block: block.isinf() | (block != block.floor())):
        raise ValueError(
            f"column {name!r} has {plural(wrong.count, 'value')} that {_is(wrong.count)} no whole "
            f"number, first {wrong.value:g} in row {wrong.row}{rows_of}: map its values to ids, or "
            "make it a DenseFeature"
        )
    wrong = find(values, lambda block: block.abs() >= inexact)
    assert wrong is not None
    raise ValueError(
        f"column {name!r} has {plural(wrong.count, 'id')} that {_is(wrong.count)} not exact in "
        f"{str(values.dtype).removeprefix('torch.')}, which skips whole numbers from "
        f"{inexact:.0f} on, first {wrong.value:.17g} in row {wrong.row}{rows_of}: store ids as "
        "whole numbers (int64)"
    )


def check_column(ids: Tensor, name: str, vocab_size: int | None, rows_of: str = "") -> None:
    """Refuse a column with an id outside the vocabulary of feature `name`; None means unbounded.

    Args:
        ids: The ids, (N, …), of any dtype.
        name: The name of the feature, for the message.
        vocab_size: The size of the vocabulary.
        rows_of: The unit of row numbers, for the message, such as " of the batch".

    Raises:
        IndexError: Names the feature, the id, the vocabulary size and the first row.
        ValueError: Ids came as floats that are no whole numbers.
    """
    check_whole_numbers(ids, name, rows_of)
    if ids.numel() == 0 or vocab_size is None:
        return
    low, high = (int(value) for value in extremes(ids))
    if low >= 0 and high < vocab_size:
        return
    wrong = find(ids, lambda block: (block < 0) | (block.double() >= vocab_size))
    assert wrong is not None
    coded = " (-1 is the code of missing values in pandas' factorize and categories)"
    raise IndexError(
        f"feature {name!r}: id {low if low < 0 else high} is outside its vocabulary; "
        f"vocab_size={vocab_size} allows ids 0 to {vocab_size - 1}. "
        "Set vocab_size to the largest id + 1, or map unknown ids to one that is reserved for "
        f"them{coded if low == -1 else ''}. {plural(wrong.count, 'value')} {_is(wrong.count)} "
        f"outside, first {int(wrong.value)} in row {wrong.row}{rows_of}."
    )


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _blocks(values: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Blocks of rows, each with the number of its first row."""
    values = values.detach().reshape(1) if values.dim() == 0 else values.detach()
    rows = max(1, _BLOCK // max(1, values[:1].numel()))
    for i, block in enumerate(values.split(rows)):
        yield i * rows, block
