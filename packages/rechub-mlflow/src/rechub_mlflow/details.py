"""Reads the details of a run of MLflow: the times of its records, and its artifacts."""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from torch_rechub.runs import Run
from torch_rechub.runs.details import Details, Figure, Histogram, RecordedTable, Text
from torch_rechub.runs.gathered import LARGEST_FILE, histogram_of, table_of

from .database import runs_of_database, stored_run
from .file_store import stored_folder
from .reader import META
from .stored import MLflowRun, Stored
from .stores import ARTIFACTS

log = logging.getLogger("torch_rechub.runs")

_STEP = re.compile(r"step-(\d{1,19})\.(\w+)")


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
    kinds: tuple[tuple[str, str, Callable[[str, int, bytes], Any]], ...] = (
        ("texts", "txt", _text),
        ("histograms", "json", _histogram),
        ("tables", "json", _table),
        ("figures", "png", Figure),
    )
    for kind, ending, read in kinds:
        found = []
        for name, step, path in _steps(folder and folder / kind, top, ending):
            try:
                found.append(read(names.get(name, name), step, path.read_bytes()))
            except (OSError, ValueError, RecursionError) as error:
                log.warning("%s cannot be read and is left out: %s", path, error)
        yield tuple(sorted(found, key=lambda record: (record.step, record.name)))


def _steps(folder: Path | None, top: Path, ending: str) -> Iterator[tuple[str, int, Path]]:
    """Iterate over the names, steps and paths of the files of one kind of record."""
    if folder is None:
        return
    for path in folder.rglob("step-*"):
        found = _STEP.fullmatch(path.name)
        if not found or found[2] != ending or not path.is_file() or not _is_inside(path, top):
            continue
        if path.stat().st_size > LARGEST_FILE:
            log.warning("%s is larger than %d bytes and is left out", path, LARGEST_FILE)
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


def _text(name: str, step: int, data: bytes) -> Text:
    return Text(name, step, data.decode("utf-8", "replace"))


def _histogram(name: str, step: int, data: bytes) -> Histogram:
    found = _json(data)
    return histogram_of(name, step, found.get("counts"), found.get("edges"))


def _table(name: str, step: int, data: bytes) -> RecordedTable:
    found = _json(data)
    return table_of(name, step, found.get("columns"), found.get("data"))


def _json(data: bytes) -> Mapping[str, Any]:
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found
