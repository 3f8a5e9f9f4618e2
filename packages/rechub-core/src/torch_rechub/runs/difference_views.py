"""Views of a difference: tables of changes and metrics, lines of what is unknown."""

from collections.abc import Sequence
from typing import Any

from .._shown import shown
from .difference import Difference
from .tables import Table, cell, in_markdown, number, shortened

_LONGEST = 120


def change_table(found: Difference) -> Table:
    """Return a table with one row for each change."""
    rows = tuple(
        (
            change.kind,
            cell(change.what),
            cell(change.how),
            _value(change.before),
            _value(change.after),
        )
        for change in found.changes
    )
    return Table(("differs", "what", "how", "A", "B"), rows)


def metric_table(found: Difference) -> Table:
    """Return a table with one row for each metric: both values, and the second less the first."""
    header = ("metric", "A", "B", "B - A")
    rows = tuple(
        (
            shortened(cell(pair.name), _LONGEST),
            _number(pair.before),
            _number(pair.after),
            _number(pair.change),
        )
        for pair in found.metrics
    )
    return Table(header, rows, frozenset(header[1:]))


def heading(found: Difference, form: str) -> str:
    """Return a line for each run: its letter, its name, and where it is recorded."""
    runs = (("A", found.a), ("B", found.b))
    named = [f"{letter}  {shortened(cell(run.name), _LONGEST)}" for letter, run in runs]
    lines = [f"{n}  {shown(r.path)}" for n, (_, r) in zip(named, runs, strict=True)]
    return _lines(lines, form)


def unknown_lines(found: Difference, form: str) -> str:
    """Return a line for each thing that is unknown; nothing if there are none."""
    if not found.unknown:
        return ""
    return "\nunknown:\n\n" + _lines([shortened(cell(t), _LONGEST) for t in found.unknown], form)


def _lines(texts: Sequence[str], form: str) -> str:
    if form == "markdown":
        return "".join(f"- {in_markdown(text)}\n" for text in texts)
    return "".join(f"{text}\n" for text in texts)


def _value(value: Any) -> str:
    return "–" if value is None else cell(value)


def _number(value: float | None) -> str:
    return "–" if value is None else number(value)
