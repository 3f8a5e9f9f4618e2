"""SIGTERM, which job schedulers send before SIGKILL."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 128 + signal.SIGTERM  # the exit code of a process ended by SIGTERM, as reported by shells


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Raise SystemExit(143) on SIGTERM in the block, so that cleanup code runs.

    By default SIGTERM ends a process without running `finally` blocks. A handler installed by the
    user is kept, and only the main thread is affected, because Python runs handlers there. The
    previous handler is restored at the end.

    Example:
        >>> with sigterm_raises():
        ...     signal.raise_signal(signal.SIGTERM)
        Traceback (most recent call last):
        ...
        SystemExit: 143
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(STATUS)
