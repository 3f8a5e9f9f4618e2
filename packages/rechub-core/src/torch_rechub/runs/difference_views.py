"""Views of a difference: tables of changes and metrics, lines of what is unknown."""

from typing import Any

from .difference import Difference
from .tables import Table, cell, number, shortened

_LONGEST = 120


def change_table(found: Difference) -> Table:
    """Return a table with one row for each change."""
    rows = tuple(
        (change.kind, cell(change.what), cell(change.how), _value(change.before),
         _value(change.after))
        for change in found.changes
    )  # fmt: skip
    return Table(("differs", "what", "how", "A", "B"), rows)


def metric_table(found: Difference) -> Table:
    """Return a table with one row for each metric: both values, and the second less the first."""
    header = ("metric", "A", "B", "B - A")
    rows = tuple(
        (
            shortened(cell(pair.name), _LONGEST),
            *map(_number, (pair.before, pair.after, pair.change)),
        )
        for pair in found.metrics
    )
    return Table(header, rows, frozenset(header[1:]))


def unknown_lines(found: Difference, form: str) -> str:
    """Return a line for each thing that is unknown."""
    mark = "- " if form == "markdown" else "  "
    lines = [f"{mark}{shortened(cell(text), _LONGEST)}\n" for text in found.unknown]
    if form == "markdown":
        lines = [line.translate(_ESCAPED) for line in lines]
    return (
        "".join(["unknown:\n\n" if form == "markdown" else "unknown:\n", *lines]) if lines else ""
    )


_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in r"\|*_`[$~"} | {"<": "&lt;", "&": "&amp;"})


def _value(value: Any) -> str:
    return "–" if value is None else cell(value)


def _number(value: float | None) -> str:
    return "–" if value is None else number(value)
