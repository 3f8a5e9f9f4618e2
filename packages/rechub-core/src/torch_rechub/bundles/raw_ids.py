"""Raw ids by a key of their own, and the row of each key; many at a time without Python objects.

Many ids are texts in Arrow or whole numbers in NumPy, where they are found in a hash table at a
time. Others are keys in an index of pandas.
"""

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._extras import require

if TYPE_CHECKING:
    import pyarrow as pa

Array: TypeAlias = npt.NDArray[Any]
Ids: TypeAlias = npt.NDArray[np.int64]
RawIds: TypeAlias = Any
"""Whole numbers, texts as large_string, or any objects."""

_LARGEST = 2**63 - 1


class IdRows:
    """The rows of N raw ids, where a whole number and its decimal text are one id.

    Args:
        ids: The raw ids, unique as keys.

    Example:
        >>> rows = IdRows(["7", "a"])
        >>> rows.of([7, 7.0, "07", None, "a"])
        array([ 0,  0, -1, -1,  1])
    """

    def __init__(self, ids: Any) -> None:
        self.keys = keys_of(ids)
        self._ids = ids if isinstance(ids, np.ndarray) and ids.dtype.kind == "i" else None

    def of(self, ids: Any) -> Ids:
        """Return the row of each raw id, −1 for others."""
        if 4 * len(ids) < len(self.keys):  # a table that is made for each call is not worth it
            found: Ids = self.keys.get_indexer(keys_of(ids)).astype(np.int64)
            return found
        wanted = compact(ids)
        if is_text(wanted):
            return self._of_texts(wanted)
        if wanted.dtype.kind in "iu":
            return self._of_numbers(wanted)
        return self.keys.get_indexer(keys_of(wanted)).astype(np.int64)

    def _of_texts(self, wanted: "pa.Array") -> Ids:
        if self._texts is None:
            return self.keys.get_indexer(keys_of(wanted)).astype(np.int64)
        return _places(wanted, self._texts)

    def _of_numbers(self, wanted: Array) -> Ids:
        import pyarrow as pa

        numbers, rows = self._numbers
        found = _places(pa.array(wanted.astype(np.int64, copy=False)), pa.array(numbers))
        # an unsigned number above the largest signed one is not among them
        if wanted.dtype.kind == "u":
            found = np.where(wanted > np.uint64(_LARGEST), -1, found)
        return rows[found]

    @cached_property
    def _texts(self) -> "pa.Array | None":
        """The keys in Arrow; None if one is no text of Unicode."""
        return _in_arrow(self.keys.to_numpy())

    @cached_property
    def _numbers(self) -> tuple[Ids, Ids]:
        """The keys that are whole numbers, and their rows with −1 in the end."""
        if self._ids is not None:
            return self._ids.astype(np.int64), np.append(np.arange(len(self._ids)), -1)
        found = [(_number(key), row) for row, key in enumerate(self.keys)]
        pairs = [pair for pair in found if pair[0] is not None]
        numbers = np.array([number for number, _ in pairs], dtype=np.int64)
        return numbers, np.array([*(row for _, row in pairs), -1], dtype=np.int64)


def compact(ids: Any) -> RawIds:
    """Return raw ids without a Python object for each, where all are texts or whole numbers.

    Example:
        >>> compact(np.array([7, 8], dtype=object)), compact(["a"]).type
        (array([7, 8]), DataType(large_string))
    """
    if is_text(ids):
        return ids
    ids = as_array(ids)
    if ids.dtype != object:
        return ids
    kind = pd.api.types.infer_dtype(ids, skipna=False)
    if kind == "integer":
        try:
            return ids.astype(np.int64)
        except OverflowError:
            return ids
    texts = _in_arrow(ids) if kind == "string" else None
    return ids if texts is None else texts


def is_text(ids: Any) -> bool:
    """Return whether ids are texts in Arrow."""
    pa = sys.modules.get("pyarrow")  # where it was not imported, there are none
    return pa is not None and isinstance(ids, pa.LargeStringArray)


def keys_of(values: Any) -> pd.Index:
    """Return raw ids as keys: a whole number and its decimal text are one id.

    Example:
        >>> keys_of([7, 7.0, "7", "07", None]).tolist()
        ['7', '7', '7', '07', None]
    """
    array = as_array(values)
    if array.dtype.kind in "iu":
        keys: Any = array.astype(str).tolist()
    elif array.dtype == object and pd.api.types.infer_dtype(array, skipna=False) == "string":
        keys = array  # the text itself, without a look at each
    else:
        keys = [_key(value) for value in array.tolist()]
    index: pd.Index = pd.Index(keys, dtype=object)
    return index


def as_array(ids: Any) -> Array:
    """Return raw ids as an array of NumPy, of objects if they are in no array yet."""
    if isinstance(ids, np.ndarray):
        return ids
    if is_text(ids):
        found: Array = ids.to_numpy(zero_copy_only=False)
        return found
    array: Array = np.empty(len(ids), dtype=object)
    array[:] = list(ids)
    return array


def _key(value: Any) -> Any:
    if value is None or value != value:
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return _text(value) if isinstance(value, bytes) else str(value)


def _text(value: bytes) -> str:
    """Return the text that bytes hold, as in a preprocessor."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return str(value)


def _number(key: Any) -> int | None:
    """Return the whole number of 64 bits whose decimal text is a key."""
    digits = key[1:] if key[:1] == "-" else key
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        return None
    number = int(key)
    return number if str(number) == key and -_LARGEST - 1 <= number <= _LARGEST else None


def _in_arrow(texts: Array) -> "pa.Array | None":
    require("pyarrow", "a bundle with items", "data")
    import pyarrow as pa

    try:
        found: pa.Array = pa.array(texts, pa.large_string())
    except (UnicodeEncodeError, pa.ArrowException):
        return None
    return found


def _places(wanted: "pa.Array", among: "pa.Array") -> Ids:
    """Return the place of each value among others, −1 if it is not there."""
    import pyarrow.compute as pc

    found = pc.index_in(wanted, value_set=among)
    places: Ids = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return places
