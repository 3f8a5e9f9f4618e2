"""The one run that a tracker left below a folder, as the reader of its package gives it.

The readers themselves are held against the SDKs' own ways of reading in `test_run_readers.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch_rechub.runs import Run, read_runs
from torch_rechub.runs.damage import Damage


def only(directory: Path, pattern: str) -> Path:
    """The one file below `directory` that matches."""
    found = sorted(directory.rglob(pattern))
    assert len(found) == 1, f"{len(found)} files {pattern} below {directory}: {found}"
    return found[0]


def _run(backend: str, directory: Path) -> Run:
    (run,) = read_runs(directory)
    assert run.backend == backend
    return run


def wandb_run(directory: Path) -> Run:
    return _run("wandb", directory)


def _messages(records: Callable[[Path, Damage], Any], path: Path) -> list[Any]:
    return [message for _, message in records(path, Damage(path))]


def wandb_records(directory: Path) -> list[Any]:
    from rechub_wandb.records import wandb_records as records

    return _messages(records, only(directory, "run-*.wandb"))


def swanlab_run(directory: Path) -> Run:
    return _run("swanlab", directory)


def swanlab_records(directory: Path) -> list[Any]:
    from rechub_swanlab.records import swanlab_records as records

    return _messages(records, only(directory, "run-*.swanlab"))


def tensorboard_run(directory: Path) -> Run:
    return _run("tensorboardx", directory)


def tensorboard_events(directory: Path) -> list[Any]:
    from rechub_tensorboardx.records import tensorboard_events as events

    return _messages(events, only(directory, "events.*"))
