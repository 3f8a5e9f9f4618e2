"""Errors of CSV files: line and remedy, which Arrow's lack, from a second scan of the file."""

from collections import deque
from collections.abc import Iterator
from typing import NoReturn

from ...basic.layers.values import plural
from .csv_records import records
from .options import ReadingOptions
from .paths import DataFile
from .streams import OTHER_ENCODING, opened_text


def line_of_row(file: DataFile, options: ReadingOptions, row: int) -> int | None:
    """The line, from 1, in which a row of data begins."""
    for number, line, _ in _rows(file, options):
        if number == row:
            return line
    return None


def raise_ragged(
    file: DataFile, names: list[str], options: ReadingOptions, error: Exception
) -> NoReturn:
    """Raise the error for the first row with another number of cells than there are columns."""
    for row, line, cells in _rows(file, options):
        if len(cells) != len(names):
            quotes = ", or quote=None if quotes are part of the text" if options.quote else ""
            raise ValueError(
                f"row {row} (line {line}) of {file} has {plural(len(cells), 'cell')}, not one for "
                f"each of {plural(len(names), 'column')}: {_start(cells)}; mend the line, or pass "
                f"another separator{quotes}"
            ) from error
    raise ValueError(f"{file} cannot be read: {error}") from error


def raise_open(file: DataFile, options: ReadingOptions) -> NoReturn:
    """Raise the error for a quoted cell that is not closed, in the last row by `records`."""
    ((row, line, _),) = deque(_rows(file, options), maxlen=1)
    raise ValueError(
        f"the quote that opens in row {row} (line {line}) of {file} is not closed: mend the line, "
        "or pass quote=None if quotes are part of the text"
    )


def raise_bytes(
    file: DataFile,
    names: list[str],
    columns: list[str],
    options: ReadingOptions,
    error: Exception,
) -> NoReturn:
    """Raise the error for the first cell with bytes that are not of the encoding."""
    for row, line, cells in _rows(file, options):
        for name, cell in zip(names, cells, strict=False):
            wrong = [c for c in cell if "\udc80" <= c <= "\udcff"]
            if name in columns and wrong:
                byte = ord(wrong[0]) - 0xDC00
                raise ValueError(
                    f"column {name!r} holds the byte {byte:#x} in row {row} (line {line}) of "
                    f"{file}, which is not of the encoding {options.encoding}: {OTHER_ENCODING}"
                ) from error
    raise ValueError(
        f"{file} is not of the encoding {options.encoding} ({error}): {OTHER_ENCODING}"
    ) from error


def _rows(file: DataFile, options: ReadingOptions) -> Iterator[tuple[int, int, list[str]]]:
    """The rows of data: (row from 0, line from 1, cells)."""
    separator = options.separator or ("\t" if file.format == "tsv" else ",")
    row, columns = -1 if options.header is None else 0, 0
    with opened_text(file, options.encoding) as text:
        for line, _, cells in records(text, separator, options.quote):
            columns = columns or len(cells)
            if cells == [""] and columns > 1:
                continue  # blank lines hold no row
            if row >= 0:
                yield row, line, cells
            row += 1


def _start(cells: list[str]) -> str:
    text = repr(cells)
    return text if len(text) <= 80 else text[:80] + "…"
