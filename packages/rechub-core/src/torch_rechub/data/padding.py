"""Rows of different lengths, brought to one length and into one array."""

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
    """Bring N sequences to one length L: the longer ones are cut, the shorter ones filled up.

    Args:
        sequences: N lists, tuples or arrays, each of one dimension.
        maxlen: The length L; None means that of the longest sequence.
        dtype: Type of the result; fractions are cut off where it is an integer type.
        padding: Where the filling goes: "pre", before the sequence, or "post", after it.
        truncating: Which end of a longer sequence is cut off: "pre" keeps the last L elements,
            "post" the first L.
        value: The padding value.

    Returns:
        Array of shape (N, L).

    Raises:
        ValueError: An argument is not as above, or an element does not fit the dtype.

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
    for first in range(0, len(rows), _CHUNK):  # so that what lies between stays in the cache
        chunk = slice(first, first + _CHUNK)
        length = np.minimum(lengths[chunk], width)[:, None]
        flat = _flat(
            list(map(operator.itemgetter(kept), rows[chunk])), int(length.sum()), out.dtype
        )
        position = np.arange(width)
        out[chunk][position >= width - length if padding == "pre" else position < length] = flat
    return out


def stacked(values: Array) -> Array:
    """An object array of equally long rows as one array of shape (N, L, …); others as they are.

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
    except ValueError:  # the elements of a row are rows themselves, of different lengths
        return values
    return flat.reshape(len(rows), lengths[0], *flat.shape[1:])


def _lengths(rows: list[Any]) -> npt.NDArray[np.int64]:
    try:
        return np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    except TypeError:
        number = next(row for row in rows if not hasattr(row, "__len__"))
        raise ValueError(f"sequences must hold sequences, got {number!r} among them") from None


def _flat(rows: list[Any], total: int, dtype: np.dtype[Any]) -> Array:
    """The elements of all rows in one array of this dtype."""
    if set(map(type, rows)) == {np.ndarray}:
        flat: Array = np.concatenate(rows)
    elif dtype.kind in "biuf":
        # older versions of NumPy let their own integers wrap in a narrow type
        wide = np.dtype(np.int64) if dtype.kind in "iu" and dtype.itemsize < 8 else dtype
        try:
            flat = np.fromiter(chain.from_iterable(rows), dtype=wide, count=total)
        except OverflowError as error:
            raise ValueError(f"an element does not fit {dtype}: {error}") from None
    else:
        flat = np.array(list(chain.from_iterable(rows)), dtype=dtype)
    if flat.ndim != 1:
        raise ValueError(f"each sequence must have one dimension, got one of {flat.ndim}")
    if dtype.kind in "iu" and flat.dtype.kind in "iu" and flat.size:
        bounds = np.iinfo(dtype)
        for extreme in (flat.min(), flat.max()):
            if not bounds.min <= extreme <= bounds.max:
                raise ValueError(f"{extreme} does not fit {dtype}: give a wider dtype")
    return flat.astype(dtype, copy=False)
