"""The answers of the server, as data: which runs there are, their table, curves and details."""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from ..runs.searches import searches
from ..runs.tables import csv_text
from .about import DetailsCache, about
from .columns import Columns
from .curves import curves
from .entry import FIELDS, Entry
from .filters import parse, selected
from .live import LiveRuns, Snapshot
from .plain import cell, is_absent, order, plain

_MOST_ROWS = 500
_MOST_CURVES = 100
_BY = ("run", "seed", "group")

Query = Mapping[str, str]


class Answers:
    """Answers questions about live runs.

    Args:
        live: The runs.
        problems: Texts of the warnings that reading gave.
    """

    def __init__(self, live: LiveRuns, problems: Sequence[str] = ()) -> None:
        self._live, self._problems = live, problems
        self._columns: tuple[tuple[Entry, ...], Columns] = ((), Columns(()))
        self._details = DetailsCache()
        self._computing = Lock()  # several requests wait for one computation

    def prepare(self) -> None:
        """Compute what the next first page needs, so that nobody waits for it."""
        columns = self._of(self._live.snapshot)
        with self._computing:
            columns.shown()

    def state(self, query: Query) -> dict[str, Any]:
        """The version, how far reading has come, and what went wrong."""
        snapshot = self._live.asked()
        return {
            "version": snapshot.version,
            "runs": len(snapshot.entries),
            "reading": snapshot.reading,
            "done": snapshot.done,
            "units": snapshot.units,
            "problem": snapshot.problem,
            "problems": list(self._problems),
        }

    def columns(self, query: Query) -> dict[str, Any]:
        """The columns, metrics and labels to choose from."""
        snapshot = self._live.asked()
        columns = self._of(snapshot)
        with self._computing:
            shown = columns.shown()
        return {
            "version": snapshot.version,
            "fields": list(FIELDS),
            "params": [[name, values] for name, values in columns.params.items()],
            "metrics": columns.metrics,
            "modes": columns.modes,
            "metric": columns.metric,
            "shown": shown,
            "labels": columns.labels,
            "searches": columns.searches,
        }

    def runs(self, query: Query) -> dict[str, Any]:
        """A page of the table: filtered, sorted, with the given columns."""
        snapshot, chosen = self._chosen(query)
        modes = self._of(snapshot).modes
        offset = _whole(query, "offset", 0, 10**9)
        limit = _whole(query, "limit", 100, _MOST_ROWS)
        names = _list(query, "columns") or ["name"]
        return {
            "version": snapshot.version,
            "total": len(snapshot.entries),
            "matched": len(chosen),
            "offset": offset,
            "rows": [
                {
                    "key": entry.key,
                    "status": entry.status,
                    "cells": [_table_cell(name, entry.value(name, modes)) for name in names],
                }
                for entry in chosen[offset : offset + limit]
            ],
        }

    def keys(self, query: Query) -> dict[str, Any]:
        """The keys of the first runs of the table, to select them."""
        snapshot, chosen = self._chosen(query)
        keys = [entry.key for entry in chosen[: _whole(query, "limit", 10, _MOST_CURVES)]]
        return {"version": snapshot.version, "keys": keys}

    def csv(self, query: Query) -> str:
        """All rows of the table as CSV, in which no text is a formula."""
        snapshot, chosen = self._chosen(query)
        modes = self._of(snapshot).modes
        names = _list(query, "columns") or ["name"]
        rows = [{name: entry.value(name, modes) for name in names} for entry in chosen]
        return csv_text(rows or [dict.fromkeys(names)])

    def curves(self, query: Query) -> dict[str, Any]:
        """Curves of a metric of the selected runs."""
        snapshot = self._live.asked()
        metric, by = query.get("metric", ""), query.get("by", "run")
        if by not in _BY:
            raise ValueError(f"by must be one of {', '.join(_BY)}, got {by!r}")
        wanted = dict.fromkeys(_list(query, "keys")[:_MOST_CURVES])
        found = {entry.key: entry for entry in snapshot.entries if entry.key in wanted}
        entries = [found[key] for key in wanted if key in found]
        mode = self._of(snapshot).modes.get(metric, "max")
        revision = max((entry.revision for entry in entries), default=0)
        if revision <= _whole(query, "since", 0, 2**53):
            return {"version": snapshot.version, "revision": revision, "unchanged": True}
        drawn = curves(entries, metric, mode, by)
        return {
            "version": snapshot.version, "revision": revision, "metric": metric, "mode": mode,
            "curves": plain(drawn),
        }  # fmt: skip

    def searches(self, query: Query) -> dict[str, Any]:
        """The searches among the runs of the table, as ``search.js`` draws them."""
        snapshot, chosen = self._chosen(query)
        metric = query.get("metric", "")
        mode = self._of(snapshot).modes.get(metric, "max")
        found = searches([entry.run for entry in chosen], metric, mode)
        return {"version": snapshot.version, "metric": metric, "searches": plain(found)}

    def run(self, key: str) -> dict[str, Any] | None:
        """Everything about a run but its figures; None if there is no such run."""
        snapshot = self._live.asked()
        entry = snapshot.entry(key)
        if entry is None:
            return None
        modes = self._of(snapshot).modes
        found = about(entry, self._details.of(entry), modes, snapshot.entries)
        return {"version": snapshot.version, **found}

    def figure(self, key: str, number: int) -> bytes | None:
        """A figure of a run as the bytes of a PNG file; None if there is none."""
        entry = self._live.asked().entry(key)
        figures = self._details.of(entry).figures if entry is not None else ()
        return figures[number].png if 0 <= number < len(figures) else None

    def _chosen(self, query: Query) -> tuple[Snapshot, list[Entry]]:
        snapshot = self._live.asked()
        modes = self._of(snapshot).modes
        chosen = selected(snapshot.entries, parse(query.get("filter", "")), modes)
        column = query.get("sort", "started")
        values = [(entry.value(column, modes), entry) for entry in chosen]
        known = [pair for pair in values if not is_absent(pair[0])]
        known.sort(key=lambda pair: order(pair[0]), reverse=query.get("order") == "desc")
        absent = [entry for value, entry in values if is_absent(value)]
        return snapshot, [entry for _, entry in known] + absent

    def _of(self, snapshot: Snapshot) -> Columns:
        with self._computing:
            entries, columns = self._columns
            if entries is not snapshot.entries:
                columns = Columns(snapshot.entries)
                _ = columns.modes  # computed once, for all requests
                self._columns = (snapshot.entries, columns)
            return columns


def _table_cell(name: str, value: Any) -> Any:
    return plain(value) if name == "tags" else cell(value)


def _list(query: Query, name: str) -> list[str]:
    """A list of names, separated by the control character that is made for it."""
    return [part for part in query.get(name, "").split("\x1f") if part]


def _whole(query: Query, name: str, default: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        raise ValueError(f"{name} must be a whole number, got {text[:40]!r}")
    return min(int(text), most)
