"""Reads MLflow's local databases with Python's own sqlite3; mlflow is not imported."""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from torch_rechub.runs import Run

from .values import CHANGED, ERROR, from_text

_STATUS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}
_LARGEST = 1.7976931348623157e308  # MLflow stores infinity as this number

_RUNS = """SELECT run_uuid, runs.name, status, start_time, end_time, experiments.name
FROM runs JOIN experiments USING (experiment_id)
WHERE runs.lifecycle_stage = 'active' ORDER BY start_time"""
_METRICS = "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY rowid"


class MLflowRunReader:
    """Reads each run of a ``mlflow.db`` that is not deleted."""

    patterns = ("mlflow.db",)
    whole_folders = False

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """Iterate over the runs of `files`."""
        for path in files:
            address = f"{path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as database:
                for row in database.execute(_RUNS).fetchall():
                    yield _run(database, path, *row)


def _run(
    database: sqlite3.Connection,
    path: Path,
    run_id: str,
    name: str,
    status: str,
    started: int | None,
    ended: int | None,
    project: str,
) -> Run:
    metrics: dict[str, list[tuple[int, float]]] = {}
    for key, step, value, is_nan in database.execute(_METRICS, (run_id,)):
        metrics.setdefault(key, []).append((step, _number(value, is_nan)))
    tags = _pairs(database, "tags", run_id)
    params = {key: from_text(text) for key, text in _pairs(database, "params", run_id).items()}
    for key, text in tags.items():
        if key.startswith(CHANGED):
            params[key.removeprefix(CHANGED)] = from_text(text)
    return Run(
        name=name or run_id,
        backend="mlflow",
        path=str(path),
        project=project,
        status=_STATUS.get(status, "unfinished"),  # type: ignore[arg-type]
        error=tags.get(ERROR),
        started=_moment(started),
        ended=_moment(ended),
        hyperparams=params,
        metrics=metrics,
    )


def _pairs(database: sqlite3.Connection, table: str, run_id: str) -> dict[str, Any]:
    query = f"SELECT key, value FROM {table} WHERE run_uuid = ? ORDER BY rowid"
    return dict(database.execute(query, (run_id,)).fetchall())


def _number(value: float, is_nan: bool) -> float:
    if is_nan:
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= _LARGEST else value


def _moment(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
