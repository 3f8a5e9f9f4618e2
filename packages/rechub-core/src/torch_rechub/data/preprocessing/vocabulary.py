"""Values and their ids: 0 pads, 1 is unknown, values follow from 2."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .cells import Distinct
from .statistics.key_index import KeyIndex, Keys
from .statistics.text_hash import mix, text_hash
from .statistics.value_counts import ValueCounts

if TYPE_CHECKING:
    import pyarrow as pa

Ids = npt.NDArray[np.int32]

PADDING, UNKNOWN, FIRST = 0, 1, 2
"""The id of padding, the id of unknown values, and the id of the most frequent value."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The values that have ids of their own.

    Attributes:
        values: V values in the order of their ids, int64 or large_string.
        counts: How often each was seen, shape (V,).
        missing_id: The id of missing cells; `UNKNOWN` if they have none of their own.
        n_dropped: Number of distinct values that were seen but have no id.
        cells_dropped: Number of their cells.
    """

    values: "pa.Array"
    counts: npt.NDArray[np.int64] = field(repr=False)
    missing_id: int = UNKNOWN
    n_dropped: int = 0
    cells_dropped: int = 0

    @property
    def size(self) -> int:
        """Number of ids, with those of padding and unknown values."""
        return FIRST + len(self.values) + (self.missing_id != UNKNOWN)

    def ids_of(self, values: "pa.Array") -> Ids:
        """Return the ids of distinct values, int64 or large_string; `UNKNOWN` if they have none."""
        import pyarrow as pa

        text = pa.types.is_large_string(self.values.type)
        if text and pa.types.is_int64(values.type):
            values = values.cast(pa.large_string())
        elif not text and pa.types.is_large_string(values.type):
            return self._ids_of_text(values)
        return self._ids(values)

    def _ids_of_text(self, values: "pa.Array") -> Ids:
        """Return the ids of texts among whole numbers: of those that are their decimal form."""
        return self._as_text._ids(values)

    @cached_property
    def _as_text(self) -> "Vocabulary":
        """The same vocabulary, with the decimal form of its numbers."""
        import pyarrow as pa

        return Vocabulary(self.values.cast(pa.large_string()), self.counts, self.missing_id)

    def _ids(self, values: "pa.Array") -> Ids:
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = np.full(len(values), UNKNOWN, np.int32)
        if not len(self.values) or not len(values):
            return ids
        for rows, rank in self._index.matches(_keys_of(values)):
            if not pa.types.is_int64(values.type):
                # equal hashes are no proof
                same = pc.equal(self.values.take(pa.array(rank)), values.take(pa.array(rows)))
                same = same.to_numpy(zero_copy_only=False)
                rows, rank = rows[same], rank[same]
            ids[rows] = self._id_of_rank(rank)
        return ids

    def _id_of_rank(self, rank: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the ids of values, which leave out that of missing cells."""
        ids = rank + FIRST
        return ids if self.missing_id == UNKNOWN else ids + (ids >= self.missing_id)

    def ranks_of(self, ids: Ids) -> npt.NDArray[np.int64]:
        """Return the positions in `values` of ids that belong to a value."""
        ranks = ids.astype(np.int64) - FIRST
        return ranks if self.missing_id == UNKNOWN else ranks - (ids > self.missing_id)

    @cached_property
    def _index(self) -> KeyIndex:
        return KeyIndex(_keys_of(self.values))

    def raw(self, ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the raw values of ids, any shape; None for padding, unknown and missing."""
        ranks = ids.astype(np.int64) - FIRST
        if self.missing_id != UNKNOWN:
            ranks = np.where(ids == self.missing_id, -1, ranks - (ids > self.missing_id))
        out_of_range = (ids < 0) | (ids >= self.size)
        if out_of_range.any():
            wrong = int(ids[out_of_range].flat[0])
            raise ValueError(f"id {wrong} is outside the vocabulary, 0 to {self.size - 1}")
        values = np.empty(len(self.values) + 1, dtype=object)  # the last one is None
        values[:-1] = self.values.to_numpy(zero_copy_only=False)
        return np.asarray(values[np.maximum(ranks, -1)])

    def ids(self, found: Distinct) -> Ids:
        """Return the id of each cell, shape (N,)."""
        return found.ids(self.ids_of(found.values), self.missing_id)


def _keys_of(values: "pa.Array") -> Keys:
    """Return the hashes of values; those of different whole numbers differ."""
    import pyarrow as pa

    if pa.types.is_int64(values.type):
        return mix(values.to_numpy().view(np.uint64))
    return text_hash(values)


def vocabulary_of(
    counts: ValueCounts, min_count: int = 1, max_size: int | None = None, own_missing: bool = True
) -> Vocabulary:
    """Give ids to the most frequent values; ties by value.

    Args:
        counts: The counts of values and of missing cells.
        min_count: Values that occur less often have no id.
        max_size: The largest number of values with an id; None means all.
        own_missing: Whether missing cells have an id as if they were a value, after all values
            that are as frequent.

    Example:
        >>> import pyarrow as pa
        >>> counts = ValueCounts()
        >>> counts.add_counts(pa.array(["b", "a", "c"], pa.large_string()), np.array([5, 1, 5]))
        >>> vocabulary_of(counts, min_count=2).values.to_pylist()
        ['b', 'c']
    """
    values, numbers = counts.by_frequency()
    n_kept = int(np.searchsorted(-numbers, -min_count, side="right"))
    if max_size is not None:
        n_kept = min(n_kept, max_size)
    missing_id = UNKNOWN
    if own_missing and counts.n_missing >= max(min_count, 1):
        rank = int(np.searchsorted(-numbers, -counts.n_missing, side="right"))
        if max_size is None or rank < max_size:
            n_kept = min(n_kept, max_size - 1) if max_size is not None else n_kept
            missing_id = FIRST + rank
    dropped = numbers[n_kept:]
    return Vocabulary(
        values.slice(0, n_kept), numbers[:n_kept], missing_id, len(dropped), int(dropped.sum())
    )


__all__ = ["FIRST", "PADDING", "UNKNOWN", "Vocabulary", "vocabulary_of"]
