"""The records of a CSV file with their lines, in Python: for headers and for messages."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, TypeAlias

from .paths import DataFile

Record: TypeAlias = tuple[int, int, list[str]]  # the first line, from 1; the last line; the cells


@contextmanager
def opened_text(file: DataFile, encoding: str, errors: str = "strict") -> Iterator[TextIO]:
    """Open a file, compressed or not, as text without its byte order mark.

    Raises:
        ValueError: The file is damaged; on reading, bytes are not of the encoding.
    """
    import pyarrow as pa

    encoding = "utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding
    stream = pa.input_stream(str(file.path), compression=file.compression)
    try:
        with io.TextIOWrapper(io.BufferedReader(stream), encoding, errors, newline=None) as text:
            yield text
    except OSError as error:
        raise damaged(file, error) from error


def damaged(file: DataFile, error: Exception, after: str = "") -> ValueError:
    """The error for a file that cannot be read, or not be decompressed."""
    kind = f"is damaged, or is not {file.compression}" if file.compression else "cannot be read"
    return ValueError(f"{file} {kind}{after}: {error}; copy it again")


def first_record(text: TextIO, separator: str, quote: str | None) -> tuple[list[str] | None, int]:
    """The cells of the first record that is not empty, and the lines up to its end.

    The cells are None if there is no such record.
    """
    lines = 0
    for _, lines, cells in records(text, separator, quote):
        if cells != [""]:
            return cells, lines
    return None, lines


def records(text: TextIO, separator: str, quote: str | None) -> Iterator[Record]:
    """Split text to records.

    A quote opens a quoted cell at its beginning only; two quotes within are one; a line break
    within quotes belongs to the cell.
    """
    number = 0
    for line in text:
        number += 1
        first = number
        if quote is None or quote not in line:
            yield first, first, line.rstrip("\n").split(separator)
            continue
        cells, rest = _split(line, separator, quote)
        while rest is not None:
            following = text.readline()
            if not following:
                cells.append(rest)
                break
            number += 1
            more, rest = _split(rest + following, separator, quote, quoted=True)
            cells += more
        yield first, number, cells


def _split(
    line: str, separator: str, quote: str, quoted: bool = False
) -> tuple[list[str], str | None]:
    """Split a line; the second value is the cell that its end leaves open, None if there is none.

    Args:
        line: The line, which begins within quotes if `quoted`.
        separator: The character between cells.
        quote: The character around cells.
        quoted: Whether the line begins within quotes.
    """
    cells: list[str] = []
    at = 0
    while True:
        cell = ""
        if quoted or line[at : at + 1] == quote:
            at += 0 if quoted else 1
            quoted, begin = False, at
            while True:
                end = line.find(quote, at)
                if end < 0:
                    return cells, line[begin:]
                if line[end + 1 : end + 2] != quote:
                    break
                at = end + 2
            cell, at = line[begin:end].replace(quote * 2, quote), end + 1
        end = line.find(separator, at)
        if end < 0:
            return [*cells, cell + line[at:].rstrip("\n")], None
        cells.append(cell + line[at:end])
        at = end + 1
