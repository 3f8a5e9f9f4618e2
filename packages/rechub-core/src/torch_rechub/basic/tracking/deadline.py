"""Timeouts for calls that may hang, while training and when the process ends."""

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
    """A call did not return within its deadline."""


class Deadline:
    """Makes calls, one at a time, and waits at most `seconds` for each.

    Python cannot interrupt a call that blocks in C code, but it can stop waiting for a thread. So
    each call runs in a daemon thread, with the context variables of the caller; its exception is
    raised in the caller. If no thread can be started, the call runs in the caller, unguarded.

    Args:
        seconds: The longest wait; larger values than `threading.TIMEOUT_MAX`, such as infinity,
            are reduced to it (centuries).

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
        """Call `call` with the arguments, and wait for it.

        Raises:
            NoAnswer: The call, or an earlier one whose wait Ctrl-C interrupted, has not returned.
        """
        # Ctrl-C interrupts the wait, not the call: a logger must not be called twice at the same
        # time
        self._wait()
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
        except RuntimeError:  # no thread can be started: record unguarded
            run()
        self._wait()
        if errors:
            raise errors[0]

    def _wait(self) -> None:
        if self._running is None or self._running.ident is None:  # no call, or never started
            return
        self._running.join(self.seconds)
        if self._running.is_alive():
            raise NoAnswer(f"no answer for {self.seconds:g} s")
        self._running = None


def end_process_in_time(seconds: float, error: BaseException | None) -> None:
    """End this process at most `seconds` after its main thread, even if an exit handler hangs.

    An SDK that hangs during training usually hangs again in its atexit handlers or non-daemon
    threads. Call this once a call has missed its deadline; it does not affect a process that ends
    in time.

    Args:
        seconds: The longest time from the end of the main thread to the end of the process.
        error: The exception that ended training, or None; it determines the exit status, unless
            the process ends with another uncaught exception.
    """
    stderr = StandardStream("stderr")

    def watch() -> None:
        threading.main_thread().join()
        # a daemon thread: if the process ends in time, the sleep ends with it
        time.sleep(min(seconds, threading.TIMEOUT_MAX))
        stderr.write(f"torch_rechub: a tracker still hangs after {seconds:g} s: exit\n")
        stderr.flush()
        StandardStream("stdout").flush()
        # sys.exit would only end this thread, and run the handlers that hang
        os._exit(exit_status(getattr(sys, "last_value", None) or error))

    with suppress(RuntimeError):  # no thread can be started
        threading.Thread(target=watch, name="torch_rechub-exit", daemon=True).start()


def exit_status(error: BaseException | None) -> int:
    """The exit code of a process that ends with `error`, or without one.

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
