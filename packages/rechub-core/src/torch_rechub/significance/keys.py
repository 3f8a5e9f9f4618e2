"""Keys of users and other units: hashes, so that those of two runs pair up without raw values."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Keys = NDArray[np.uint64]


def keys_of(units: ArrayLike) -> Keys:
    """The keys of a column of units: 64 bits of BLAKE2b of each value.

    A whole number has the same key in all types, 3 and 3.0 alike, and another one than its text.
    Keys hide values from the eye only: whoever guesses an id can compute its key.

    Args:
        units: Integers, numbers or strings, shape (N,).

    Raises:
        TypeError: A value has another type.
        ValueError: The column is not of shape (N,).

    Example:
        >>> [f"{key:016x}" for key in keys_of([7.0, 8]).tolist()]
        ['193805bcfb6d2ba0', 'a6681f3edd7a219c']
        >>> len(set(keys_of(["7", "ann", "ann"]).tolist()))
        2
    """
    column = np.asarray(units)
    if column.ndim != 1:
        raise ValueError(f"units must have shape (N,), got {column.shape}")
    names, inverse = np.unique(column, return_inverse=True)
    hashed = np.fromiter(map(_key, names.tolist()), dtype=np.uint64, count=len(names))
    return hashed[inverse.reshape(-1)]


def digest_of(*parts: Any) -> str:
    """The digest of texts, arrays and None, in order: 128 bits of BLAKE2b as hexadecimal text."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            little = part.astype(part.dtype.newbyteorder("<"), copy=False)
            part, content = f"{part.dtype.kind}{part.dtype.itemsize}", little.tobytes()
        else:
            content = b""
        head = str(part).encode()
        state.update(f"{len(head)},{len(content)}:".encode() + head)
        state.update(content)
    return state.hexdigest()


def _key(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int | float | str):
        raise TypeError(f"a unit must be a number or a text, got {value!r}")
    text = f"s{value}" if isinstance(value, str) else f"n{value!r}"
    content = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
