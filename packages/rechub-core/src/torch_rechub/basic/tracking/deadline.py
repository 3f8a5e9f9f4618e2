"""Calls that may hang: given up after a time, then and when the process ends."""

import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from .plugin import exit_code


class NoAnswer(TimeoutError):
    """A call was given up."""


class Deadline:
    """Makes calls, one at a time, and waits for each no longer than `seconds`.

    Each call runs in a thread of its own, with the context variables of the caller, so that one
    that never returns can be left behind. Its error is raised as if it had been called here.

    Args:
        seconds: The longest wait.

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
        self.seconds = seconds
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
        self._running = threading.Thread(target=context.run, args=(run,), daemon=True)
        self._running.start()
        self._wait()
        if errors:
            raise errors[0]

    def _wait(self) -> None:
        if self._running is None:
            return
        self._running.join(self.seconds)
        if self._running.is_alive():
            raise NoAnswer(f"no answer for {self.seconds:g} s")
        self._running = None


def end_process_in_time(seconds: float, status: int) -> None:
    """Let this process end no later than `seconds` after its main thread, whoever hangs then.

    An SDK that hangs does so again in what it registered for the end of the process. Call this
    once something was left behind; a process that ends by itself does not notice.

    Args:
        seconds: How long the end may take.
        status: The exit status then, where the process does not die of an exception.
    """

    def watch() -> None:
        threading.main_thread().join()
        time.sleep(seconds)  # this thread, a daemon, dies with the process if that ends before
        error = getattr(sys, "last_value", None)
        sys.stderr.write(f"torch_rechub: a tracker still hangs after {seconds:g} s: exit\n")
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(status if error is None else exit_code(error))

    threading.Thread(target=watch, name="torch_rechub-exit", daemon=True).start()
