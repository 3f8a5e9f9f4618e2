"""Which of several processes of one training this is; torch is asked only where it is in use."""

import functools
import logging
import os
import sys
from typing import Any

log = logging.getLogger("torch_rechub")


def world_size() -> int:
    """How many processes were started together; 1 where none but this one was.

    Told by ``torch.distributed`` once it is initialized, before that by ``WORLD_SIZE``, which
    launchers such as ``torchrun`` set.

    Example:
        >>> world_size()
        1
    """
    group = _process_group()
    return max(1, _number("WORLD_SIZE") if group is None else int(group.get_world_size()))


def process_rank() -> int:
    """This process's number among those that were started together; 0 when it is alone.

    Told by ``torch.distributed`` once it is initialized, before that by the environment variables
    that launchers set: ``RANK``, or else ``LOCAL_RANK`` with ``NODE_RANK``. Without ``WORLD_SIZE``
    above 1 they say nothing.

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
    """Warn, once and in the first process alone, that processes do not train together."""
    n = world_size()
    if n > 1 and process_rank() == 0:
        _warn(n)


@functools.cache  # a trainer after the first says nothing
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
    """`torch.distributed`, where processes have joined."""
    distributed = sys.modules.get("torch.distributed")
    joined = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return distributed if joined else None


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else 0
