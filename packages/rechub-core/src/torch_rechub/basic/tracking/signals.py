"""Signals that arrive during calls of loggers: attribution of exceptions, and deferral."""

import logging
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

from .plugin import failure_text

log = logging.getLogger("torch_rechub.tracking")

PATIENCE = 10.0  # seconds; cluster schedulers allow at least this between SIGTERM and SIGKILL


def raised_by_signal(error: BaseException) -> bool:
    """Whether a signal handler raised `error`, in whichever code the signal interrupted.

    Python passes the interrupted frame to a handler. No other function receives its caller's frame,
    so a frame of the traceback that holds the frame below it is that of a handler.
    """
    outer = error.__traceback__
    while outer is not None and (inner := outer.tb_next) is not None:
        values = inner.tb_frame.f_locals.values()
        arguments = [v for value in values for v in (value if type(value) is tuple else (value,))]
        if any(argument is outer.tb_frame for argument in arguments):
            return True
        outer = inner
    return False


class SignalsDeferred:
    """Defers SIGINT and SIGTERM to the end of the block, so that it can close loggers.

    A second signal, and one that has waited ten seconds, interrupt the block, which may hang.
    Ignored signals stay ignored. Python runs handlers in the main thread only, so the block has no
    effect in other threads.

    Args:
        error: The exception that ended training, or None. A deferred signal does not replace an
            earlier interruption.

    Example:
        >>> before = signal.signal(signal.SIGINT, lambda *_: print("interrupted"))
        >>> with SignalsDeferred(None):
        ...     signal.raise_signal(signal.SIGINT)
        ...     print("closed")
        closed
        interrupted
        >>> _ = signal.signal(signal.SIGINT, before)
    """

    def __init__(self, error: BaseException | None) -> None:
        self._error = error
        self._before: dict[int, Any] = {}
        self._waits: int | None = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            deferred = isinstance(getattr(handler, "__self__", None), SignalsDeferred)
            if not deferred and handler not in (None, signal.SIG_IGN):
                self._before[number] = handler
                signal.signal(number, self._arrived)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._put_back()
        if self._waits is None:
            return
        try:
            _handle(self._waits, self._before[self._waits], None)
        except BaseException:
            if self._error is None or isinstance(self._error, Exception):
                if self._error is not None:
                    log.warning("Training had already failed with: %s", failure_text(self._error))
                raise

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._waits is None:
            self._waits = number
            self._timer = threading.Timer(PATIENCE, _send_to_main_thread, [number])
            self._timer.daemon = True
            with suppress(RuntimeError):  # no thread can be started
                self._timer.start()
            return
        self._waits = None
        self._put_back()
        _handle(number, self._before[number], frame)

    def _put_back(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for number, handler in self._before.items():
            if getattr(signal.getsignal(number), "__self__", None) is self:
                signal.signal(number, handler)


def _handle(number: int, handler: Any, frame: FrameType | None) -> None:
    if callable(handler):
        handler(number, frame)
    else:
        signal.raise_signal(number)


def _send_to_main_thread(number: int) -> None:
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, number)  # interrupts a blocking call of the main thread
    else:
        signal.raise_signal(number)
