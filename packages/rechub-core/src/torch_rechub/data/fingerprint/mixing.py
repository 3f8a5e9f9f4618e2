"""Mixing of words: 64-bit hashes of values and rows by passes of NumPy over blocks in the cache.

A hash here finds changes, by chance missed once in 2**64; it does not resist an attacker.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

BLOCK = 2**14  # values: a few arrays of so many words stay in the second-level cache
MISSING = np.uint64(0xC2B2AE3D27D4EB4F)
"""The word of a missing value: None, NaN, NaT, NA, null."""

_FRACTION = np.uint64(0x2545F4914F6CDD1D)  # apart from the words of whole numbers
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF, _SOME = np.uint64(32), np.uint64(29)
_PLACE = np.uint64(0x9FB21C651E98DF25)
_STEP = np.uint64(0xA0761D6478BD642F)


def mixed(words: Words, out: Words | None = None) -> Words:
    """Return well-distributed hashes of words, each on its own, in `out` if it is given.

    Example:
        >>> [f"{h:016x}" for h in mixed(np.array([0, 1], dtype=np.uint64)).tolist()]
        ['0000000000000000', '17fb89ee35ed72b0']
    """
    found: Words = np.multiply(words, _FIRST, out=out)
    shifted = found >> _HALF
    found ^= shifted
    found *= _SECOND
    found ^= np.right_shift(found, _SOME, out=shifted)
    return found


def words_of_numbers(values: NDArray[Any]) -> Words:
    """Return a word for each number: equal numbers have equal words, whatever their dtype.

    Whole numbers and bools have the word of their int64; other numbers that of their float64.

    Example:
        >>> one, half = words_of_numbers(np.array([1.0, 0.5], dtype=np.float32))
        >>> bool(one == words_of_numbers(np.array([True]))[0]), bool(half == one)
        (True, False)
    """
    if values.dtype.kind in "biu":
        return values.astype(np.int64, casting="unsafe").view(np.uint64)
    floats = values.astype(np.float64, copy=False)
    with np.errstate(invalid="ignore"):  # NaN and infinity are no whole numbers
        whole = floats.astype(np.int64)
    same = whole.astype(np.float64) == floats
    words = whole.view(np.uint64)
    if not same.all():
        bits = floats.view(np.uint64) ^ _FRACTION
        missing = np.isnan(floats)
        if missing.any():
            bits[missing] = MISSING
        np.copyto(words, bits, where=~same)
    return words


def of_rows(words: Words, width: int) -> Words:
    """Return the hashes of rows of `width` words each, which depend on their order.

    Args:
        words: The words of all rows, one row after the other.
        width: The number of words of each row.
    """
    rows = len(words) // width if width else 0
    keys = np.arange(1, width + 1, dtype=np.uint64) * _STEP
    cells = mixed(words.reshape(rows, width) ^ keys)
    ends = np.full(rows, width, dtype=np.uint64) * _PLACE
    return mixed(cells.sum(axis=1, dtype=np.uint64) + ends)


def of_shape(hashes: Words, shape: tuple[int, ...]) -> Words:
    """Return hashes of rows that depend on their shape, too: those of lists in lists."""
    if len(shape) < 2:
        return hashes
    return mixed(hashes ^ key_of("x".join(map(str, shape))))


def of_ragged_rows(words: Words, lengths: NDArray[np.int64]) -> Words:
    """Return the hashes of rows of different lengths; of one length they are those of `of_rows`.

    Args:
        words: The words of all rows, one row after the other.
        lengths: The number of words of each row.
    """
    ends = np.cumsum(lengths)
    starts = ends - lengths
    within = np.arange(len(words)) - np.repeat(starts, lengths)
    cells = mixed(words ^ ((within + 1).astype(np.uint64) * _STEP))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(cells, dtype=np.uint64)])
    return mixed(sums[ends] - sums[starts] + lengths.astype(np.uint64) * _PLACE)


def of_places(start: int, stop: int) -> Words:
    """Return an odd factor for each place of a row, by which sums depend on the order."""
    places: Words = np.arange(start, stop, dtype=np.uint64) * (_PLACE << np.uint64(1)) + _STEP
    return places


def key_of(text: str) -> np.uint64:
    """Return an odd word of a text, such as the name of a column.

    Example:
        >>> bool(key_of("user") == key_of("item")), int(key_of("user")) % 2
        (False, 1)
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    key: np.uint64 = np.uint64(int.from_bytes(digest, "little") | 1)
    return key


def text_digest(parts: Any) -> str:
    """Return the digest of texts, 16 hexadecimal digits.

    Example:
        >>> text_digest(["a", "b"]) == text_digest(["ab"])
        False
    """
    found = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "little") + data)
    return found.hexdigest()
