"""Padding and truncation of sequences to an array."""

import operator
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from .._bounds import check_whole, refuse_masked

_CHUNK = 4096  # rows

Array = npt.NDArray[Any]


def pad_sequences(
    sequences: Iterable[Sequence[Any]],
    maxlen: int | None = None,
    dtype: npt.DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Array:
    """Pad or truncate N sequences to length L.

    Args:
        sequences: N lists, tuples or arrays, each of one dimension.
        maxlen: The length L; None means the length of the longest sequence.
        dtype: Type of the result; an integer type truncates fractions.
        padding: "pre" pads before the sequence, "post" after it.
        truncating: "pre" removes the beginning of longer sequences, "post" the end.
        value: The padding value.

    Returns:
        Array of shape (N, L).

    Raises:
        ValueError: An argument has another value, or an element does not fit the dtype.

    Example:
        >>> pad_sequences([[1, 2, 3], [4]], maxlen=2)
        array([[2, 3],
               [0, 4]], dtype=int32)
        >>> pad_sequences([[1, 2, 3], [4]], padding="post")
        array([[1, 2, 3],
               [4, 0, 0]], dtype=int32)
    """
    for name, end in (("padding", padding), ("truncating", truncating)):
        if end not in ("pre", "post"):
            raise ValueError(f"{name} must be 'pre' or 'post', got {end!r}")
    check_whole(0, maxlen=maxlen)
    refuse_masked(sequences, "sequences")
    rows = list(sequences)
    lengths = _lengths(rows)
    width = int(lengths.max(initial=0)) if maxlen is None else maxlen
    kept = slice(-width, None) if truncating == "pre" and width else slice(width)
    out = np.full((len(rows), width), value, dtype=dtype)
    for first in range(0, len(rows), _CHUNK):  # in chunks that fit into the cache
        chunk = slice(first, first + _CHUNK)
        length = np.minimum(lengths[chunk], width)[:, None]
        cut = list(map(operator.itemgetter(kept), rows[chunk]))
        try:
            flat = _flat(cut, int(length.sum()), out.dtype)
        except (TypeError, ValueError):
            _refuse_missing(cut, first)
            raise
        position = np.arange(width)
        out[chunk][position >= width - length if padding == "pre" else position < length] = flat
    return out


def stacked(values: Array) -> Array:
    """Stack an object array of rows of equal length to shape (N, L, …); return others unchanged.

    Example:
        >>> column = np.empty(2, dtype=object)
        >>> column[:] = [1, 2], [3, 4]
        >>> stacked(column)
        array([[1, 2],
               [3, 4]])
    """
    if values.dtype != object or not len(values):
        return values
    rows = list(values)
    kinds = set(map(type, rows))
    if not kinds <= {list, tuple, np.ndarray}:
        return values
    lengths = _lengths(rows)
    if (lengths != lengths[0]).any():
        return values
    try:
        if kinds == {np.ndarray}:
            flat = np.concatenate(rows)
        else:
            flat = np.array(list(chain.from_iterable(rows)))
    except ValueError:  # the rows contain lists of different lengths
        return values
    return flat.reshape(len(rows), lengths[0], *flat.shape[1:])


def _lengths(rows: list[Any]) -> npt.NDArray[np.int64]:
    try:
        return np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    except TypeError:
        number = next(row for row in rows if not hasattr(row, "__len__"))
        raise ValueError(f"sequences must hold sequences, got {number!r} among them") from None


def _refuse_missing(rows: list[Any], first_row: int) -> None:
    """Refuse None and NaN among the elements of rows.

    Raises:
        ValueError: Names the first row with one and the remedy.
    """
    for i, row in enumerate(rows, first_row):
        for element in row:
            if element is None or (isinstance(element, float | np.floating) and element != element):
                raise ValueError(
                    f"sequences have a missing value, {element}, in row {i}: fill it, such as with "
                    "an id of its own, or drop it"
                ) from None


def _flat(rows: list[Any], total: int, dtype: np.dtype[Any]) -> Array:
    """Concatenate the elements of all rows to an array of the dtype."""
    if set(map(type, rows)) == {np.ndarray}:
        flat: Array = np.concatenate(rows)
    elif dtype.kind in "biuf":
        # older versions of NumPy wrap integers silently in a narrow type
        wide = np.dtype(np.int64) if dtype.kind in "iu" and dtype.itemsize < 8 else dtype
        try:
            flat = np.fromiter(chain.from_iterable(rows), dtype=wide, count=total)
        except OverflowError as error:
            raise ValueError(f"an element does not fit {dtype}: {error}") from None
    else:
        flat = np.array(list(chain.from_iterable(rows)), dtype=dtype)
    if dtype.kind in "iu" and flat.dtype.kind == "f" and np.isnan(flat).any():
        raise ValueError(f"NaN does not fit {dtype}")
    if flat.ndim != 1:
        raise ValueError(f"each sequence must have one dimension, got one of {flat.ndim}")
    if dtype.kind in "iu" and flat.dtype.kind in "iu" and flat.size:
        bounds = np.iinfo(dtype)
        for extreme in (flat.min(), flat.max()):
            if not bounds.min <= extreme <= bounds.max:
                raise ValueError(f"{extreme} does not fit {dtype}: give a wider dtype")
    return flat.astype(dtype, copy=False)
