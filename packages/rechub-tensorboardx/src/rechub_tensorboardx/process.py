"""Protects settings of the process that tensorboardX changes."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager

_CHECKSUMS = "CRC32C_SW_MODE"


@contextmanager
def process_left_alone() -> Iterator[None]:
    """Restore the process after a block in which tensorboardX is imported or opens a file.

    Its queue fixes the start method of processes, so that `multiprocessing.set_start_method` would
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
