"""Fingerprints of tables: hashes of columns and rows, in threads; of a sample of large ones."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .cells import UnreadableError
from .columns import Given, Hashes, Index, read
from .mixing import BLOCK, Words, key_of, mixed, of_places

RUN = 32
"""A sample takes so many rows in a row, which memory reads at once."""

_MOST_THREADS, _BLOCKS_PER_THREAD = 8, 4


@dataclass(frozen=True)
class ColumnPrint:
    """The fingerprint of a column.

    Attributes:
        name: Its name.
        role: "input", "label" or "weight".
        kind: Its type and the shape of a row, such as "int64" or "float32[16]".
        ordered: The digest of its values in the order of the rows; None if they cannot be hashed.
        values: That of its values in any order.
        total: The sum of the bits of all its numbers, where `ordered` and `values` are of a sample.
    """

    name: str
    role: str
    kind: str
    ordered: str | None = None
    values: str | None = None
    total: str | None = None


@dataclass(frozen=True)
class TablePrint:
    """The fingerprint of the content of a table.

    Attributes:
        rows: The number of rows.
        hashed: The number of rows that the digests cover.
        columns: The columns, in the order of the table.
        ordered: The digest of the rows in their order, whatever the types of the columns and their
            order; equal rows have equal digests.
        values: That of the rows in any order: that of a table is the sum of those of its parts.
    """

    rows: int
    hashed: int
    columns: tuple[ColumnPrint, ...]
    ordered: str
    values: str


def table_print(
    columns: Sequence[Given],
    rows: int,
    limit: int | None = None,
    drawn: Index | None = None,
    totals: bool = True,
) -> TablePrint:
    """Return the fingerprint of a table.

    Args:
        columns: The columns.
        rows: The number of rows.
        limit: The number of values above which a sample is hashed: runs of 32 rows, evenly spread,
            of so many values at most, and of a quarter where rows are drawn. None hashes all rows.
        drawn: The rows that are drawn from the columns, in their order; None means all.
        totals: Whether to add up all numbers of the columns if a sample is hashed.
    """
    width = sum(max(1, column.width) for column in columns)
    sample = None if limit is None else _sample(rows, width, limit, scattered=drawn is not None)
    taken = drawn if sample is None else sample if drawn is None else drawn[sample]
    hashed = rows if sample is None else len(sample)
    read_columns = [_read(column.at(taken)) for column in columns]
    sums = _sums(columns, read_columns, hashed)
    whole = totals and sample is not None and drawn is None
    prints = tuple(
        ColumnPrint(
            column.name,
            column.role,
            column.kind,
            None if hashes is None else _hex(of_column[0]),
            None if hashes is None else _hex(of_column[1]),
            _total(column) if whole else None,
        )
        for column, hashes, of_column in zip(columns, read_columns, sums[:-1], strict=True)
    )
    return TablePrint(rows, hashed, prints, *map(_hex, sums[-1]))


def _sample(rows: int, width: int, limit: int, scattered: bool) -> Index | None:
    """The rows of a sample; None means all."""
    if rows * width <= limit:
        return None
    # rows that are scattered over memory take several times as long to read
    runs = max(1, (limit // 4 if scattered else limit) // (width * RUN))
    if runs * RUN >= rows:
        return None
    starts = np.linspace(0, rows - RUN, runs).astype(np.int64)
    # runs of few rows more than the sample may overlap
    return np.unique(starts[:, None] + np.arange(RUN))


def _read(values: object) -> Hashes | None:
    try:
        return read(values)
    except UnreadableError:
        return None


def _total(column: Given) -> str | None:
    hashes = _read(column.values)
    total = None if hashes is None else hashes.total()
    return None if total is None else _hex(total)


def _sums(
    columns: Sequence[Given], hashes: Sequence[Hashes | None], rows: int
) -> list[tuple[int, int]]:
    """The sums of hashes, in order and in any order: of each column, and at last of the rows."""
    keys = [key_of(f"{column.role} {column.name}") for column in columns]
    size = max(256, BLOCK // max([1, *(column.width for column in columns)]))

    def of_block(start: int) -> Words:
        stop = min(start + size, rows)
        places, row = of_places(start, stop), np.ones(stop - start, dtype=np.uint64)
        scratch, found = np.empty_like(row), np.zeros((len(columns) + 1, 2), dtype=np.uint64)
        for number, (column, key) in enumerate(zip(hashes, keys, strict=True)):
            if column is not None:
                of_column = column.block(start, stop)
                found[number] = _both(of_column, places, scratch)
                row += np.multiply(of_column, key, out=scratch)
        found[-1] = _both(mixed(row, out=row), places, scratch)
        return found

    total = np.zeros((len(columns) + 1, 2), dtype=np.uint64)
    for part in _in_threads(of_block, range(0, rows, size)):
        total += part
    return [(int(ordered), int(values)) for ordered, values in total]


def _both(hashes: Words, places: Words, scratch: Words) -> tuple[int, int]:
    """The sums of hashes, in order and in any order."""
    return int(np.multiply(hashes, places, out=scratch).sum()), int(hashes.sum())


def _in_threads(of_block: Callable[[int], Words], starts: range) -> Iterator[Words]:
    threads = min(_MOST_THREADS, _cores(), len(starts) // _BLOCKS_PER_THREAD)
    if threads < 2:
        yield from map(of_block, starts)
        return
    with ThreadPoolExecutor(threads, "torch_rechub-fingerprint") as pool:
        yield from pool.map(of_block, starts)


def _cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _hex(word: int) -> str:
    return f"{word % 2**64:016x}"
