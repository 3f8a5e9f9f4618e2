"""The batches of a share in an epoch, from any of them on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .buffers import Buffer, BufferPlan, Piece, joined, read_buffers
from .plan import Share, buffers_of, order_of_groups, order_of_rows, segments_of
from .prefetch import ReadAhead
from .source import Source


@dataclass(frozen=True)
class EpochBatches:
    """The batches of a share in an epoch.

    Attributes:
        source: The files and columns.
        share: The rows of this reader.
        epoch: The epoch.
        seed: The seed of shuffling; None keeps the order of the files.
        buffer_groups: The number of row groups among which rows are shuffled.
    """

    source: Source
    share: Share
    epoch: int
    seed: int | None
    buffer_groups: int

    def read(self, first: int = 0, ahead: int = 0) -> Iterator[Any]:
        """Iterate over the batches from the `first` one on.

        Args:
            first: The number of batches to skip.
            ahead: The number of buffers that a thread reads ahead; 0 reads without a thread.
        """
        share = self.share
        if first >= share.batches:
            return
        position, batch, pieces = share.cut(first), first, []

        def read() -> Iterator[Buffer]:
            return read_buffers(self.source, self._plan(position))

        for buffer in ReadAhead(read, ahead) if ahead else read():
            while batch < share.batches:
                end = share.cut(batch + 1)
                stop = min(end, buffer.stop)
                if stop > position or end == position:
                    pieces.append(buffer.take(position, stop))
                position = stop
                if stop < end:
                    break  # the next buffer has the rest
                yield self._batch_of(joined(pieces))
                batch, pieces = batch + 1, []

    def _plan(self, position: int) -> Iterator[BufferPlan]:
        """The buffers of the share from the one of a position on."""
        groups = [file.row_groups for file in self.source.files]
        order = order_of_groups(sum(map(len, groups)), self.seed, self.epoch)
        segments = segments_of(groups, order, self.share)
        size = 1 if self.seed is None else self.buffer_groups
        stop = 0
        for number, (first, part) in enumerate(buffers_of(segments, size)):
            rows = sum(segment.rows for segment in part)
            if (stop := first + rows) <= position:
                continue
            which = (self.epoch, self.share.index, number)
            shuffled = None if self.seed is None else order_of_rows(rows, self.seed, *which)
            yield first, part, shuffled
        if stop <= position:  # no row is left, for a batch without rows
            yield position, [], None

    def _batch_of(self, piece: Piece) -> Any:
        """A batch: x, (x, y) or (x, y, weights)."""
        source = self.source
        x = {name: piece[name] for name in source.inputs}
        if not source.labels:
            return x
        y = _stacked([piece[name] for name in source.labels])
        return (x, y) if source.weight is None else (x, y, piece[source.weight])


def _stacked(labels: Sequence[Tensor]) -> Tensor:
    """The labels of a batch, (B,) or (B, T), of the type that holds them all."""
    if len(labels) == 1:
        return labels[0]
    kind = labels[0].dtype
    for label in labels[1:]:
        kind = torch.promote_types(kind, label.dtype)
    return torch.stack([label.to(kind) for label in labels], dim=1)
