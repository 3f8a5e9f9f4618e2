"""Counts of the distinct values of a column, that add up."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..cells import Distinct

if TYPE_CHECKING:
    import pyarrow as pa

Counts = npt.NDArray[np.int64]

_PENDING = 200_000  # values of blocks that may wait, beyond half of those added up before

_DECIMAL = r"^(0|-?[1-9][0-9]{0,18})$"


class ValueCounts:
    """How often each value occurs in a column, and how many cells are missing.

    Adding is exact, associative and commutative: counts of shards are the counts of all.

    Example:
        >>> import pyarrow as pa
        >>> from torch_rechub.data.preprocessing.cells import Cells, distinct
        >>> counts = ValueCounts()
        >>> counts.add(distinct(Cells(pa.array(["b", "a", None, "b"]), "city")))
        >>> values, numbers = counts.by_frequency()
        >>> values.to_pylist(), numbers, counts.n_missing
        (['b', 'a'], array([2, 1]), 1)
    """

    def __init__(self) -> None:
        self.n_missing = 0
        self.n_rows = 0
        self._parts: list[tuple[pa.Array, Counts]] = []
        self._n_pending = self._n_settled = 0

    def add(self, found: Distinct) -> None:
        """Count the cells of a block."""
        self.n_missing += found.n_missing
        self.n_rows += len(found.codes)
        self.add_counts(found.values, found.counts())

    def add_counts(self, values: "pa.Array", counts: Counts) -> None:
        """Add counts of values, which may repeat; int64 or large_string."""
        if len(values):
            self._parts.append((values, counts))
            self._n_pending += len(values)
        # in proportion to the values, so that each is added up a few times however many there are
        if self._n_pending > _PENDING + self._n_settled // 2:
            self._settle()

    def merge(self, other: "ValueCounts") -> None:
        """Add the counts of another."""
        self.n_missing += other.n_missing
        self.n_rows += other.n_rows
        self._parts += other._parts
        self._n_pending += other._n_pending
        self._settle()

    def by_frequency(self) -> "tuple[pa.Array, Counts]":
        """Return the distinct values, the most frequent first, ties by value; and their counts.

        Text that is a whole number becomes one if all values are.
        """
        import pyarrow as pa

        self._settle()
        if not self._parts:
            return pa.array([], pa.int64()), np.empty(0, np.int64)
        values, counts = self._parts[0]
        values = _as_integers(values)
        place = order_of(values)
        place = place[np.argsort(-counts[place], kind="stable")]
        return values.take(pa.array(place)), counts[place]

    def _settle(self) -> None:
        """Add up the counts of equal values."""
        import pyarrow as pa

        if len(self._parts) < 2 and self._n_pending == 0:
            return
        arrays = [values for values, _ in self._parts]
        if len({array.type for array in arrays}) > 1:  # 7 of one block is "7" of another
            arrays = [array.cast(pa.large_string()) for array in arrays]
        counts = np.concatenate([counts for _, counts in self._parts])
        # several times as fast as a group-by of Arrow where most values are distinct
        encoded = pa.chunked_array(arrays).combine_chunks().dictionary_encode()
        values = encoded.dictionary
        summed = np.bincount(encoded.indices.to_numpy(), counts, len(values))
        self._parts = [(values, summed.astype(np.int64))]
        self._n_pending, self._n_settled = 0, len(values)


def _as_integers(values: "pa.Array") -> "pa.Array":
    """Convert text to int64 if all of it is the decimal form of an int64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_large_string(values.type):
        return values
    if not pc.all(pc.match_substring_regex(values, _DECIMAL)).as_py():
        return values
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond int64
        return values


def order_of(values: "pa.Array") -> npt.NDArray[np.int64]:
    """Return the positions that sort distinct values: numbers by size, text by its bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_int64(values.type):
        return np.argsort(values.to_numpy(), kind="stable")
    keys = _first_bytes(values)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    equal = ordered[1:] == ordered[:-1]
    if not equal.any():
        return order
    # only texts that share their first 8 bytes are compared whole
    tied = np.append(equal, False) | np.insert(equal, 0, False)
    rows = order[tied]
    order[tied] = rows[pc.sort_indices(values.take(pa.array(rows))).to_numpy()]
    return order


def _first_bytes(values: "pa.Array") -> npt.NDArray[np.uint64]:
    """Return the first 8 bytes of each text as a number that sorts as they do."""
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    text = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    padded = np.concatenate([text, np.zeros(8, np.uint8)])
    words = np.lib.stride_tricks.as_strided(
        padded[:8].view(">u8"), shape=(len(text) + 1,), strides=(1,), writeable=False
    )
    bits = 8 * np.minimum(np.diff(bounds), 8).astype(np.uint64)
    keys = words[bounds[:-1]].astype(np.uint64)
    keys &= ~(np.uint64(2**64 - 1) >> np.minimum(bits, np.uint64(63)) >> (bits // 64).astype("u8"))
    return keys
