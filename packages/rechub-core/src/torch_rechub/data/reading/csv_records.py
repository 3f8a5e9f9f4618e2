"""The records of a CSV file with their lines, in Python: for headers and for messages."""

from collections.abc import Iterator
from typing import TextIO, TypeAlias

Record: TypeAlias = tuple[int, int, list[str]]  # the first line, from 1; the last line; the cells


_LARGEST = 1 << 26  # characters of a cell


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
    within quotes belongs to the cell. A cell that is left open, or is too large, is the last one.
    """
    last = 0
    for line in text:
        last += 1
        first = last
        if quote is None or quote not in line:
            yield first, last, line.rstrip("\n").split(separator)
            continue
        cells, rest = _split(line, separator, quote)
        while rest is not None:
            held, size = [rest], len(rest)
            while size < _LARGEST and (following := text.readline()):
                held.append(following)
                size, last = size + len(following), last + 1
                if quote in following:
                    break
            else:
                yield first, last, [*cells, "".join(held)]
                return
            more, rest = _split("".join(held), separator, quote, quoted=True)
            cells += more
        yield first, last, cells


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
