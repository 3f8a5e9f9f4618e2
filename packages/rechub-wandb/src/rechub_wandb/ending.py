"""When a run of wandb is on the disk: its own process writes it, a moment after `finish`."""

import os
import time
from importlib import import_module
from typing import Any

from torch_rechub.runs.framing import last_records


def is_written(path: str, seconds: float) -> bool:
    """Wait until the file of a run has the record of its end; say whether it has.

    Args:
        path: The ``run-<id>.wandb``.
        seconds: The longest wait: what wandb writes it flushes ten times a second.
    """
    deadline = time.monotonic() + seconds
    while not _has_end(path):
        if time.monotonic() > deadline or not os.path.exists(path):
            return False
        time.sleep(0.02)
    return True


def _has_end(path: str) -> bool:
    record: Any = import_module("wandb.proto.wandb_internal_pb2").Record
    try:
        return any(record.FromString(data).HasField("exit") for data in last_records(path))
    except Exception:  # of a record that is half written
        return False
