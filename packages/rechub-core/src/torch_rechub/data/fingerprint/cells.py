"""Hashes of cells that are no plain numbers: texts, dates, lists, objects, missing values."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .mixing import (
    MISSING,
    Words,
    mixed,
    of_ragged_rows,
    of_rows,
    of_shape,
    words_of_numbers,
)  # fmt: skip

_MOMENT = np.uint64(0x8EBC6AF09C88C6E3)  # apart from the words of numbers
_EPOCH = datetime(1970, 1, 1)


class UnreadableError(TypeError):
    """Cells are objects without a content that can be hashed."""


def hashes_of_objects(cells: Iterable[Any]) -> Words:
    """Return a hash for each cell; numbers have those of numeric columns.

    Raises:
        UnreadableError: A cell is an object of an unknown type.

    Example:
        >>> a, b, c = hashes_of_objects(["x", None, "x"])
        >>> bool(a == c), bool(a == b)
        (True, False)
    """
    rows = list(cells)
    if any(_is_sequence(cell) for cell in rows[:100]):
        return _hashes_of_lists(rows)
    return mixed(_words(rows))


def hashes_of_moments(moments: NDArray[Any]) -> Words:
    """Return a hash for each date, time or duration of NumPy, the same in every unit."""
    return mixed(_words_of_moments(moments))


def hashes_of_texts(values: Sequence[Any], of_row: NDArray[Any]) -> Words:
    """Return the hash of the value of each row, of distinct values; a negative index is missing.

    Args:
        values: The distinct values.
        of_row: The index of the value of each row.
    """
    known = np.append(hashes_of_objects(values), mixed(np.array([MISSING])))
    index = np.asarray(of_row, dtype=np.int64)
    found: Words = known[np.where(index < 0, len(known) - 1, index)]
    return found


def _words(cells: Sequence[Any]) -> Words:
    """Return a word for each cell; equal texts are hashed once."""
    known: dict[Any, int] = {}
    found = np.empty(len(cells), dtype=np.uint64)
    for number, cell in enumerate(cells):
        if type(cell) is str:
            word = known.get(cell)
            if word is None:
                word = known[cell] = _word_of_bytes(cell.encode("utf-8", "surrogatepass"))
        else:
            word = _word(cell)
        found[number] = word
    return found


def _word(cell: Any) -> int:
    if cell is None or (kind := type(cell).__name__) in ("NAType", "NaTType"):
        return int(MISSING)
    for known, word in _KINDS:
        if isinstance(cell, known):
            return word(cell)
    raise UnreadableError(f"cells of type {kind} have no content that can be hashed")


def _of_number(cell: Any) -> int:
    try:
        return int(words_of_numbers(np.asarray(cell).reshape(1))[0])
    except (OverflowError, TypeError, ValueError):  # an int beyond 64 bits
        return _word_of_bytes(str(cell).encode())


def _of_moment(cell: Any) -> int:
    if isinstance(cell, datetime):
        value = getattr(cell, "value", None)  # nanoseconds of pandas
        if value is not None:
            return int(_words_of_moments(np.array([value], dtype="datetime64[ns]"))[0])
        cell = cell.astimezone(timezone.utc).replace(tzinfo=None) if cell.tzinfo else cell
    elif isinstance(cell, date):
        cell = datetime(cell.year, cell.month, cell.day)
    span = cell if isinstance(cell, timedelta) else cell - _EPOCH
    return int(_words_of_moments(np.array([span], dtype="timedelta64[us]"))[0])


def _of_numpy_moment(cell: Any) -> int:
    return int(_words_of_moments(np.asarray(cell).reshape(1))[0])


def _of_bytes(cell: Any) -> int:
    return _word_of_bytes(b"\0bytes" + bytes(cell))


def _of_decimal(cell: Decimal) -> int:
    return _of_number(float(cell)) if cell == float(cell) else _word_of_bytes(str(cell).encode())


def _of_text(cell: str) -> int:
    return _word_of_bytes(str(cell).encode("utf-8", "surrogatepass"))


_KINDS: tuple[tuple[Any, Callable[[Any], int]], ...] = (
    (str, _of_text),
    ((np.datetime64, np.timedelta64), _of_numpy_moment),
    ((bool, int, float, np.number, np.bool_), _of_number),
    ((bytes, bytearray), _of_bytes),
    ((date, timedelta), _of_moment),
    (Decimal, _of_decimal),
)


def _words_of_moments(moments: NDArray[Any]) -> Words:
    """Microseconds as words; those with a fraction of one keep their nanoseconds."""
    kind = moments.dtype.kind
    coarse = moments.astype(f"{'datetime64' if kind == 'M' else 'timedelta64'}[us]")
    words: Words = coarse.astype(np.int64).view(np.uint64) ^ _MOMENT
    fine = ~np.isnat(moments) & (coarse != moments)
    if fine.any():
        words[fine] = ~moments[fine].astype(np.int64).view(np.uint64)
    words[np.isnat(moments)] = MISSING
    return words


def _word_of_bytes(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _array_of(row: Any) -> NDArray[Any]:
    """A list as an array; its cells as objects where NumPy would make them equal texts.

    Raises:
        UnreadableError: It holds lists of several lengths.
    """
    try:
        array = np.asarray(row)
    except ValueError as error:
        raise UnreadableError("lists in lists have several lengths") from error
    mixed_up = array.dtype.kind in "US" and isinstance(row, list | tuple) and array.ndim == 1
    if mixed_up and any(type(cell) is not type(row[0]) for cell in row):
        return np.array(row, dtype=object)
    return array


def _is_sequence(cell: Any) -> bool:
    return isinstance(cell, list | tuple) or (hasattr(cell, "shape") and len(cell.shape) > 0)


def _hashes_of_lists(rows: Sequence[Any]) -> Words:
    """Return the hashes of rows that are lists or arrays, of one length or of several."""
    arrays = [_array_of(row) if _is_sequence(row) else None for row in rows]
    flat = [None if array is None else array.reshape(-1) for array in arrays]
    there = [row for row in flat if row is not None]
    lengths = np.array([0 if row is None else len(row) for row in flat], dtype=np.int64)
    numbers = all(row.dtype.kind in "biuf" for row in there)
    if numbers and there:
        words = words_of_numbers(np.concatenate(there))
    else:
        words = _words([cell for row in there for cell in row.tolist()])
    width = int(lengths[0]) if len(lengths) else 0
    found = of_rows(words, width) if width and (lengths == width).all() else None
    found = of_ragged_rows(words, lengths) if found is None else found
    for number, array in enumerate(arrays):
        if array is not None and array.ndim > 1:
            found[number] = of_shape(found[number : number + 1], array.shape)[0]
    others = [number for number, row in enumerate(flat) if row is None]
    if others:
        found[others] = mixed(_words([rows[number] for number in others]))
    return found
