"""Detects that a run is on disk: wandb's own process writes it shortly after each call."""

import os
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch_rechub.runs.framing import last_records


def is_there(path: str, seconds: float) -> bool:
    """Wait until the file of a run exists; return whether it does.

    Args:
        path: The ``run-<id>.wandb``; ``wandb.init`` may return before it exists.
        seconds: The longest wait.
    """
    return _comes_true(lambda: os.path.exists(path), seconds)


def is_written(path: str, seconds: float) -> bool:
    """Wait until the file of a run has the record of its end; return whether it has.

    Args:
        path: The ``run-<id>.wandb``; if it was removed, the wait ends.
        seconds: The longest wait.
    """
    return _comes_true(lambda: _has_end(path) or not os.path.exists(path), seconds) and _has_end(
        path
    )


def _comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return condition()  # this process may have been suspended meanwhile
        time.sleep(0.02)
    return True


def _has_end(path: str) -> bool:
    record: Any = import_module("wandb.proto.wandb_internal_pb2").Record
    try:
        return any(record.FromString(data).HasField("exit") for data in last_records(path))
    except Exception:  # a record that is partly written
        return False
