"""Everything about one run, for its own page."""

import math
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from ..runs.details import Details, details
from ..runs.record import Mode, Run
from .entry import Entry
from .plain import cell, plain

_REMEMBERED = 8  # runs, because their figures and texts can be large
_MOST = 200  # texts, histograms, tables or figures of a run
_MOST_ROWS = 500
_LONGEST_TEXT = 100_000


class DetailsCache:
    """Reads the details of runs, and remembers those of the last few."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, int], Details] = OrderedDict()
        self._lock = Lock()

    def of(self, entry: Entry) -> Details:
        """Return the details of a run."""
        at = (entry.key, entry.revision)
        with self._lock:
            if at not in self._found:
                self._found[at] = details(entry.run)
                while len(self._found) > _REMEMBERED:
                    self._found.popitem(last=False)
            self._found.move_to_end(at)
            return self._found[at]


def about(
    entry: Entry, found: Details, modes: Mapping[str, Mode], entries: Sequence[Entry]
) -> dict[str, Any]:
    """Return everything about a run as plain data; of long lists, the first 200 parts."""
    run = entry.run
    return {
        "key": entry.key,
        "revision": entry.revision,
        "name": run.name,
        "fields": {
            name: plain(entry.value(name, modes))
            for name in ("status", "group", "tags", "project", "backend", "started", "seconds",
                         "epochs", "run", "parent", "path")
        },
        "error": run.error,
        "params": [[name, cell(value)] for name, value in entry.params.items()],
        "metrics": [_metric(entry, name, modes.get(name, "max")) for name in run.metrics],
        "texts": [
            [text.name, text.step, text.text[:_LONGEST_TEXT]] for text in found.texts[-_MOST:]
        ],
        "histograms": [
            [h.name, h.step, plain(list(h.counts)), plain(list(h.edges))]
            for h in found.histograms[-_MOST:]
        ],
        "tables": [
            {
                "name": table.name, "step": table.step, "columns": list(table.columns),
                "n": len(table.rows),
                "rows": [[cell(value) for value in row] for row in table.rows[:_MOST_ROWS]],
            }
            for table in found.tables[-_MOST:]
        ],
        "figures": [
            [number, figure.name, figure.step] for number, figure in enumerate(found.figures)
        ][-_MOST:],
        "files": [[name, _size(path)] for name, path in found.files.items()],
        "relatives": _relatives(entry, entries),
    }  # fmt: skip


def _metric(entry: Entry, name: str, mode: Mode) -> dict[str, Any]:
    points = entry.run.metrics[name]
    best, last = entry.best(name, mode), entry.run.last(name)
    return {
        "name": name,
        "mode": mode,
        "best": plain(best[1]) if best else None,
        "at": best[0] if best else None,
        "last": plain(last[1]) if last else None,
        "n": len(points),
        "lost": sum(not math.isfinite(value) for _, value in points),
    }


def _relatives(entry: Entry, entries: Sequence[Entry]) -> list[list[str]]:
    """The parent and the children of a run: pairs of key and name."""

    def is_parent(of: Run, other: Run) -> bool:
        return of.parent is not None and of.parent == other.run_id

    found = [
        ["parent" if is_parent(entry.run, other.run) else "child", other.key, other.run.name]
        for other in entries
        if other is not entry
        and (is_parent(entry.run, other.run) or is_parent(other.run, entry.run))
    ]
    return found[:_MOST]


def _size(path: str) -> int | None:
    try:
        return os.path.getsize(path)
    except OSError:
        return None
