"""Signals that arrive while loggers work: whose errors they raise, and when they may."""

import logging
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

from .plugin import failure_text

log = logging.getLogger("torch_rechub.tracking")

PATIENCE = 10.0  # seconds that a signal waits: what the shortest of schedulers leave


def raised_by_signal(error: BaseException) -> bool:
    """Whether the handler of a signal raised `error`, in whatever code the signal met.

    Python hands a handler the frame that it interrupts, and no other function has that.
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
    """In this block SIGINT and SIGTERM wait for its end, so that what it closes is closed.

    A second signal is not kept waiting, nor is one that has waited ten seconds: both interrupt
    whatever hangs. Signals that are ignored stay so. Only the main thread handles signals; in any
    other one nothing changes.

    Args:
        error: What the run died of, if it did. An interruption is not replaced by a later one.

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
                    log.warning("The run had died of: %s", failure_text(self._error))
                raise

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._waits is None:
            self._waits = number
            self._timer = threading.Timer(PATIENCE, _send_to_main_thread, [number])
            self._timer.daemon = True
            with suppress(RuntimeError):  # no thread is to be had
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
        signal.pthread_kill(main, number)  # which interrupts what it waits for
    else:
        signal.raise_signal(number)
