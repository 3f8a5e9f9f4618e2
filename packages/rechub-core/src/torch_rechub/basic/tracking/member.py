"""One logger of a run, with its faults counted and kept away from training."""

import logging
import os
from collections.abc import Callable
from typing import Any, Literal

from ..._streams import usable_streams
from .base import LoggerClosedError
from .deadline import Deadline, NoAnswer, end_process_in_time
from .foreign import error_text
from .signals import raised_by_signal

log = logging.getLogger("torch_rechub.tracking")

OnError = Literal["report", "raise"]

_REQUIRED = ("log_metrics", "log_hyperparams", "finish")
_FAULTS_IN_A_ROW = 3


class Member:
    """A logger of a group; its first fault is reported, three in a row switch it off.

    Args:
        logger: An object with the three methods of `BaseLogger`.
        on_error: "report", or "raise" to raise its faults.
        timeout: Seconds after which a call counts as hanging and the logger is switched off; only
            if the logger sets `any_thread`. None waits without a limit.
        on_lost: Called once when the logger is switched off, with the member and the error.

    Attributes:
        finished: Whether `finish` was called.

    Raises:
        TypeError: The logger lacks one of the three methods.
    """

    def __init__(
        self,
        logger: Any,
        on_error: OnError,
        timeout: float | None,
        on_lost: "Callable[[Member, str], None]",
    ) -> None:
        missing = [m for m in _REQUIRED if not callable(getattr(logger, m, None))]
        if missing or isinstance(logger, type):
            raise TypeError(
                f"model_logger takes loggers, objects with the methods {', '.join(_REQUIRED)}; "
                f"got {logger!r}" + (f", which lacks {', '.join(missing)}" if missing else "")
            )
        self.logger = logger
        self.name = type(logger).__name__
        self.raises = on_error == "raise"
        self.timeout = timeout if getattr(logger, "any_thread", False) else None
        self._within = None if self.timeout is None else Deadline(self.timeout)
        self._process = os.getpid()
        self._faults_in_a_row = 0
        self._lost = 0
        self._hangs = False
        self.finished = False
        self._error = ""
        self._on_lost = on_lost

    def begin(self) -> None:
        """Bind the logger to this process: processes forked later do not write to it.

        Raises:
            LoggerClosedError: The logger was finished before, or opened in another process.
        """
        self._process = os.getpid()
        self.finished = False
        if self._look_up("closed"):
            raise LoggerClosedError(
                f"{self.name} was finished already, by an earlier fit() or by hand, or was opened "
                "in another process. Create a new logger for each run, in the process that trains."
            )

    def record(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Call a method of the logger, or count a lost record if it is switched off."""
        if self._process != os.getpid():
            return
        if self._hangs or self._faults_in_a_row >= _FAULTS_IN_A_ROW:
            self._lost += 1
        elif self._survive(method, *args, **kwargs):
            self._faults_in_a_row = 0
        else:
            self._lost += 1
            self._faults_in_a_row += 1
            if self._faults_in_a_row == _FAULTS_IN_A_ROW:
                _warn("%s failed %d times in a row: off.", self.name, _FAULTS_IN_A_ROW)
                self._on_lost(self, self._error)

    def offer(self, hook: str, *args: Any, **kwargs: Any) -> None:
        """Call an optional method, if the logger has it."""
        if callable(self._look_up(hook)):
            self.record(hook, *args, **kwargs)

    def finish(self, error: BaseException | None) -> None:
        """Report the exception that ended training, if any, and close the logger."""
        if self._process != os.getpid():
            return
        self.finished = True
        # a fault of a logger must not replace the exception that ended training
        self.raises = self.raises and error is None
        try:
            if error is not None and callable(self._look_up("log_failure")) and not self._hangs:
                self._survive("log_failure", error)
            if not self._hangs:
                self._survive("finish")
        finally:
            if self._lost:
                _warn("%s: %d records were lost in this run.", self.name, self._lost)
            if self._hangs and self.timeout is not None:
                end_process_in_time(self.timeout, error)

    def _look_up(self, name: str) -> Any:
        try:
            return getattr(self.logger, name, None)
        except BaseException as error:  # a property or __getattr__ of the logger may raise anything
            if isinstance(error, KeyboardInterrupt) or raised_by_signal(error):
                raise
            return None

    def _survive(self, method: str, *args: Any, **kwargs: Any) -> bool:
        try:
            call = getattr(self.logger, method)
            if self._within is None:
                call(*args, **kwargs)
            else:
                self._within(call, *args, **kwargs)
        except NoAnswer as error:
            self._hangs = True
            _warn("%s hangs in %s (%s): off.%s", self.name, method, error, self._recovery())
            self._on_lost(self, f"{method}: {error}")
            if self.raises:
                raise
            return False
        except BaseException as error:
            # BaseException, because SDKs also call sys.exit. But Ctrl-C, and an exception that a
            # signal handler raises, are meant for training, not for the logger they happened to
            # interrupt.
            if isinstance(error, KeyboardInterrupt) or raised_by_signal(error):
                raise
            self._error = text = error_text(error, repr)
            if self.raises and isinstance(error, Exception):
                raise
            if self.raises:
                raise RuntimeError(f"{self.name} raised {text} in {method}") from error
            if not self._lost:
                _warn(
                    "%s failed in %s (%s); training and the other loggers go on.",
                    self.name,
                    method,
                    text,
                    exc_info=log.isEnabledFor(logging.DEBUG),
                )
            return False
        return True

    def _recovery(self) -> str:
        text = self._look_up("recovery")
        return f" {text}" if text else ""


def _warn(message: str, *args: object, exc_info: bool = False) -> None:
    with usable_streams():  # a warning on a closed or broken stream must not raise itself
        log.warning(message, *args, exc_info=exc_info)
