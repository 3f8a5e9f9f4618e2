"""Buffers of row groups: read, checked, and cut into pieces of tensors."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .arrow import Lists, Rows, check_weights, rows_of
from .plan import Segment
from .source import Source, opened

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class PaddedLists:
    """Lists of whole numbers, padded with 0 to the longest list of the rows that are taken.

    Attributes:
        values: The numbers of all lists, one list after the other.
        ends: The end of each list among the values, (N,).
    """

    values: Tensor
    ends: Tensor

    def take(self, rows: Tensor) -> Tensor:
        """The lists of rows, (B, L), L at least 1.

        Example:
            >>> lists = PaddedLists(torch.tensor([7, 8, 9]), torch.tensor([1, 3]))
            >>> lists.take(torch.tensor([1, 0]))
            tensor([[8, 9],
                    [7, 0]])
        """
        starts = torch.where(rows > 0, self.ends[rows - 1], 0)
        lengths = self.ends[rows] - starts
        within = torch.arange(max(int(lengths.max()), 1) if len(rows) else 1)
        filled = within < lengths[:, None]
        found = torch.zeros(filled.shape, dtype=self.values.dtype)
        found[filled] = self.values[(starts[:, None] + within)[filled]]
        return found


Column: TypeAlias = Tensor | PaddedLists
Piece: TypeAlias = dict[str, Tensor]
# first row of a buffer, its segments, and the order of its rows, or None for that of the files
BufferPlan: TypeAlias = tuple[int, list[Segment], NDArray[np.int64] | None]


@dataclass(frozen=True)
class Buffer:
    """Row groups in memory.

    Attributes:
        first: The first row, counted in the share of the reader.
        rows: The number of rows.
        columns: The columns.
        order: The order of the rows; None means that of the files.
    """

    first: int
    rows: int
    columns: dict[str, Column]
    order: Tensor | None

    @property
    def stop(self) -> int:
        """The row after the last one."""
        return self.first + self.rows

    def take(self, start: int, stop: int) -> Piece:
        """The rows from `start` to `stop`, counted in the share."""
        part = slice(start - self.first, stop - self.first)
        if self.order is None:
            rows = torch.arange(part.start, part.stop)
            return {
                name: column[part] if isinstance(column, Tensor) else column.take(rows)
                for name, column in self.columns.items()
            }
        rows = self.order[part]
        return {
            name: column.index_select(0, rows) if isinstance(column, Tensor) else column.take(rows)
            for name, column in self.columns.items()
        }


def joined(pieces: Sequence[Piece]) -> Piece:
    """Join the pieces of a batch, from one buffer or from several."""
    if len(pieces) == 1:
        return pieces[0]
    return {name: _cat([piece[name] for piece in pieces]) for name in pieces[0]}


def _cat(parts: Sequence[Tensor]) -> Tensor:
    """Join parts of a column; lists are padded to the longest."""
    if parts[0].dim() == 2:
        width = max(part.shape[1] for part in parts)
        parts = [torch.nn.functional.pad(part, (0, width - part.shape[1])) for part in parts]
    return torch.cat(list(parts))


class SegmentReader:
    """Reads segments of row groups; keeps the last file open.

    Args:
        source: The files and columns.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._file: tuple[int, pq.ParquetFile] | None = None
        self._stack = ExitStack()
        self._widths: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> "SegmentReader":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def columns(self, segments: Sequence[Segment]) -> dict[str, Column]:
        """Read the columns of segments, one after the other; no segment gives empty columns.

        Raises:
            ValueError: A file is damaged, or holds values that no loader takes.
        """
        parts = [self._read(segment) for segment in segments]
        if not parts:
            table = self.source.schema.empty_table()
            parts = [{name: rows_of(table[name], name) for name in table.column_names}]
        # popped, so that the memory of a column is free once it is joined
        return {name: _column([part.pop(name) for part in parts]) for name in list(parts[0])}

    def _read(self, segment: Segment) -> dict[str, Rows]:
        """Read and check the columns of a segment."""
        source, file = self.source, self.source.files[segment.file]
        table = self._table(segment).slice(segment.start, segment.rows)
        first = sum(file.row_groups[: segment.group]) + segment.start
        found = {}
        for name in source.schema.names:
            subject = f"{file.path}, column {name!r}"
            column = rows_of(table[name], subject, first, missing=name in source.labels)
            if name == source.weight:
                check_weights(column, subject, first)
            self._check_width(name, column, f"{subject}, row {first}")
            found[name] = column
        return found

    def _table(self, segment: Segment) -> "pa.Table":
        """Read a row group.

        Raises:
            ValueError: It is damaged, or the file has changed since the loader was made.
        """
        import pyarrow as pa

        source, file = self.source, self.source.files[segment.file]
        names = source.schema.names
        opened_file = self._opened(segment.file)
        try:
            rows = opened_file.metadata.row_group(segment.group).num_rows
            table = opened_file.read_row_group(segment.group, columns=names, use_threads=False)
        except (pa.ArrowException, OSError, IndexError) as error:
            raise ValueError(
                f"{file.path}, row group {segment.group} is damaged: {error}"
            ) from error
        kinds = [table.schema.field(name).type for name in names if name in table.column_names]
        if rows != file.row_groups[segment.group] or kinds != source.schema.types:
            raise ValueError(f"{file.path} has changed since the loader was made: make a new one")
        return table

    def _opened(self, index: int) -> "pq.ParquetFile":
        """Open a file, unless it is open already."""
        if self._file is None or self._file[0] != index:
            self._stack.close()
            file = self._stack.enter_context(opened(self.source.files[index].path))
            self._file = index, file
        return self._file[1]

    def _check_width(self, name: str, column: Rows, where: str) -> None:
        """Refuse vectors of another length than before.

        Raises:
            ValueError: The length is another.
        """
        if isinstance(column, Lists) or column.ndim < 2 or column.dtype.kind in "iu":
            return
        width = column.shape[1]
        before, first = self._widths.setdefault(name, (width, where))
        if width != before:
            raise ValueError(
                f"{where}: vectors of {width} numbers, but of {before} in {first}: lists of ids "
                "may differ in length, but vectors may not"
            )


def _column(parts: Sequence[Rows]) -> Column:
    """Join the parts of a column of a buffer."""
    arrays = [part for part in parts if not isinstance(part, Lists)]
    shapes = {array.shape[1:] for array in arrays}
    if len(arrays) == len(parts) and len(shapes) == 1 and shapes != {(0,)}:
        # concatenation copies: Arrow's memory is read-only, and small where it is a slice
        return torch.from_numpy(np.concatenate(arrays))
    lists = [part if isinstance(part, Lists) else _as_lists(part) for part in parts]
    values = np.concatenate([part.values for part in lists])
    ends = np.concatenate([part.lengths for part in lists]).cumsum()
    return PaddedLists(torch.from_numpy(values), torch.from_numpy(ends))


def _as_lists(array: Rows) -> Lists:
    assert not isinstance(array, Lists)
    return Lists(array.reshape(-1), np.full(len(array), array.shape[1], np.int64))


def read_buffers(source: Source, plan: Iterable[BufferPlan]) -> Iterator[Buffer]:
    """Read buffers one after the other.

    Args:
        source: The files and columns.
        plan: The buffers.
    """
    with SegmentReader(source) as reader:
        for first, segments, order in plan:
            rows = sum(segment.rows for segment in segments)
            tensor = None if order is None else torch.from_numpy(order)
            yield Buffer(first, rows, reader.columns(segments), tensor)
