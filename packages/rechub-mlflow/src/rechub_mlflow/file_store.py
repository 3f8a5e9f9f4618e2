"""Reads MLflow's folders of files ``mlruns/<experiment>/<run>``, its store before databases."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.runs.damage import Damage

from .stored import MLflowRun, Stored

_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_LONGEST = 2**20  # bytes of a parameter or tag, and of a description


def run_of_folder(meta: Path) -> MLflowRun | None:
    """Return the run that a ``meta.yaml`` describes; None if it describes something else."""
    found = stored_folder(meta)
    return None if found is None else found[0].as_run()


def stored_folder(meta: Path) -> tuple[Stored, str | None] | None:
    """Return the run of a ``meta.yaml`` and the address of its artifacts."""
    about = _description(meta)
    key = about.get("run_uuid") or about.get("run_id")
    if not isinstance(key, str) or about.get("lifecycle_stage", "active") != "active":
        return None
    folder = meta.parent
    project = _description(folder.parent / meta.name).get("name")
    address = about.get("artifact_uri")
    run = Stored(
        str(folder),
        key,
        _text(about.get("run_name")),
        _text(project),
        _STATUS.get(about.get("status", 1), "RUNNING"),
        about.get("start_time"),
        about.get("end_time"),
        params=_texts(folder / "params"),
        tags=_texts(folder / "tags"),
    )
    for name, path in _files(folder / "metrics"):
        with Damage(path) as damage, path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    time, value, *step = line.split(" ")[:3]
                    point = int(*step) if step else 0, float(value), int(time)
                except ValueError as error:
                    damage.add(number, str(error))
                    continue
                run.points.setdefault(name, []).append(point)
    return run, address if isinstance(address, str) else None


def _description(path: Path) -> dict[str, Any]:
    if not path.is_file() or path.stat().st_size > _LONGEST:
        return {}
    yaml: Any = import_module("yaml")  # a dependency of mlflow
    try:
        found = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _texts(folder: Path) -> dict[str, str]:
    return {
        name: path.read_text(encoding="utf-8", errors="replace")
        for name, path in _files(folder)
        if path.stat().st_size <= _LONGEST
    }


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Iterate over the files of a folder by their relative paths, which are names of records."""
    for path in sorted(folder.rglob("*"), key=str):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix(), path


def _text(value: Any) -> str | None:
    return os.fspath(value) if isinstance(value, str) and value else None
