"""The ids of the values of several vocabularies in one hash table, looked up many at a time.

A dict waits for memory at each value. Here NumPy reads the slots of all values at once, so that the
waits overlap. A slot has the vocabulary, the length and the first 16 bytes of a value, which are
compared: equal hashes are no proof.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .text_hash import Hashes, bytes_from, mix, text_hash

if TYPE_CHECKING:
    import pyarrow as pa

Ids = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

_UNKNOWN = 1
UNSURE = 0
"""The id of texts to look up by themselves."""
_SHORT = 16  # bytes of a text in a slot
_PER_SLOT = 0.5  # values at most
_STEP = 2**18  # values that are put in at a time, for memory
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# unknown outside, so that nobody can make values that share a slot
_SALT = np.uint64(int.from_bytes(os.urandom(8), "little"))
_MASKS = np.array([2 ** (8 * n) - 1 for n in range(9)], dtype=np.uint64)


@dataclass(frozen=True)
class _Keys:
    """The parts of N values that are compared.

    Attributes:
        kind: The number of the vocabulary, from 1, and the length of the text, (N,).
        first: The number, or the first 8 bytes of the text, (N,).
        second: The next 8 bytes; the hash of a text of more than 16; 0 of a number, (N,).
        is_long: The positions of such texts.
    """

    kind: Hashes
    first: Hashes
    second: Hashes
    is_long: Rows

    def hashes(self) -> Hashes:
        return mix((self.first ^ _SALT) + mix(self.second ^ self.kind * _GOLDEN))


class ValueTable:
    """The ids of the values of V vocabularies, all texts or all whole numbers.

    Args:
        values: The values of each vocabulary, large_string or int64, without nulls.
        ids: Their ids.

    Example:
        >>> import pyarrow as pa
        >>> texts = pa.array(["a", "b"], pa.large_string()), pa.array(["b"], pa.large_string())
        >>> table = ValueTable(texts, [np.array([2, 3]), np.array([2])])
        >>> table.ids(pa.array(["a", "b", "a", "b"], pa.large_string()), np.array([0, 0, 1, 1]))
        array([2, 3, 1, 2], dtype=int32)
    """

    def __init__(self, values: Sequence["pa.Array"], ids: Sequence[npt.NDArray[np.int64]]) -> None:
        self._values = list(values)
        sizes = [len(of_one) for of_one in values]
        self._first_of = np.cumsum([0, *sizes])  # the place of a vocabulary among all values
        n = int(self._first_of[-1])
        bits = max(int(n / _PER_SLOT).bit_length(), 4)
        self._shift, self._last = np.uint64(64 - bits), 2**bits - 1
        # kind (0 in a free slot), first, second, and the place and the id of the value
        self._slots = np.zeros((2**bits, 4), dtype=np.uint64)
        owner = np.repeat(np.arange(len(sizes)), sizes)
        number = np.concatenate([np.empty(0, np.int64), *ids])
        for start in range(0, n, _STEP):
            part = slice(start, start + _STEP)
            keys = _keys(_part_of(self._values, self._first_of, part), owner[part])
            packed = np.arange(n, dtype=np.uint64)[part] << np.uint64(32)
            self._insert(keys, packed | number[part].astype(np.uint64))

    def ids(self, values: "pa.Array | Rows", owner: npt.NDArray[np.int64]) -> Ids:
        """Return the ids of N values, 1 for unknown ones.

        A long text that is not the one with its hash has the id `UNSURE`.

        Args:
            values: Texts as large_string without nulls, or whole numbers.
            owner: The number of the vocabulary of each, (N,).
        """
        keys = _keys(values, owner)
        slot = self._slot(keys)
        content = self._slots.take(slot, axis=0)
        equal = _equal(content, keys.kind, keys.first, keys.second)
        found = np.where(equal, content[:, 3], np.uint64(_UNKNOWN))
        left = np.flatnonzero(~equal & (content[:, 0] != 0))
        slot = slot[left]
        while len(left):
            slot = (slot + 1) & self._last
            content = self._slots.take(slot, axis=0)
            equal = _equal(content, keys.kind[left], keys.first[left], keys.second[left])
            found[left[equal]] = content[equal, 3]
            others = ~equal & (content[:, 0] != 0)
            left, slot = left[others], slot[others]
        if len(keys.is_long):
            self._compare(values, owner, keys.is_long, found)
        return found.astype(np.uint32).view(np.int32)

    def _slot(self, keys: _Keys) -> Rows:
        slot: Rows = (keys.hashes() >> self._shift).astype(np.int64)
        return slot

    def _insert(self, keys: _Keys, packed: Hashes) -> None:
        slot, left = self._slot(keys), np.arange(len(packed))
        taken = self._slots[:, 0]
        content = np.stack([keys.kind, keys.first, keys.second, packed], axis=1)
        while len(left):
            free = left[taken[slot[left]] == 0]
            self._slots[slot[free]] = content[free]  # of several, the last one stays
            left = left[self._slots[slot[left], 3] != packed[left]]
            slot[left] = (slot[left] + 1) & self._last

    def _compare(
        self, values: "pa.Array", owner: npt.NDArray[np.int64], rows: Rows, found: Hashes
    ) -> None:
        """Mark long texts that are not the ones with their hash."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = rows[found[rows] != _UNKNOWN]
        for number in np.unique(owner[rows]).tolist():
            own = rows[owner[rows] == number]
            place = (found[own] >> np.uint64(32)).astype(np.int64) - self._first_of[number]
            known = self._values[number].take(pa.array(place))
            same = pc.equal(known, values.take(pa.array(own))).to_numpy(zero_copy_only=False)
            found[own[~same]] = UNSURE


def _equal(content: Hashes, kind: Hashes, first: Hashes, second: Hashes) -> npt.NDArray[np.bool_]:
    equal: npt.NDArray[np.bool_] = content[:, 1] == first
    equal &= content[:, 0] == kind
    equal &= content[:, 2] == second
    return equal


def _part_of(values: Sequence["pa.Array"], first_of: Rows, part: slice) -> "pa.Array | Rows":
    """Return some of the values of all vocabularies, one after the other."""
    import pyarrow as pa

    pieces = [
        of_one.slice(max(part.start - first, 0), max(part.stop - max(first, part.start), 0))
        for of_one, first in zip(values, first_of.tolist(), strict=False)
        if part.start < first + len(of_one) and first < part.stop
    ]
    joined = pa.concat_arrays(pieces)
    return joined.to_numpy() if pa.types.is_int64(joined.type) else joined


def _keys(values: "pa.Array | Rows", owner: npt.NDArray[np.int64]) -> _Keys:
    kind = (owner + 1).astype(np.uint64) << np.uint64(32)
    if isinstance(values, np.ndarray):
        return _Keys(kind, values.view(np.uint64), np.zeros_like(kind), np.empty(0, np.int64))
    words, start, length = bytes_from(values)
    first = words[start] & _MASKS[np.minimum(length, 8)]
    longest = int(length.max(initial=0))
    second = np.zeros_like(kind)
    if longest > 8:
        rows = np.flatnonzero(length > 8)
        second[rows] = words[start[rows] + 8] & _MASKS[np.minimum(length[rows] - 8, 8)]
    is_long = np.empty(0, np.int64)
    if longest > _SHORT:
        import pyarrow as pa

        is_long = np.flatnonzero(length > _SHORT)
        second[is_long] = text_hash(values.take(pa.array(is_long)))
    return _Keys(kind | length.astype(np.uint64), first, second, is_long)
