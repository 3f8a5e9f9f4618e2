"""The order of rows in an epoch: a pure function of (seed, epoch), shared out among readers.

A reader is one worker of one process; of W processes with K workers each there are W·K readers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Segment:
    """Rows `start` to `stop` of a row group, the rows before `stop` of its file's group `group`.

    Attributes:
        file: The index of the file.
        group: The index of the row group in the file.
        start: The first row, counted in the row group.
        stop: The row after the last one.
    """

    file: int
    group: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.stop - self.start


@dataclass(frozen=True)
class Share:
    """The rows of a reader, and their batches.

    Reader i of k reads rows ⌊N i / k⌋ to ⌊N (i + 1) / k⌋ of the epoch's order, so that no row is
    lost or repeated, and readers differ by one row at most. All readers have ⌈⌈N / k⌉ / B⌉ batches:
    where a reader with one row less would have one batch less, its last row is a batch of its own.

    Attributes:
        total: The number of rows of all readers, N.
        index: The index of the reader, i.
        readers: The number of readers, k.
        batch_size: The number of rows of a batch, B.

    Example:
        >>> [Share(9, i, 2, batch_size=4).sizes() for i in range(2)]
        [[3, 1], [4, 1]]
    """

    total: int
    index: int
    readers: int
    batch_size: int

    @property
    def start(self) -> int:
        """The first row, in the order of the epoch."""
        return self.total * self.index // self.readers

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.total * (self.index + 1) // self.readers - self.start

    @property
    def batches(self) -> int:
        """The number of batches, the same for all readers."""
        most = -(-self.total // self.readers)
        return -(-most // self.batch_size)

    def cut(self, batch: int) -> int:
        """The first row of a batch, counted from the first row of the share."""
        if batch >= self.batches:
            return self.rows
        return min(batch * self.batch_size, max(self.rows - 1, 0))

    def sizes(self) -> list[int]:
        """The number of rows of each batch."""
        cuts = [self.cut(batch) for batch in range(self.batches + 1)]
        return [stop - start for start, stop in pairwise(cuts)]


def order_of_groups(n: int, seed: int | None, epoch: int) -> NDArray[np.int64]:
    """The order of n row groups in an epoch; without a seed the order of the files."""
    if seed is None:
        return np.arange(n)
    return np.random.default_rng((seed, epoch)).permutation(n)


def order_of_rows(n: int, seed: int, epoch: int, reader: int, buffer: int) -> NDArray[np.int64]:
    """The order of the n rows of a buffer, which no other buffer of any reader or epoch shares."""
    return np.random.default_rng((seed, epoch, reader + 1, buffer)).permutation(n)


def segments_of(
    files: Sequence[Sequence[int]], order: NDArray[np.int64], share: Share
) -> list[Segment]:
    """The segments of a share, in the order of the epoch.

    Args:
        files: The number of rows of each row group, for each file.
        order: The order of all row groups.
        share: The share.
    """
    groups = [(f, g, n) for f, counts in enumerate(files) for g, n in enumerate(counts)]
    found, begin, first, last = [], 0, share.start, share.start + share.rows
    for number in order:
        file, group, rows = groups[number]
        start, stop = max(first - begin, 0), min(last - begin, rows)
        if start < stop:
            found.append(Segment(file, group, start, stop))
        begin += rows
    return found


def buffers_of(segments: Sequence[Segment], groups: int) -> Iterator[tuple[int, list[Segment]]]:
    """The segments of each buffer of so many row groups, with the first row of the buffer."""
    first = 0
    for i in range(0, len(segments), groups):
        part = list(segments[i : i + groups])
        yield first, part
        first += sum(segment.rows for segment in part)
