"""The rank of this process; uses torch.distributed only if torch is imported already."""

import functools
import logging
import os
import sys
from typing import Any

log = logging.getLogger("torch_rechub")


def world_size() -> int:
    """The number of processes that were started together; 1 for a single process.

    Read from ``torch.distributed`` once it is initialized, before that from ``WORLD_SIZE``, which
    launchers such as ``torchrun`` set.

    Example:
        >>> world_size()
        1
    """
    group = _process_group()
    return max(1, _number("WORLD_SIZE") if group is None else int(group.get_world_size()))


def process_rank() -> int:
    """The rank of this process among those that were started together; 0 for a single process.

    Read from ``torch.distributed`` once it is initialized, before that from the environment
    variables that launchers set: ``RANK``, or else ``LOCAL_RANK`` with ``NODE_RANK``. They are
    ignored unless ``WORLD_SIZE`` is above 1.

    Example:
        >>> process_rank()
        0
    """
    group = _process_group()
    if group is not None:
        return int(group.get_rank())
    if world_size() == 1:
        return 0
    if "RANK" in os.environ:
        return _number("RANK")
    return max(_number("LOCAL_RANK"), _number("NODE_RANK"))


def warn_of_processes() -> None:
    """Warn, once and in rank 0 only, that processes do not train together."""
    n = world_size()
    if n > 1 and process_rank() == 0:
        _warn(n)


@functools.cache  # once per process, not per trainer
def _warn(n: int) -> None:
    log.warning(
        "A launcher started %d processes (WORLD_SIZE=%d), but trainers do not work together yet: "
        "each process trains a model of its own on all the data it is given, and without the same "
        "seed the models differ; rank 0 alone writes weights, checkpoints and runs. Start the "
        "script once, without the launcher: python train.py. To train different models side by "
        "side, start each by itself, with a model_path of its own.",
        n,
        n,
    )


def _process_group() -> Any:
    """`torch.distributed`, if its process group is initialized."""
    distributed = sys.modules.get("torch.distributed")
    joined = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return distributed if joined else None


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else 0
