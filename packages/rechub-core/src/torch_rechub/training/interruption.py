"""Being told to stop by the system: SIGTERM, which job schedulers send before they kill."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 128 + signal.SIGTERM  # what a shell reports of a process that SIGTERM ended


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """In this block SIGTERM raises SystemExit(143), so that what is open is closed on the way out.

    A handler that somebody else installed is left alone; so are threads but the main one, where
    Python handles no signals. Afterwards SIGTERM does again what it did before.

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
