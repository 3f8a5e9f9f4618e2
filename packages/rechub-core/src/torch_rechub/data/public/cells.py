"""Blocks of delimited lines to frames: each cell is of the type of its column, or an error says so.

pandas parses a block at once, with the types; only where that fails, the rows are read one by one
to name the line, the column and the cell.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .layout import Column, FaultError, Table
from .values import finish

_UNIT = "\x1f"  # stands for a separator of several characters
_DTYPES: dict[str, Any] = {"int": "int64", "number": "float64"}


def parse_cells(block: bytes, table: Table, names: Sequence[str], line: int) -> pd.DataFrame:
    """Parse a block of delimited lines.

    Args:
        block: Whole lines.
        table: The layout.
        names: The names of the file's columns, in its order.
        line: The number of the block's first line.

    Returns:
        The columns of `table` that are in `names`.

    Raises:
        FaultError: A line has another number of cells, or a cell another type.
    """
    if len(table.separator) > 1:
        block = block.replace(table.separator.encode(), _UNIT.encode())
    columns = {c.in_file: c for c in table.stored if c.in_file in names}
    if _is_ragged(block, table, len(names)):
        raise _fault(block, table, names, line)
    try:
        frame = _read(block, table, names, columns)
    except (ValueError, OverflowError) as error:  # of a cell, or of the encoding
        raise _fault(block, table, names, line) from error
    frame = frame.rename(columns={name: column.name for name, column in columns.items()})
    return finish(frame[[c.name for c in columns.values()]], table, line)


def separator_of(table: Table) -> str:
    """The separator of the lines as they are parsed."""
    return _UNIT if len(table.separator) > 1 else table.separator


def _read(
    block: bytes, table: Table, names: Sequence[str], columns: dict[str, Column]
) -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_csv(
        io.BytesIO(block),
        sep=separator_of(table),
        names=list(names),
        usecols=list(columns),
        dtype={name: _DTYPES.get(column.type, str) for name, column in columns.items()},
        index_col=False,
        quoting=csv.QUOTE_MINIMAL if table.quoted else csv.QUOTE_NONE,
        lineterminator="\n",
        skipinitialspace=table.spaces,
        skip_blank_lines=False,
        keep_default_na=False,
        na_values=["", *table.missing],
        encoding=table.encoding,
        low_memory=False,
    )
    return frame


def _is_ragged(block: bytes, table: Table, width: int) -> bool:
    """Whether a line has another number of cells; pandas would fill in or leave out cells."""
    if table.quoted and b'"' in block:
        try:
            return any(len(row) != width for row in _rows(block.decode(table.encoding), table))
        except (UnicodeDecodeError, csv.Error):
            return True
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    separators = np.flatnonzero(data == ord(separator_of(table)))
    cells = np.diff(np.searchsorted(separators, ends), prepend=0) + 1
    return bool((cells != width).any())


def _fault(block: bytes, table: Table, names: Sequence[str], line: int) -> FaultError:
    """The first fault of a block that could not be parsed."""
    try:
        text = block.decode(table.encoding)
    except UnicodeDecodeError as error:
        place = line + block.count(b"\n", 0, error.start)
        return FaultError(place, f"is not {table.encoding} text ({error.reason})")
    columns = {c.in_file: c for c in table.stored}
    last = 0
    rows = _rows(text, table)
    try:
        for row in rows:
            place, last = line + last, rows.line_num
            if reason := _wrong(row, names, columns, table):
                return FaultError(place, reason)
    except csv.Error as error:
        return FaultError(line + last, str(error))
    return FaultError(line, "cannot be parsed")


def _rows(text: str, table: Table) -> Any:
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator_of(table),
        quoting=csv.QUOTE_MINIMAL if table.quoted else csv.QUOTE_NONE,
        skipinitialspace=table.spaces,
    )


def _wrong(row: list[str], names: Sequence[str], columns: dict[str, Column], table: Table) -> str:
    """The reason why a row does not fit, or an empty text."""
    if len(row) != len(names):
        return f"has {len(row)} cells, expected {len(names)}"
    for name, cell in zip(names, row, strict=True):
        if name in columns and not _fits(cell, columns[name], table):
            kind = "a whole number" if columns[name].type == "int" else "a number"
            return f"column {name!r} has {cell[:80]!r}, expected {kind}"
    return ""


def _fits(cell: str, column: Column, table: Table) -> bool:
    if column.type not in _DTYPES:
        return True
    if cell == "" or cell in table.missing:
        return column.type == "number"
    try:
        number = int(cell) if column.type == "int" else float(cell)
    except ValueError:
        return False
    return column.type == "number" or -(2**63) <= number < 2**63
