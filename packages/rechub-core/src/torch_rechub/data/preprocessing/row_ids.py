"""Columns of one id a row, many cells at a time or few."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .columns.base import Inputs
from .row_cells import NotPlain, ValueIds, has_other_form
from .row_dicts import RowCells
from .statistics.value_table import UNSURE, Ids, ValueTable
from .vocabulary import UNKNOWN

REFUSED = -1
"""The id of missing cells that are an error."""

_MANY = 512  # cells of all columns from which on a hash table is faster than dicts


@dataclass(frozen=True)
class OneId:
    """A column of one id a row.

    Attributes:
        name: The name of the input.
        source: The raw column.
        ids: The ids of its vocabulary.
        missing: The id of missing cells; `REFUSED` if they are an error.
    """

    name: str
    source: str
    ids: ValueIds
    missing: int


class OneIdColumns:
    """Encodes columns of one id a row.

    Args:
        columns: The columns.
    """

    def __init__(self, columns: Iterable[OneId]) -> None:
        self._columns = list(columns)
        groups = ([c for c in self._columns if c.ids.is_text is text] for text in (True, False))
        self._bulk = [_Bulk(group) for group in groups if group]

    def encode(self, cells: RowCells, slow: set[str]) -> Inputs:
        """Return the inputs; add the names of columns that are not plain to `slow`."""
        found: Inputs = {}
        if len(cells) * len(self._columns) >= _MANY:
            for bulk in self._bulk:
                found |= bulk.encode(cells, slow)
        names, rows = [], []
        for column in self._columns:
            if column.name in found or column.name in slow:
                continue
            try:
                ids = column.ids.of_cells(cells[column.source], column.missing)
            except NotPlain:
                slow.add(column.name)
                continue
            if column.missing == REFUSED and REFUSED in ids:
                slow.add(column.name)
                continue
            names.append(column.name)
            rows.append(ids)
        return found | dict(zip(names, np.array(rows, np.int32), strict=True))


class _Bulk:
    """Columns whose vocabularies are all of texts, or all of whole numbers."""

    def __init__(self, columns: Sequence[OneId]) -> None:
        self._columns = columns
        self._is_text = columns[0].ids.is_text
        vocabularies = list(dict.fromkeys(column.ids for column in columns))
        self._owner = np.array([vocabularies.index(column.ids) for column in columns])
        self._table = ValueTable(*zip(*(ids.values_and_ids() for ids in vocabularies), strict=True))

    def encode(self, cells: RowCells, slow: set[str]) -> Inputs:
        """Return the inputs of columns of texts, or of whole numbers, alone; leave out others."""
        kind = str if self._is_text else int
        own = [i for i, c in enumerate(self._columns) if cells.kind(c.source) is kind]
        columns = [self._columns[i] for i in own]
        if not columns:
            return {}
        by_row = cells.by_row([column.source for column in columns])
        owner = np.tile(self._owner[own], len(cells))
        found = self._of_texts(by_row, owner) if self._is_text else self._of_numbers(by_row, owner)
        if found is None:
            return {}
        for at in np.flatnonzero(found <= UNKNOWN).tolist():
            column, cell = columns[at % len(columns)], by_row[at]
            if isinstance(cell, bytes):  # Arrow takes them for texts
                return {}
            if not cell or found[at] == UNSURE or has_other_form(cell):
                found[at] = column.ids.of_cell(cell, column.missing)
        inputs: Inputs = {}
        by_column = np.ascontiguousarray(found.reshape(len(cells), len(columns)).T)
        for column, ids in zip(columns, by_column, strict=True):
            if column.missing == REFUSED and (ids == REFUSED).any():
                slow.add(column.name)
            else:
                inputs[column.name] = ids
        return inputs

    def _of_texts(self, cells: list[Any], owner: Any) -> Ids | None:
        import pyarrow as pa

        try:
            texts = pa.array(cells, pa.large_string())
        except (pa.ArrowException, UnicodeEncodeError):
            return None
        return self._table.ids(texts.fill_null("") if texts.null_count else texts, owner)

    def _of_numbers(self, cells: list[Any], owner: Any) -> Ids | None:
        if set(map(type, cells)) != {int}:
            return None
        try:
            return self._table.ids(np.array(cells, dtype=np.int64), owner)
        except OverflowError:
            return None
