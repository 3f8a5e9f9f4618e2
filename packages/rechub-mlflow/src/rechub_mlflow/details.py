"""Reads the details of a run of MLflow: the times of its records, and its artifacts."""

import json
import logging
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from torch_rechub.runs import Run
from torch_rechub.runs.details import Details, Figure, Histogram, RecordedTable, Text

from .database import runs_of_database, stored_run
from .file_store import stored_folder
from .reader import META
from .stored import MLflowRun, Stored
from .stores import ARTIFACTS

log = logging.getLogger("torch_rechub.runs")

_STEP = re.compile(r"step-(\d{1,19})\.(\w+)")
_LARGEST = 64 * 2**20  # bytes of a file that is read


def details_of(run: Run) -> Details:
    """Return the details of a run of `MLflowRunReader`."""
    path = Path(run.path)
    found = stored_folder(path / META) if path.is_dir() else stored_run(path, _key(run, path))
    if found is None:
        return Details()
    stored, address = found
    top = path.parent if path.is_file() else path
    folder = _folder(address, top, stored.key)
    times = {
        name: [time / 1000 for _, _, time in points]
        for name, points in stored.valid_points().items()
    }
    texts, histograms, tables, figures = _records(folder, top, stored)
    return Details(times, texts, histograms, tables, figures, _files(folder, top, stored))


def _key(run: Run, path: Path) -> str:
    if isinstance(run, MLflowRun):
        return run.key
    same = (r for r in runs_of_database(path) if (r.name, r.started) == (run.name, run.started))
    return next((r.key for r in same), "")


def _folder(address: str | None, top: Path, key: str) -> Path | None:
    """The folder of a run's artifacts, if it lies below that of the runs.

    A database may come from anyone: a path that leads elsewhere is not followed. A folder that was
    moved together with its database is found next to it.
    """
    parts = urlsplit(address or "")
    folders = [top / ARTIFACTS / key / "artifacts", top / "artifacts"]
    if parts.scheme == "mlflow-artifacts":  # of a server
        folders.insert(0, top / ARTIFACTS / unquote(parts.path).lstrip("/"))
    elif parts.scheme in ("", "file") and parts.path:
        folders.insert(0, Path(url2pathname(unquote(parts.path))))
    return next((f for f in folders if f.is_dir() and f != top and _is_inside(f, top)), None)


def _is_inside(path: Path, top: Path) -> bool:
    return path.resolve().is_relative_to(top.resolve())


def _records(folder: Path | None, top: Path, stored: Stored) -> Iterator[tuple[Any, ...]]:
    names = stored.names.get("record", {})
    for kind, ending, read in (
        ("texts", "txt", lambda data: (Text, (data.decode("utf-8", "replace"),))),
        ("histograms", "json", lambda data: (Histogram, _histogram(_json(data)))),
        ("tables", "json", lambda data: (RecordedTable, _table(_json(data)))),
        ("figures", "png", lambda data: (Figure, (data,))),
    ):
        found = []
        for name, step, path in _steps(folder and folder / kind, top, ending):
            try:
                record, fields = read(path.read_bytes())
            except (OSError, ValueError, RecursionError) as error:
                log.warning("%s cannot be read and is left out: %s", path, error)
                continue
            found.append(record(names.get(name, name), step, *fields))
        yield tuple(sorted(found, key=lambda record: (record.step, record.name)))


def _steps(folder: Path | None, top: Path, ending: str) -> Iterator[tuple[str, int, Path]]:
    """Iterate over the names, steps and paths of the files of one kind of record."""
    if folder is None:
        return
    for path in folder.rglob("step-*"):
        found = _STEP.fullmatch(path.name)
        if not found or found[2] != ending or not path.is_file() or not _is_inside(path, top):
            continue
        if path.stat().st_size > _LARGEST:
            log.warning("%s is larger than %d bytes and is left out", path, _LARGEST)
            continue
        yield path.parent.relative_to(folder).as_posix(), int(found[1]), path


def _files(folder: Path | None, top: Path, stored: Stored) -> Mapping[str, str]:
    """The newest file of each artifact; an artifact of several files is their folder."""
    names = stored.names.get("artifact", {})
    files: dict[str, str] = {}
    for below in sorted((folder / "files").iterdir()) if folder and _has_files(folder) else ():
        inside = [p for p in below.iterdir() if _is_inside(p, top)] if below.is_dir() else []
        if inside:
            whole = any(path.is_dir() for path in inside)
            newest = below if whole else max(inside, key=lambda path: path.stat().st_mtime_ns)
            files[names.get(below.name, below.name)] = str(newest)
    return files


def _has_files(folder: Path) -> bool:
    return (folder / "files").is_dir() and _is_inside(folder / "files", folder)


def _json(data: bytes) -> Mapping[str, Any]:
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _histogram(found: Mapping[str, Any]) -> tuple[list[int], list[float]]:
    counts, edges = _numbers(found.get("counts")), _numbers(found.get("edges"))
    if len(edges) != len(counts) + 1:
        raise ValueError("a histogram has one edge more than counts")
    return [int(count) for count in counts], edges


def _numbers(values: Any) -> list[float]:
    if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
        raise ValueError("counts or edges are not lists of numbers")
    numbers = [float(value) for value in values]
    if not all(map(math.isfinite, numbers)):
        raise ValueError("counts or edges are not finite")
    return numbers


def _table(found: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    columns, rows = found.get("columns"), found.get("data")
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise ValueError("columns are not a list of texts")
    plain = type(None), bool, int, float, str
    if not isinstance(rows, list) or not all(
        isinstance(row, list)
        and len(row) == len(columns)
        and all(isinstance(cell, plain) for cell in row)
        for row in rows
    ):
        raise ValueError("rows are not lists of one plain cell per column")
    return columns, rows
