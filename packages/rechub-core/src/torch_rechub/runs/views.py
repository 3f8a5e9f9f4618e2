"""Views of runs and comparisons: records and tables."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .comparison import Comparison, Row
from .record import Mode, Run
from .tables import Table, cell, number, shortened, spread
from .trials import status_of, trial_of
from .values import is_empty


def run_records(runs: Sequence[Run], metric: str | None, mode: Mode) -> list[dict[str, Any]]:
    """Return one flat dict per run."""
    return [_run_record(run, metric, mode) for run in runs]


def run_table(records: Sequence[dict[str, Any]], metric: str | None) -> Table:
    """Return a table of runs: status, values of the metric if one is given, errors if there are."""
    header = ["name", "backend", "project", "status", "started", "epochs"]
    header += [_best(metric), "at", "last"] if metric else []
    chained = any(record["parent"] for record in records)
    header[1:1] = ["run", "parent"] if chained else []
    rows = [
        tuple(
            [
                cell(record["name"]),
                *(cell(record[key] or "") for key in ("run_id", "parent") if chained),
                cell(record["backend"]),
                cell(record["project"] or ""),
                cell(record["status"]),
                _moment(record["started"]),
                str(record["epochs"]),
            ]
            + [number(record[key]) for key in ("best", "best_step", "last") if metric]
        )
        for record in records
    ]
    numeric = frozenset(header[header.index("epochs") :])
    if any(record["error"] for record in records):
        header.append("error")
        errors = [cell(record["error"] or "") for record in records]
        rows = [(*row, error) for row, error in zip(rows, errors, strict=True)]
    optional = ("error",) if "error" in header else ()
    table = Table(tuple(header), tuple(rows), numeric, optional)
    return table if any(record["project"] for record in records) else table.without("project")


def comparison_table(found: Comparison, rows: Sequence[Row]) -> Table:
    """Return a table of ranked rows: differing hyper-parameters and results; no empty columns."""
    columns = _about(found, rows)
    results = _results(found, rows)
    numeric = {"#", "trial", *results} - {"seeds"}
    differing: dict[str, list[str]] = {}
    for name in found.differing:
        header = cell(name)
        while header in columns or header in results or header in differing:
            header = f"hyperparams/{header}"  # such as a hyper-parameter called `name`
        given = [row.hyperparams.get(name) for row in rows]
        given = [None if is_empty(value) else value for value in given]
        differing[header] = ["–" if value is None else cell(value) for value in given]
        if all(_is_number(value) for value in given if value is not None):
            numeric.add(header)
    columns |= differing | results
    cells = tuple(zip(*columns.values(), strict=True))
    return Table(tuple(columns), cells, frozenset(numeric), tuple(differing))


def _about(found: Comparison, rows: Sequence[Row]) -> dict[str, list[str]]:
    some = found.rows
    columns = {"#": [str(row.rank) for row in rows], "name": [cell(row.name) for row in rows]}
    if len({row.backend for row in some}) > 1:
        columns["backend"] = [cell(row.backend) for row in rows]
    if len({row.project for row in some if row.project}) > 1:  # some trackers store no project
        columns["project"] = [cell(row.project or "") for row in rows]
    if any(row.status != "finished" for row in some):
        columns["status"] = [cell(row.status) for row in rows]
    if any(trial_of(run) for row in some for run in row.runs):
        columns |= _trials(rows)
    return columns


def _trials(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The numbers and the states of the trials of a search."""
    found = [[trial for run in row.runs if (trial := trial_of(run))] for row in rows]
    numbers = [sorted({trial.number for trial in trials}) for trials in found]
    states = [dict.fromkeys(trial.state or "unfinished" for trial in trials) for trials in found]
    return {
        "trial": [",".join(map(str, of_row)) for of_row in numbers],
        "state": [",".join(of_row) for of_row in states],
    }


def _results(found: Comparison, rows: Sequence[Row]) -> dict[str, list[str]]:
    some, columns = found.rows, {}
    if any(row.n > 1 for row in some):
        columns["n"] = [str(row.n) for row in rows]
    if any(row.seeds for row in some):
        columns["seeds"] = [_seeds(row) for row in rows]
    columns[_best(found.metric)] = [spread(row.best.mean, row.best.sd) for row in rows]
    if any(row.best_step is not None for row in some):
        columns["at"] = [number(row.best_step) for row in rows]
    columns["last"] = [spread(row.last.mean, row.last.sd) for row in rows]
    return columns


def _best(metric: str) -> str:
    return f"best {shortened(cell(metric), 80)}"


def _run_record(run: Run, metric: str | None, mode: Mode) -> dict[str, Any]:
    best = run.best(metric, mode) if metric else None
    last = run.last(metric) if metric else None
    return {
        "name": run.name,
        "backend": run.backend,
        "project": run.project,
        "status": status_of(run),
        "error": run.error,
        "started": run.started.isoformat() if run.started else None,
        "ended": run.ended.isoformat() if run.ended else None,
        "epochs": run.epochs,
        "metric": metric,
        "best": best[1] if best else None,
        "best_step": best[0] if best else None,
        "last": last[1] if last else None,
        "run_id": run.run_id,
        "parent": run.parent,
        "path": run.path,
    }


def _moment(text: str | None) -> str:
    """Format a time in the local time zone."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M") if text else ""


def _seeds(row: Row) -> str:
    shown = ",".join(cell(seed) for seed in row.seeds[:6])
    return shown + (",…" if len(row.seeds) > 6 else "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
