"""SIGTERM, which job schedulers send before SIGKILL."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_AGAIN = 0.02  # seconds

STATUS = 128 + signal.SIGTERM  # the exit code of a process ended by SIGTERM, as reported by shells


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Raise SystemExit(143) on SIGTERM in the block, so that cleanup code runs.

    By default SIGTERM ends a process without running `finally` blocks. A handler installed by the
    user is kept, and only the main thread is affected, because Python runs handlers there. The
    previous handler is restored at the end.

    Python ignores exceptions in finalizers and during a fork, and the workers of a loader cause
    both in each epoch. There the signal is sent again, because schedulers send one only.

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
    stop = _Stop(sys.unraisablehook)
    ignored = stop.ignored
    sys.unraisablehook = ignored
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if sys.unraisablehook is ignored:
            sys.unraisablehook = stop.hook


class _Stop:
    """The handler of the signal, and of its exception where Python ignores it.

    Args:
        hook: The hook for other exceptions that are ignored.
    """

    def __init__(self, hook: Any) -> None:
        self.hook = hook
        self.raised: SystemExit | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.raised = SystemExit(STATUS)
        raise self.raised

    def ignored(self, unraisable: Any) -> None:
        """Send the signal again if its exception is the one that is ignored."""
        if self.raised is None or unraisable.exc_value is not self.raised:
            self.hook(unraisable)
            return
        again = threading.Timer(_AGAIN, os.kill, [os.getpid(), signal.SIGTERM])
        again.daemon = True
        again.start()
