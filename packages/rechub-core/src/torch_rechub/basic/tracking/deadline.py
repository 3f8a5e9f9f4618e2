"""Calls that may hang: given up after a time, then and when the process ends."""

import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..._streams import StandardStream


class NoAnswer(TimeoutError):
    """A call was given up."""


class Deadline:
    """Makes calls, one at a time, and waits for each no longer than `seconds`.

    Each call runs in a thread of its own, with the context variables of the caller, so that one
    that never returns can be left behind. Its error is raised as if it had been called here. Where
    the system has no more threads, the call is made here, unguarded.

    Args:
        seconds: The longest wait; what is beyond `threading.TIMEOUT_MAX`, infinity among it, is
            as long as that: centuries.

    Example:
        >>> Deadline(5.0)(print, "done")
        done
        >>> import time
        >>> Deadline(0.01)(time.sleep, 0.5)
        Traceback (most recent call last):
        ...
        torch_rechub.basic.tracking.deadline.NoAnswer: no answer for 0.01 s
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = float(min(seconds, threading.TIMEOUT_MAX))
        self._running: threading.Thread | None = None

    def __call__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call `call`.

        Raises:
            NoAnswer: Neither it nor a call before it, which Ctrl-C cut short, has returned.
        """
        self._wait()  # Ctrl-C ends the wait for a call, not the call
        errors: list[BaseException] = []

        def run() -> None:
            try:
                call(*args, **kwargs)
            except BaseException as error:
                errors.append(error)

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(run,), daemon=True)
        self._running = thread
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left: the record counts for more
            run()
        self._wait()
        if errors:
            raise errors[0]

    def _wait(self) -> None:
        if self._running is None or self._running.ident is None:  # which never started
            return
        self._running.join(self.seconds)
        if self._running.is_alive():
            raise NoAnswer(f"no answer for {self.seconds:g} s")
        self._running = None


def end_process_in_time(seconds: float, error: BaseException | None) -> None:
    """Let this process end no later than `seconds` after its main thread, whoever hangs then.

    An SDK that hangs does so again in what it registered for the end of the process. Call this
    once something was left behind; a process that ends by itself does not notice.

    Args:
        seconds: How long the end may take.
        error: What the run died of, if it did; it gives the exit status, unless the process dies of
            another uncaught exception.
    """
    stderr = StandardStream("stderr")

    def watch() -> None:
        threading.main_thread().join()
        # this thread, a daemon, dies with the process if that ends before
        time.sleep(min(seconds, threading.TIMEOUT_MAX))
        stderr.write(f"torch_rechub: a tracker still hangs after {seconds:g} s: exit\n")
        stderr.flush()
        StandardStream("stdout").flush()
        os._exit(exit_status(getattr(sys, "last_value", None) or error))

    with suppress(RuntimeError):  # no thread is to be had
        threading.Thread(target=watch, name="torch_rechub-exit", daemon=True).start()


def exit_status(error: BaseException | None) -> int:
    """The exit code of a process that dies of `error`, or of nothing.

    Example:
        >>> [exit_status(e) for e in (None, ValueError(), KeyboardInterrupt(), SystemExit(3))]
        [0, 1, 130, 3]
    """
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        code = error.code
        return 0 if code is None else code & 0xFF if isinstance(code, int) else 1
    return 130 if isinstance(error, KeyboardInterrupt) else 1
