"""Which of several processes of one training this is; torch is asked only where it is in use."""

import os
import sys


def process_rank() -> int:
    """This process's number among those that train together; 0 when it trains alone.

    Told by ``torch.distributed`` once it is initialised, before that by the environment variables
    that launchers such as ``torchrun`` set: ``WORLD_SIZE`` above 1, and ``RANK``, or else
    ``LOCAL_RANK`` with ``NODE_RANK``. Any of them without ``WORLD_SIZE`` says nothing.

    Example:
        >>> process_rank()
        0
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    if _number("WORLD_SIZE") <= 1:
        return 0
    if "RANK" in os.environ:
        return _number("RANK")
    return max(_number("LOCAL_RANK"), _number("NODE_RANK"))


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else 0
