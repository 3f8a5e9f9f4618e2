"""Tables as Markdown, for trackers that store texts alone; they are read back without loss."""

import json
import re
from collections.abc import Sequence

from .table_cells import Cell

_PLAIN = re.compile(r"[^\s|\\<>&*_`~#\[\]\"'](?:[^|\\<>&*`~\[\]\r\n\t\"]*[^\s|\\<>&*`~\[\]\"'])?")
_HTML = str.maketrans({c: f"\\u{ord(c):04x}" for c in "|<>&*_`~#[]"})


def table_text(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    r"""Return a table as Markdown.

    Numbers, True, False and None are written as in JSON, and so are texts that would otherwise be
    read as one of these, or as markup.

    Example:
        >>> print(table_text(["item", "score"], [["The <b>", 0.5], ["1", None]]))
        | item | score |
        | --- | --- |
        | "The \u003cb\u003e" | 0.5 |
        | "1" | null |
    """
    lines = [columns, *rows]
    shown = [f"| {' | '.join(map(_shown, line))} |" for line in lines]
    return "\n".join([shown[0], f"|{' --- |' * len(columns)}", *shown[1:]])


def table_of_text(text: str) -> tuple[list[str], list[list[Cell]]] | None:
    """Return the columns and rows of a text that `table_text` wrote; None for another text.

    Example:
        >>> table_of_text(table_text(["a", "b"], [[True, "x"]]))
        (['a', 'b'], [[True, 'x']])
    """
    header, *lines = text.split("\n")
    columns = _cells(header)
    if columns is None or not lines or lines[0] != f"|{' --- |' * len(columns)}":
        return None
    rows = [_cells(line) for line in lines[1:]]
    found = [row for row in rows if row is not None and len(row) == len(columns)]
    return ([str(name) for name in columns], found) if len(found) == len(rows) else None


def _shown(cell: Cell) -> str:
    if isinstance(cell, str) and _PLAIN.fullmatch(cell) and isinstance(_read(cell), str):
        return cell
    if not isinstance(cell, str):
        return json.dumps(cell)
    return json.dumps(cell).translate(_HTML)


def _cells(line: str) -> list[Cell] | None:
    if not (line.startswith("| ") and line.endswith(" |")):
        return None
    return [_read(cell) for cell in line[2:-2].split(" | ")]


def _read(text: str) -> Cell:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if value is None or isinstance(value, bool | int | float | str) else text
