"""Plots a comparison as one self-contained HTML file.

The contents of runs are not trusted: names are escaped, the script sets text and never markup, and
the content security policy of the page forbids other scripts and connections.
"""

import base64
import hashlib
import html
import json
from importlib import resources
from typing import Any

from .._files import naming
from .._shown import shown, shown_json
from .comparison import Comparison
from .curves import COLORS, curve, labels
from .searches import searches
from .tables import Table
from .views import comparison_table

_ROWS = 50
_POINTS = 1_000


def draw_html(comparison: Comparison, path: str) -> None:
    """Write the page."""
    with naming(path), open(path, "w", encoding="utf-8") as file:
        file.write(page(comparison))


def page(comparison: Comparison) -> str:
    """Return the HTML of the page."""
    here = resources.files(__package__) / "page"
    script = _joined(here, "axes.js", "search.js", "curves.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    runs = sum(row.n for row in comparison.rows)
    parts = {
        "digest": digest,
        "title": html.escape(shown(f"{runs} runs, ranked by {comparison.metric}")),
        "style": _joined(here, "page.css", "search.css"),
        "table": _table(comparison_table(comparison, comparison.rows)),
        "data": _embedded(_data(comparison)),
        "script": script,
    }
    text = (here / "page.html").read_text(encoding="utf-8")
    before, *rest = text.split("{{")
    # in one pass, so that a placeholder within the inserted parts is not replaced
    for piece in rest:
        name, after = piece.split("}}", 1)
        before += parts[name] + after
    return before


def _joined(folder: Any, *names: str) -> str:
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def _data(comparison: Comparison) -> dict[str, Any]:
    rows = comparison.rows[:_ROWS]
    metrics = {m: None for row in rows for run in row.runs for m in run.metrics}
    return {
        "metric": comparison.metric,
        "metrics": sorted(metrics),
        "shown": [shown(metric) for metric in sorted(metrics)],
        "colored": len(COLORS),
        "hidden": len(comparison.rows) - len(rows),
        "searches": searches(comparison.runs, comparison.metric, comparison.mode),
        "curves": [
            {
                "label": label,
                "color": COLORS[index] if index < len(COLORS) else "#999999",
                "n": row.n,
                "series": {m: _series(row, m) for m in metrics},
            }
            for index, (row, label) in enumerate(zip(rows, labels(comparison), strict=False))
        ],
    }


def _series(row: Any, metric: str) -> dict[str, Any]:
    drawn = curve(row, metric)
    stride = len(drawn.steps) // _POINTS + 1
    return {
        "steps": drawn.steps[::stride],
        "mean": drawn.mean[::stride],
        "sd": drawn.sd[::stride],
        "tails": [tail[::stride] for tail in drawn.tails],
    }


def _embedded(data: Any) -> str:
    """JSON escaped such that it cannot end its script element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return shown_json(text).replace("<", "\\u003c")


def _table(table: Table) -> str:
    def line(tag: str, cells: tuple[str, ...]) -> str:
        inner = "".join(
            f"<{tag}{' class=number' if name in table.numeric else ''}>{html.escape(c)}</{tag}>"
            for name, c in zip(table.header, cells, strict=True)
        )
        return f"<tr>{inner}</tr>\n"

    body = "".join(line("td", row) for row in table.rows)
    return f"<thead>{line('th', table.header)}</thead><tbody>{body}</tbody>"
