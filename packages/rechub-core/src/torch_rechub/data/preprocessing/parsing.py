"""Blocks of raw columns, parsed: the part that fitting and encoding share."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..reading import Block, BlockReader, Place
from ..reading.paths import is_path
from .cells import IN_MEMORY, Cells
from .columns import Column
from .row_dicts import columns_of_rows, is_rows
from .targets import Target

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]
Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("torch_rechub.data")

_SEVERAL = 20  # of fewer rows, no positive label is no reason to warn
_THREADS = min(8, os.cpu_count() or 1)  # each holds the temporary arrays of a column


@dataclass(frozen=True, eq=False)
class Declaration:
    """The parts of raw data that are read.

    Attributes:
        columns: The columns that become inputs.
        targets: The columns that become labels.
        weight: The column that becomes the weights of rows; None for none.
    """

    columns: Sequence[Column]
    targets: Sequence[Target]
    weight: str | None

    @property
    def sources(self) -> list[str]:
        """The raw columns of inputs, each once."""
        return list(dict.fromkeys(s for column in self.columns for s in column.sources))

    @property
    def label_sources(self) -> list[str]:
        """The raw columns of labels and weights, each once."""
        names = [target.column for target in self.targets]
        return list(dict.fromkeys([*names, *([self.weight] if self.weight else [])]))

    def read(
        self, data: Any, labels: bool, reading: Mapping[str, Any], required: bool = False
    ) -> "Iterator[tuple[Block, bool]]":
        """Read blocks, with labels and weights where they are asked for and exist.

        Args:
            data: The rows.
            labels: Whether labels and weights are read where they exist.
            reading: How files are read.
            required: Whether data without them are an error, as in training.

        Yields:
            The block, and whether it has labels and weights.

        Raises:
            KeyError: A raw column is missing, or some but not all columns of labels and weights.
        """
        rows = data if is_rows(data, [c.column for c in self.columns if c.has_lists]) else None
        wanted = self.sources
        if rows is not None:
            there = {name for row in rows for name in row}
            known = [name for name in self.label_sources if name in there]
            data = columns_of_rows(rows, dict.fromkeys([*wanted, *known]))
        reader = BlockReader(data, **reading)
        if labels and self.label_sources:
            names = set(reader.names)
            labels = required or any(name in names for name in self.label_sources)
            wanted += self.label_sources if labels else []
        text = [s for c in self.columns if c.read_as == "text" for s in c.sources]
        numbers = [s for c in self.columns if c.read_as == "number" for s in c.sources]
        numbers += [t.column for t in self.targets if t.positive is None]
        numbers += [self.weight] if self.weight else []
        # a column that one input reads as text and another as numbers is read as text
        number_columns = frozenset(numbers).intersection(wanted).difference(text)
        reader.choose(wanted, number_columns=number_columns, dictionary=True, mixed=True)
        labels, empty = labels and bool(self.label_sources), True
        for block in reader:
            empty = False
            if rows is not None:
                block = replace(block, place=replace(block.place, source="the list"))
            yield block, labels
        if empty:  # rows without columns would be no rows
            import pyarrow as pa

            place = Place(str(data)) if is_path(data) else IN_MEMORY
            yield Block(pa.table({name: pa.nulls(0) for name in wanted}), place), labels

    def read_parsed(
        self, data: Any, reading: Mapping[str, Any], required: bool = False
    ) -> "Iterator[Parsed]":
        """Read and parse blocks, with labels and weights; see `read`.

        Labels of a text that never occurs are warned of.
        """
        n_rows = 0
        positives: Array = np.zeros(len(self.targets))
        for block, labels in self.read(data, True, reading, required):
            parsed = self.parsed(block, labels)
            if parsed.y is not None:
                n_rows += parsed.n_rows
                positives += np.nansum(parsed.y.reshape(parsed.n_rows, -1), axis=0)
            yield parsed
        for target, count in zip(self.targets, positives, strict=True):
            if target.positive is not None and n_rows >= _SEVERAL and not count:
                log.warning(
                    "column %r: none of %d rows has the value %r, so that all labels are 0; is it "
                    "written as in the data?",
                    target.column,
                    n_rows,
                    target.positive,
                )

    def parsed(self, block: Block, labels: bool) -> "Parsed":
        """Parse a block."""
        cells = {name: cells_of(block, name) for name in self.sources}
        prepared = in_threads(lambda column: column.prepare(cells), self.columns)
        y = weights = None
        if labels and self.targets:
            found = [target.labels(cells_of(block, target.column)) for target in self.targets]
            y = found[0] if len(found) == 1 else np.column_stack(found)
        if labels and self.weight:
            weights = Target(self.weight).labels(cells_of(block, self.weight))
        return Parsed(prepared, y, weights, block.table.num_rows, block.place.source)


@dataclass(frozen=True, eq=False)
class Parsed:
    """The parsed cells of a block by column, labels and weights, and where they come from."""

    prepared: list[Any]
    y: Array | None
    weights: Array | None
    n_rows: int
    source: str


def cells_of(block: Block, name: str) -> Cells:
    """Return the cells of a column of a block."""
    column = block.table.column(name)
    array = column.chunk(0) if column.num_chunks == 1 else _joined(column)
    return Cells(array, name, block.place)


def _joined(column: "pa.ChunkedArray") -> "pa.Array":
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    joined = column.combine_chunks()
    return joined


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Apply a function to items, several at a time; Arrow and NumPy let other threads run."""
    return list(_pool().map(function, items))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="rechub-columns")


if hasattr(os, "register_at_fork"):
    # a forked process has none of the threads, and would wait for them for ever
    os.register_at_fork(after_in_child=_pool.cache_clear)
