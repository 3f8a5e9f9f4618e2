"""`fingerprint`: the fingerprint of data, a table or a loader, as plain data without values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ...basic.tracking.listed import listed
from .columns import Given, Hashes, Index, read
from .hashing import ColumnPrint, TablePrint, table_print
from .mixing import text_digest
from .sources import Source, source_of
from .streams import files_of, parquet_of, stream_print

LEGEND = "role type in_order any_order sum name"
"""The first entry of the recorded columns: the meaning of the words of the others."""

STREAMED = 2**20
"""The number of values of Parquet files that are read at most."""

_OF_SOURCE = 2**17  # values that are hashed of a table whose parts have fingerprints of their own
_MOST_COLUMNS = 150
_LONGEST_NAME = 120


@dataclass(frozen=True)
class Fingerprint:
    """The fingerprint of data.

    Attributes:
        rows: The number of rows; None if it is unknown.
        table: The digests of columns and rows; None if the content was not read.
        label_rate: The mean of each label, NaN left out; of Parquet files that of the sample.
        split: The rule of the split that the rows are a part of, and its arguments; of rows drawn
            from a table also `source` and `source_unordered`, the digests of that table, and
            `drawn`, that of the rows' numbers. None if they are no known part.
        vocabulary: The digest of the vocabulary that made the ids; None if it is unknown.
        files: Number, size in bytes, and digest of the metadata of Parquet files.
        unread: Why the content, or some of it, was not read.
    """

    rows: int | None = None
    table: TablePrint | None = None
    label_rate: tuple[float, ...] = ()
    split: Mapping[str, Any] | None = None
    vocabulary: str | None = None
    files: Mapping[str, Any] = field(default_factory=dict)
    unread: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the fingerprint as runs record it, without empty entries.

        Example:
            >>> found = fingerprint({"item": [7, 8]}).record()
            >>> found["rows"], found["columns"][1].rsplit(" ", 1)[1], len(found["digest"])
            (2, 'item', 16)
        """
        rate: Any = self.label_rate[0] if len(self.label_rate) == 1 else list(self.label_rate)
        found = {
            "rows": self.rows,
            **({} if self.table is None else _recorded(self.table)),
            "label_rate": rate if self.label_rate else None,
            "split": self.split and dict(self.split),
            "vocabulary": self.vocabulary,
            "files": dict(self.files),
            "unread": self.unread,
        }
        return {name: value for name, value in found.items() if value not in (None, {})}


def fingerprint(
    data: Any, limit: int | None = None, known: dict[int, tuple[str, str]] | None = None
) -> Fingerprint:
    """Return the fingerprint of a table, a data set or a loader.

    Equal values have equal digests in every form (arrays, tensors, pandas, polars, Arrow, lists);
    the types of columns are apart from them. None, NaN, NaT, NA and null are one missing value.
    Hashes are of 64 bits: they find changes, but do not resist forgery.

    Args:
        data: A dict of columns, a pandas, polars or Arrow table, (x, y), a data set in memory, a
            part of one, or a loader of one of these; a list of batches. A loader of Parquet files
            is sampled. Of other data the number of rows alone is known, if that.
        limit: The number of values above which a sample of the rows is hashed, and of whole tables
            the sum of all numbers of each column. None hashes all rows.
        known: The digests of tables that were computed before, by the `id` of the data set, for
            several parts of one; they are added to it.

    Raises:
        OSError: A Parquet file cannot be read.

    Example:
        >>> import pandas as pd
        >>> one = fingerprint({"item": [7, 8], "price": [0.5, None]})
        >>> two = fingerprint(pd.DataFrame({"item": [7.0, 8.0], "price": [0.5, float("nan")]}))
        >>> one.table.ordered == two.table.ordered
        True
        >>> fingerprint({"item": [8, 7], "price": [None, 0.5]}).table.values == one.table.values
        True
    """
    parquet = parquet_of(data)
    if parquet is not None:
        table, columns = stream_print(parquet, STREAMED if limit is None else limit)
        rate = _label_rate(columns, None)
        files, vocabulary = files_of(parquet), parquet.vocabulary
        return Fingerprint(parquet.rows, table, rate, vocabulary=vocabulary, files=files)
    source = source_of(data)
    if source is None:
        return Fingerprint(_rows_of(data), unread=f"{_kind_of(data)}: its rows are not in memory")
    table = table_print(source.columns, source.rows, limit, source.drawn)
    if source.others:
        table = _joined(table, source.others, limit)
    fitted = source.origin.vocabulary
    return Fingerprint(
        source.rows,
        table,
        _label_rate(source.columns, source.drawn),
        _split(source, limit, {} if known is None else known),
        None if fitted is None else fitted.digest,
        unread=source.unread,
    )


