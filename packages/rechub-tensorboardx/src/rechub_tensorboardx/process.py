"""Leaving the process as it was: tensorboardX changes settings of the process it is used in."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager

_CHECKSUMS = "CRC32C_SW_MODE"


@contextmanager
def process_left_alone() -> Iterator[None]:
    """In this block tensorboardX is imported or opens a file; afterwards the process is as before.

    Its queue settles how processes are started, so that `multiprocessing.set_start_method` would
    raise from then on, and its import sets an environment variable.
    """
    method, checksums = multiprocessing.get_start_method(allow_none=True), os.getenv(_CHECKSUMS)
    try:
        yield
    finally:
        if not method:
            multiprocessing.set_start_method(None, force=True)
        if checksums is None:
            os.environ.pop(_CHECKSUMS, None)
