"""The one run that a tracker left below a folder, as the reader of its package gives it.

The readers themselves are held against the SDKs' own ways of reading in `test_run_readers.py`.
"""

import time
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


def _once_wandb_has_written(read: Callable[[], Any], complete: Callable[[Any], bool]) -> Any:
    """What `read` gives, when it is complete.

    wandb writes in a process of its own, which writes out the end of the file a moment after
    `finish()` returned; so this waits, for at most 20 seconds.
    """
    deadline = time.monotonic() + 20
    while not complete(found := read()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def wandb_run(directory: Path) -> Run:
    return _once_wandb_has_written(
        lambda: _run("wandb", directory), lambda run: run.failed is not None
    )


def _messages(records: Callable[[Path, Damage], Any], path: Path) -> list[Any]:
    return [message for _, message in records(path, Damage(path))]


def wandb_records(directory: Path) -> list[Any]:
    from rechub_wandb.reader import wandb_records as records

    path = only(directory, "run-*.wandb")
    return _once_wandb_has_written(
        lambda: _messages(records, path), lambda found: any(r.HasField("exit") for r in found)
    )


def swanlab_run(directory: Path) -> Run:
    return _run("swanlab", directory)


def swanlab_records(directory: Path) -> list[Any]:
    from rechub_swanlab.reader import swanlab_records as records

    return _messages(records, only(directory, "run-*.swanlab"))


def tensorboard_run(directory: Path) -> Run:
    return _run("tensorboardx", directory)


def tensorboard_events(directory: Path) -> list[Any]:
    from rechub_tensorboardx.reader import tensorboard_events as events

    return _messages(events, only(directory, "events.*"))