def _split(
    source: Source, limit: int | None, known: dict[int, tuple[str, str]]
) -> dict[str, Any] | None:
    """The rule of the split; of drawn rows also the digests of the table and of their numbers."""
    rule = source.origin.split
    if source.drawn is None:
        return None if rule is None else dict(rule)
    if id(source.base) not in known:
        base = source_of(source.base)
        assert base is not None  # or there would be no drawn rows
        few = None if limit is None else min(limit, _OF_SOURCE)
        table = table_print(base.columns, base.rows, few, base.drawn)
        totals = [column.total or "" for column in table.columns]
        sampled = table.hashed < table.rows
        unordered = text_digest(totals) if sampled else table.values
        known[id(source.base)] = text_digest([table.ordered, *totals]), unordered
    drawn = table_print([Given("row", "input", source.drawn)], len(source.drawn))
    ordered, unordered = known[id(source.base)]
    found = {"source": ordered, "source_unordered": unordered, "drawn": drawn.ordered}
    return {**({"rule": "unknown"} if rule is None else rule), **found}


def _joined(table: TablePrint, others: Sequence[Given], limit: int | None) -> TablePrint:
    """The fingerprint of users, and of columns with rows of their own."""
    prints = [table_print([column], len(column.values), limit) for column in others]
    columns = [*table.columns, *(found.columns[0] for found in prints)]
    digests = (
        text_digest(digest) for digest in zip(*((p.ordered, p.values) for p in (table, *prints)))
    )
    return TablePrint(table.rows, table.hashed, tuple(columns), *digests)


def _label_rate(columns: Sequence[Given], drawn: Index | None) -> tuple[float, ...]:
    rates: list[float] = []
    for column in columns:
        if column.role == "label":
            numbers = _numbers(column.at(drawn))
            rates += [] if numbers is None else _means(numbers)
    return tuple(float(f"{rate:.9g}") for rate in rates)


def _numbers(values: Any) -> Any:
    """Labels as numbers; None for others, and for lists such as those of relevant items."""
    found: Hashes = read(values)
    return None if found.values is None or found.missing is not None else found.values


def _means(numbers: Any) -> list[float]:
    there = ~np.isnan(numbers)
    counts = there.sum(axis=0)
    if not np.all(counts):
        return []
    sums = numbers.sum(axis=0, dtype=np.float64, where=there)
    return [float(mean) for mean in np.atleast_1d(sums / counts).reshape(-1)[:_MOST_COLUMNS]]


def _recorded(table: TablePrint) -> dict[str, Any]:
    described = sorted(f"{c.role} {c.kind} {c.name}" for c in table.columns)
    entries = [_entry(column) for column in table.columns]
    found: dict[str, Any] = {
        "digest": table.ordered,
        "unordered": table.values,
        "schema": text_digest(described),
        "columns": listed(LEGEND, entries[:_MOST_COLUMNS]),
    }
    if len(entries) > _MOST_COLUMNS:
        found["n_columns"] = len(entries)
    if table.hashed < table.rows:
        found["hashed_rows"] = table.hashed
    return found


def _entry(column: ColumnPrint) -> str:
    digests = (digest or "-" for digest in (column.ordered, column.values, column.total))
    return " ".join([column.role, column.kind, *digests, _short(column.name)])


def _short(name: str) -> str:
    """A name, the end of a long one replaced by a digest."""
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 17]}…{text_digest([name])}"


def _rows_of(data: Any) -> int | None:
    """The number of rows of a data set; None of a list or an iterator of batches."""
    dataset: Any = getattr(data, "dataset", data)
    if not isinstance(dataset, Dataset):
        return None
    try:
        return len(dataset)  # type: ignore[arg-type]  # not every data set has a length
    except TypeError:
        return None


def _kind_of(data: Any) -> str:
    return type(getattr(data, "dataset", data)).__name__
