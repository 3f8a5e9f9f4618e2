"""Tables as aligned text, Markdown, CSV and JSON."""

import csv
import io
import json
import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._shown import shown, shown_json

_LONGEST_CELL = 48
_LONGEST_TEXT = 2_000
_GAP = "  "
_MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in r"\|*_`[$~"} | {"<": "&lt;", "&": "&amp;"})
_FORMULA = tuple("=+-@\t\r＝＋－＠")  # the last four are full-width signs


@dataclass(frozen=True)
class Table:
    """A table of escaped text cells, with properties of its columns.

    Attributes:
        header: The columns' names.
        rows: The cells.
        numeric: Right-aligned columns.
        optional: Columns that are dropped if the table is too wide, the last one first.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[str] = frozenset()
    optional: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            object.__setattr__(self, name, _shown_within(value))

    def without(self, column: str) -> "Table":
        """Return the table without a column."""
        at = self.header.index(column)
        rows = tuple(row[:at] + row[at + 1 :] for row in self.rows)
        header = self.header[:at] + self.header[at + 1 :]
        return replace(self, header=header, rows=rows, optional=self.optional[:-1])


def number(value: float | None) -> str:
    """Format a number for display.

    Example:
        >>> number(0.74213), number(1234567.0), number(146339.81), number(1e-6), number(None)
        ('0.7421', '1234567', '146339.8', '1e-06', '')
    """
    if value is None:
        return ""
    if not math.isfinite(value) or float(value).is_integer():
        return f"{value:.0f}" if abs(value) < 1e15 else f"{value:.4g}"
    if 1e5 <= abs(value) < 1e9:  # such as rows per second
        return f"{value:.1f}"
    return f"{value:.4f}" if 1e-2 <= abs(value) < 1e5 else f"{value:.4g}"


def spread(mean: float, sd: float | None) -> str:
    """Format mean and standard deviation with the same number of decimals.

    Example:
        >>> spread(0.74213, 0.00123), spread(0.5, None)
        ('0.7421 ± 0.0012', '0.5000')
    """
    text = f"{mean:.4f}" if 1e-2 <= abs(mean) < 1e5 or mean == 0 else number(mean)
    if sd is None:
        return text
    return f"{text} ± {sd:.4f}" if "e" not in text else f"{text} ± {sd:.2g}"


def cell(value: Any) -> str:
    r"""Format any value as the text of a cell.

    Example:
        >>> cell(0.001), cell([64, 32]), cell(None), cell("a\x1b[2Jb")
        ('0.001', '[64, 32]', 'None', 'a\\x1b[2Jb')
    """
    if isinstance(value, float):
        return f"{value:.6g}"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
    return shown(text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…")


def width(text: str) -> int:
    r"""The width of a text in a terminal, in columns: Chinese characters take two.

    Example:
        >>> width("auc"), width("精排"), width("e\u0301")
        (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_width_of, text))


def shortened(text: str, columns: int) -> str:
    """Truncate a text to a number of columns, with … at its end if it is longer."""
    if len(text) <= columns and text.isascii():
        return text
    taken, fits = 0, 0
    for place, character in enumerate(text):
        taken += _width_of(character)
        if taken <= columns - 1:
            fits = place + 1
        if taken > columns:
            return f"{text[:fits]}…"
    return text


def aligned(
    table: Table, columns: int | None, style: Callable[[str, str], str] | None = None
) -> tuple[str, tuple[str, ...]]:
    """Format the table as aligned lines; return the names of dropped columns, too.

    Args:
        table: The table.
        columns: The available width; None means no limit.
        style: Colors a cell: receives the column's name and the padded cell (the name itself for
            the header).
    """
    left_out: tuple[str, ...] = ()
    cells = [[shortened(c, _LONGEST_CELL) for c in row] for row in (table.header, *table.rows)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    if columns is not None and table.optional and sum(widths) + 2 * len(widths) - 2 > columns:
        last = table.optional[-1]
        text, left_out = aligned(table.without(last), columns, style)
        return text, (*left_out, last)
    lines = []
    for line in cells:
        padded = [
            " " * (room - width(c)) + c if name in table.numeric else c + " " * (room - width(c))
            for name, c, room in zip(table.header, line, widths, strict=True)
        ]
        if style:
            padded = [style(name, c) for name, c in zip(table.header, padded, strict=True)]
        lines.append(_GAP.join(padded).rstrip())
    return "\n".join(lines) + "\n", left_out


def markdown(table: Table) -> str:
    """Format the table as Markdown."""
    rules = ["---:" if name in table.numeric else "---" for name in table.header]
    lines = [map(in_markdown, table.header), rules, *(map(in_markdown, row) for row in table.rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def csv_text(records: Sequence[dict[str, Any]]) -> str:
    """Format records with the same keys as CSV, with exact numbers and lists as JSON.

    A text that begins like a formula gets the prefix ``'``, so that spreadsheets do not execute it.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_csv_cell(name) for name in records[0]])
    writer.writerows([_csv_cell(value) for value in record.values()] for record in records)
    return out.getvalue()


def json_text(value: Any) -> str:
    """Format plain data as strict JSON, with NaN and the infinities as strings."""
    text = json.dumps(_strict(value), ensure_ascii=False, indent=2, allow_nan=False)
    return shown_json(text) + "\n"


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _strict(item) for name, item in value.items()}
    return [_strict(item) for item in value] if isinstance(value, list | tuple) else value


def in_markdown(text: str) -> str:
    r"""Escape a text, so that Markdown shows it as it is.

    Example:
        >>> in_markdown("a|b <i>")
        'a\\|b &lt;i>'
    """
    return text.translate(_MARKDOWN)


def _shown_within(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    return type(value)(map(_shown_within, value))


def _width_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _csv_cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    return shown(f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value)
