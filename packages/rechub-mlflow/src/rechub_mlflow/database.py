"""Reads MLflow's SQLite databases with Python's own sqlite3."""

import math
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from torch_rechub.runs.damage import Damage

from .stored import MLflowRun, Stored

_LARGEST = 1.7976931348623157e308  # MLflow stores infinity as this number
_HEADER = b"SQLite format 3\0"
_TABLES = {"runs", "experiments", "metrics", "params", "tags"}

_PLAIN = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
_RUNS = """SELECT run_uuid, runs.name, status, start_time, end_time, experiments.name
FROM runs JOIN experiments USING (experiment_id)
WHERE runs.lifecycle_stage = 'active' {} ORDER BY start_time, runs.rowid"""
_METRICS = """SELECT key, step, value, timestamp, is_nan FROM metrics WHERE run_uuid = ?
ORDER BY rowid"""


def runs_of_database(path: Path) -> Iterator[MLflowRun]:
    """Iterate over the runs of a database; those of another program's have none."""
    with path.open("rb") as file:
        if file.read(len(_HEADER)) != _HEADER:
            return
    with Damage(path, "value", "row") as damage, _opened(path) as database:
        if not _of_mlflow(database):
            return
        for row in database.execute(_RUNS.format("")).fetchall():
            yield _stored(database, path, row, damage).as_run()


def stored_run(path: Path, key: str) -> tuple[Stored, str | None] | None:
    """Return a run of a database and the address of its artifacts; None if it has no such run."""
    with Damage(path, "value", "row") as damage, _opened(path) as database:
        row = database.execute(_RUNS.format("AND run_uuid = ?"), (key,)).fetchone()
        if row is None:
            return None
        query = "SELECT artifact_uri FROM runs WHERE run_uuid = ?"
        (address,) = database.execute(query, (key,)).fetchone()
        return _stored(database, path, row, damage), address if isinstance(address, str) else None


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        try:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            with _repaired(path) as copy:
                yield copy
            return
        yield _forgiving(database)


@contextmanager
def _repaired(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy: a killed process left a journal, which only a writer can roll back."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for ending in ("", "-journal", "-wal"):
            source = path.with_name(path.name + ending)
            if source.exists():
                shutil.copyfile(source, copy.with_name(copy.name + ending))
        with closing(sqlite3.connect(copy)) as database:
            yield _forgiving(database)


def _forgiving(database: sqlite3.Connection) -> sqlite3.Connection:
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    return database


def _of_mlflow(database: sqlite3.Connection) -> bool:
    # a view could compute for hours
    return {name for (name,) in database.execute(_PLAIN)} >= _TABLES


def _stored(
    database: sqlite3.Connection, path: Path, row: tuple[Any, ...], damage: Damage
) -> Stored:
    key, name, status, started, ended, project = row
    run = Stored(str(path), key, _text(name), _text(project), str(status), started, ended)
    rows = database.execute(_METRICS, (key,))
    for number, (metric, step, value, time, is_nan) in enumerate(rows):
        if not isinstance(metric, str) or type(step) is not int or type(time) is not int:
            damage.add(number, "a name, step or time of another type")
        elif not isinstance(value, int | float):
            damage.add(number, f"the metric {metric[:40]!r} is no number")
        else:
            run.points.setdefault(metric, []).append((step, _number(value, is_nan), time))
    run.params, run.tags = (_pairs(database, table, key) for table in ("params", "tags"))
    return run


def _pairs(database: sqlite3.Connection, table: str, key: str) -> dict[str, str]:
    query = f"SELECT key, value FROM {table} WHERE run_uuid = ? ORDER BY rowid"
    rows = database.execute(query, (key,)).fetchall()
    return {n: v for n, v in rows if isinstance(n, str) and isinstance(v, str)}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: float, is_nan: Any) -> float:
    if is_nan:
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= _LARGEST else float(value)
