"""A hash of text that is the same on every machine and in every version."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = npt.NDArray[np.uint64]

_LONG = 256  # bytes; longer texts are rare, and hashed one by one
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def text_hash(values: "pa.Array") -> Hashes:
    """Hash texts to 64 bits.

    With K the golden ratio in 64 bits and mix the finalizer of SplitMix64: first
    h = mix(K · (length + 1)), then h = mix(h ⊕ word) for each word of 8 bytes, little-endian, the
    last padded with zeros. Texts of more than 256 bytes have a BLAKE2b digest of 8 bytes instead.

    Args:
        values: An Arrow array of large_string without nulls, shape (N,).

    Returns:
        Shape (N,).

    Example:
        >>> import pyarrow as pa
        >>> text_hash(pa.array(["a", "b", "a"], pa.large_string())) % np.uint64(100)
        array([26, 44, 26], dtype=uint64)

    Reference:
        Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    if not len(values):
        return np.empty(0, np.uint64)
    words, start, length = bytes_from(values)
    found = mix(_GOLDEN * (length.astype(np.uint64) + np.uint64(1)))
    rows = np.arange(len(values))
    for i in range(-(-min(int(length.max()), _LONG) // 8)):
        rows = rows[length[rows] > 8 * i]
        left = np.minimum(length[rows] - 8 * i, 8).astype(np.uint64)
        word = words[start[rows] + 8 * i] & (_ONES >> (np.uint64(64) - np.uint64(8) * left))
        found[rows] = mix(found[rows] ^ word)
    for row in np.flatnonzero(length > _LONG):
        digest = hashlib.blake2b(values[row].as_py().encode(), digest_size=8)
        found[row] = int.from_bytes(digest.digest(), "little")
    return found


_ONES = np.uint64(2**64 - 1)


def bytes_from(
    values: "pa.Array",
) -> tuple[Hashes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the 8 bytes from each position of all texts, and the start and length of each text.

    Args:
        values: An Arrow array of large_string, shape (N,).
    """
    _, offsets, data = values.buffers()
    if not len(values) or offsets is None:
        return _words(np.empty(0, np.uint8)), np.empty(0, np.int64), np.empty(0, np.int64)
    bounds = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    text = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return _words(text[bounds[0] : bounds[-1]]), bounds[:-1] - bounds[0], np.diff(bounds)


def _words(text: npt.NDArray[np.uint8]) -> Hashes:
    """Return the 8 bytes from each position, as little-endian words."""
    padded = np.concatenate([text, np.zeros(8, np.uint8)])
    return np.lib.stride_tricks.as_strided(
        padded[:8].view("<u8"), shape=(len(text) + 1,), strides=(1,), writeable=False
    )


def mix(h: Hashes) -> Hashes:
    """Return the finalizer of SplitMix64, which lets every bit act on every bit."""
    h = (h ^ (h >> np.uint64(30))) * _FIRST
    h = (h ^ (h >> np.uint64(27))) * _SECOND
    return np.asarray(h ^ (h >> np.uint64(31)))
