"""Columns of Arrow tables as NumPy arrays of rows, checked: errors name file, column and row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...basic.layers.values import plural
from ..weights import LARGEST

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Lists:
    """Lists of whole numbers of different lengths.

    Attributes:
        values: The numbers of all lists, one list after the other.
        lengths: The length of each list, (N,).
    """

    values: NDArray[Any]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)


Rows: TypeAlias = NDArray[Any] | Lists


def check_type(kind: "pa.DataType", subject: str) -> None:
    """Refuse a column that does not hold numbers, or lists of numbers.

    Raises:
        TypeError: The type is another; the message names it.
    """
    import pyarrow as pa

    inner = kind
    if _is_list(inner):
        inner = inner.value_type
    if pa.types.is_dictionary(inner):
        inner = inner.value_type
    types = pa.types
    checks = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    if not any(check(inner) for check in checks):
        raise TypeError(
            f"{subject} is of {kind}: a loader takes numbers, lists of numbers and vectors. Map it "
            "to ids first, such as by a Preprocessor, or leave it out (columns=[...])"
        )


def rows_of(
    column: "pa.ChunkedArray", subject: str, first_row: int = 0, *, missing: bool = False
) -> Rows:
    """Convert a column of numbers, or of lists of numbers, to rows, without a copy if possible.

    Args:
        column: The column.
        subject: The beginning of messages, such as "a.parquet, column 'item'".
        first_row: The number of the first row, for messages.
        missing: Whether NaN, and null among floats, are allowed, as in labels.

    Returns:
        An array (N,), or (N, L) of lists of one length; `Lists` of other lists of whole numbers.
        Numbers keep their type; bools and unsigned numbers of 16 bits or more become int64.

    Raises:
        TypeError: The column does not hold numbers.
        ValueError: A value is missing or not finite, a whole number is beyond int64, or lists of
            floats differ in length. The message names the first row.
    """
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if not _is_list(array.type):
        return _numbers(array, subject, lambda index: first_row + index, missing)
    if array.null_count:
        row = first_row + int(np.asarray(array.is_null()).argmax())
        raise ValueError(
            f"{subject} has {plural(array.null_count, 'missing list')} (null), first in row {row}: "
            "fill them first, such as with empty lists, or drop those rows"
        )
    lengths = _lengths(array)

    def row_of(index: int) -> int:
        return first_row + int(np.searchsorted(lengths.cumsum(), index, side="right"))

    values = _numbers(array.flatten(), subject, row_of, missing)
    width = int(lengths[0]) if len(lengths) else _fixed_width(array.type)
    if (lengths == width).all():
        return values.reshape(len(array), width)
    if values.dtype.kind not in "iu":
        low, high = int(lengths.min()), int(lengths.max())
        row = first_row + int((lengths != width).argmax())
        raise ValueError(
            f"{subject} has vectors of {low} to {high} numbers, first another length in row {row}: "
            "lists of ids may differ in length, but vectors may not"
        )
    return Lists(values, lengths)


def check_weights(weights: Rows, subject: str, first_row: int) -> None:
    """Refuse weights other than one number from 0 to 1e30 for each row.

    Raises:
        ValueError: A weight is another; the message names the first row.
    """
    if isinstance(weights, Lists) or weights.ndim != 1:
        raise ValueError(f"{subject} holds lists, but weights are one number a row")
    wrong = ~((weights >= 0) & (weights <= LARGEST))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{subject} must be numbers from 0 to {LARGEST:g}, but has "
            f"{plural(int(wrong.sum()), 'other value')}, first {weights[row]:g} in row "
            f"{first_row + row}: correct them, or set them to 0, by which those rows do not count"
        )


def _is_list(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _fixed_width(kind: "pa.DataType") -> int:
    import pyarrow as pa

    return int(kind.list_size) if pa.types.is_fixed_size_list(kind) else 0


def _lengths(array: "pa.Array") -> NDArray[np.int64]:
    import pyarrow.compute as pc

    return np.asarray(pc.list_value_length(array).to_numpy(zero_copy_only=False), np.int64)


def _numbers(
    array: "pa.Array", subject: str, row_of: Callable[[int], int], missing: bool
) -> NDArray[Any]:
    """Convert an array of numbers; `row_of` gives the row of an element, for messages."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if types.is_decimal(array.type):
        array = array.cast(pa.float64())
    floating = types.is_floating(array.type)
    if array.null_count and not (missing and floating):
        row = row_of(int(np.asarray(array.is_null()).argmax()))
        raise ValueError(
            f"{subject} has {plural(array.null_count, 'missing value')} (null), first in row {row}:"
            " fill them first, such as by an id of their own, or drop those rows"
        )
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    if floating and not missing:
        _check_finite(values, subject, row_of)
    if values.dtype == np.uint64:
        _check_int64(values, subject, row_of)
    wide = values.dtype.kind == "u" and values.dtype.itemsize > 1
    return values.astype(np.int64) if wide or values.dtype.kind == "b" else values


def _check_finite(values: NDArray[Any], subject: str, row_of: Callable[[int], int]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        # one sum is quicker than a test of each number, which follows if the sum is not finite
        if np.isfinite(values.sum()):
            return
    wrong = ~np.isfinite(values)
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"{subject} has {plural(int(wrong.sum()), 'value')} NaN or infinite, first "
            f"{values[first]:g} in row {row_of(first)}: fill them first, or drop those rows"
        )


def _check_int64(values: NDArray[Any], subject: str, row_of: Callable[[int], int]) -> None:
    wrong = values > np.iinfo(np.int64).max
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"{subject} has {plural(int(wrong.sum()), 'value')} beyond int64, first "
            f"{values[first]} in row {row_of(first)}: map ids to 0 and up first"
        )
