"""Conversion of Arrow arrays to tensors."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..basic.layers.values import plural

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST = float(np.finfo(np.float32).max)


def pa_array_to_tensor(arr: "pa.Array | pa.ChunkedArray") -> Tensor:
    """Convert an Arrow array of N numbers, or of N lists of L numbers, to a tensor (a copy).

    Args:
        arr: Numbers, bools, dictionaries of them, or lists of equal length of them; slices and
            chunks too.

    Returns:
        Shape (N,), or (N, L): int64 for whole numbers and bools, so that ids stay exact, and
        float32 for others, where null becomes NaN.

    Raises:
        TypeError: The array is not numeric.
        ValueError: Lists differ in length; a list or a whole number is null; an unsigned number is
            beyond int64, or a float beyond float32. The first row is named.

    Example:
        >>> import pyarrow as pa
        >>> pa_array_to_tensor(pa.array([[1, 2], [3, 4], [5, 6]])[1:])
        tensor([[3, 4],
                [5, 6]])
    """
    return column_of(arr, "an Arrow array")


def column_of(arr: "pa.Array | pa.ChunkedArray", subject: str, first_row: int = 0) -> Tensor:
    """Convert a part of a column; see `pa_array_to_tensor`.

    Args:
        arr: The values.
        subject: The beginning of messages, such as "column 'item'".
        first_row: The number of the first row, for messages.
    """
    import pyarrow as pa

    if isinstance(arr, pa.ChunkedArray):
        arr = arr.combine_chunks()
    values, shape, width = _decoded(arr), [len(arr)], 1
    while _is_list(values.type):
        shape.append(_width(values, subject, first_row, width))
        values, width = _decoded(values.flatten()), max(1, width * shape[-1])
    return _numbers_of(values, subject, first_row, width).reshape(shape)


def _decoded(arr: "pa.Array") -> "pa.Array":
    """Decode a dictionary array; return others unchanged."""
    import pyarrow as pa

    return arr.dictionary_decode() if pa.types.is_dictionary(arr.type) else arr


def _numbers_of(arr: "pa.Array", subject: str, first_row: int, width: int) -> Tensor:
    """Convert numbers, `width` per row, to a tensor."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    arr = arr.cast(pa.float64()) if types.is_decimal(arr.type) else arr
    kind = arr.type
    whole = types.is_integer(kind) or types.is_boolean(kind)

    def first_of(wrong: "pa.BooleanArray") -> int:
        return first_row + int(pc.index(wrong, True).as_py()) // width

    if not whole and not types.is_floating(kind):
        empty, note = _empty(arr), ""
        if n_empty := pc.sum(empty).as_py():
            note = f" ({plural(n_empty, 'empty or missing value')}, first in row {first_of(empty)})"
        raise TypeError(
            f"{subject} of {kind} holds no numbers{note}: map its values to ids or numbers first"
        )
    if whole and arr.null_count:
        raise ValueError(
            f"{subject} has {plural(arr.null_count, 'missing value')} (null), first in row "
            f"{first_of(arr.is_null())}, among whole numbers ({kind}): fill them first "
            "(pyarrow.compute.fill_null), such as by an id of their own, or drop those rows"
        )
    if types.is_uint64(kind) or types.is_float64(kind):
        beyond = _beyond(arr, 2**63 - 1 if whole else _LARGEST)
        if beyond is not None:
            value = arr.filter(beyond)[0].as_py()
            raise ValueError(
                f"{subject} has {plural(pc.sum(beyond).as_py(), 'value')} beyond "
                f"{'int64' if whole else 'float32'}, first {value} in row {first_of(beyond)}: "
                + ("map ids to 0 and up first" if whole else "scale or clip it first")
            )
    numbers = arr.cast(pa.int64() if whole else pa.float32())
    return torch.from_numpy(numbers.to_numpy(zero_copy_only=False, writable=True))


def _empty(arr: "pa.Array") -> "pa.BooleanArray":
    """Return the mask of values that are null or empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = arr.is_null()
    if not (pa.types.is_string(arr.type) or pa.types.is_large_string(arr.type)):
        return missing
    return pc.or_kleene(missing, pc.equal(pc.utf8_trim_whitespace(arr), ""))


def _beyond(arr: "pa.Array", limit: float) -> "pa.BooleanArray | None":
    """Return the mask of finite numbers beyond ±limit; None if there are none.

    Args:
        arr: Numbers of 64 bits, unsigned or floating.
        limit: The limit, which the type of the numbers holds.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.min_max(arr).as_py()
    if all(value is None or -limit <= value <= limit for value in found.values()):
        return None
    beyond = pc.greater(pc.abs(arr), pa.scalar(limit, arr.type))
    beyond = pc.fill_null(pc.and_(beyond, pc.is_finite(arr)), fill_value=False)
    return beyond if pc.any(beyond).as_py() else None


def _is_list(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _width(arr: "pa.Array", subject: str, first_row: int, width: int) -> int:
    """Return the common length of the lists of an array; 0 if there are no lists."""
    import pyarrow.compute as pc

    if arr.null_count:
        row = first_row + int(pc.index(arr.is_null(), True).as_py()) // width
        raise ValueError(
            f"{subject} has {plural(arr.null_count, 'missing list')} (null), first in row {row}: "
            "fill them first, such as with lists of the id of padding, or drop those rows"
        )
    lengths = pc.min_max(pc.list_value_length(arr)).as_py()
    if lengths["min"] != lengths["max"]:
        raise ValueError(
            f"{subject} has lists of {lengths['min']} to {lengths['max']} elements: bring them to "
            "one length first, with torch_rechub.utils.data.pad_sequences"
        )
    return int(lengths["max"] or 0)
