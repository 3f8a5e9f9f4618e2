"""Finds 64-bit keys among many, in about constant time."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


class KeyIndex:
    """N keys, sorted, with the first one of each prefix.

    Keys must be spread evenly over 64 bits, as hashes are: then a prefix of log₂ N bits leaves
    about one key to compare.

    Args:
        keys: The keys, which may repeat, shape (N,).

    Example:
        >>> index = KeyIndex(np.array([5, 2**63, 7], np.uint64))
        >>> for rows, places in index.matches(np.array([6, 2**63], np.uint64)):
        ...     print(rows, places)
        [1] [1]
    """

    def __init__(self, keys: Keys) -> None:
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        bits = max(len(keys).bit_length(), 1)
        self._shift = np.uint64(64 - bits)
        counts = np.bincount(self._prefix(self._keys), minlength=2**bits)
        self._starts = np.append(0, np.cumsum(counts))

    def _prefix(self, keys: Keys) -> Places:
        return np.asarray(keys >> self._shift, dtype=np.int64)

    def matches(self, wanted: Keys) -> Iterator[tuple[Places, Places]]:
        """Yield pairs of equal keys, as positions in `wanted` and among the keys.

        A wanted key occurs at most once in each yield, and in several if keys repeat.
        """
        prefix = self._prefix(wanted)
        rows, place, end = np.arange(len(wanted)), self._starts[prefix], self._starts[prefix + 1]
        while len(inside := np.flatnonzero(place < end)):
            rows, place, end = rows[inside], place[inside], end[inside]
            found, sought = self._keys[place], wanted[rows]
            equal = found == sought
            if equal.any():
                yield rows[equal], self._order[place[equal]]
            smaller = np.flatnonzero(found <= sought)  # as they are sorted
            rows, place, end = rows[smaller], place[smaller] + 1, end[smaller]
