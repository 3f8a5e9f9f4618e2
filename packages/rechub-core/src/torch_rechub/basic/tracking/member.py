"""One logger among those of a run, its faults counted and kept from training."""

import logging
from collections.abc import Callable
from typing import Any, Literal

from .deadline import Deadline, NoAnswer, end_process_in_time
from .plugin import exit_code

log = logging.getLogger("torch_rechub.tracking")

OnError = Literal["report", "raise"]

_REQUIRED = ("log_metrics", "log_hyperparams", "finish")
_FAULTS_IN_A_ROW = 3


class Member:
    """A logger, fed and finished; a fault is reported once, three in a row switch it off.

    Args:
        logger: An object with the three methods of `BaseLogger`.
        on_error: "raise" raises its faults instead.
        timeout: Seconds after which a call counts as hanging, and the logger as lost; only where it
            says that it may be called from `any_thread`. None waits for ever.

    Raises:
        TypeError: It lacks one of the three methods.
    """

    def __init__(self, logger: Any, on_error: OnError, timeout: float | None) -> None:
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
        self._faults_in_a_row = 0
        self._lost = 0
        self._hangs = False

    def feed(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Call a method that records something."""
        if self._hangs or self._faults_in_a_row >= _FAULTS_IN_A_ROW:
            self._lost += 1
        elif self._survive(method, getattr(self.logger, method), *args, **kwargs):
            self._faults_in_a_row = 0
        else:
            self._lost += 1
            self._faults_in_a_row += 1
            if self._faults_in_a_row == _FAULTS_IN_A_ROW:
                log.warning("%s failed %d times in a row: off.", self.name, _FAULTS_IN_A_ROW)

    def offer(self, hook: str, *args: Any, **kwargs: Any) -> None:
        """Call a method that a logger need not have."""
        if callable(getattr(self.logger, hook, None)):
            self.feed(hook, *args, **kwargs)

    def finish(self, error: BaseException | None) -> None:
        """Tell the logger what the run died of, if it did, and close it."""
        self.raises = self.raises and error is None  # what training died of is what is raised
        on_failure = getattr(self.logger, "log_failure", None)
        try:
            if error is not None and callable(on_failure) and not self._hangs:
                self._survive("log_failure", on_failure, error)
            if not self._hangs:
                self._survive("finish", self.logger.finish)
        finally:
            if self._lost:
                log.warning("%s: %d records were lost in this run.", self.name, self._lost)
            if self._hangs and self.timeout is not None:
                end_process_in_time(self.timeout, exit_code(error))

    def _survive(self, method: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
        try:
            if self._within is None:
                call(*args, **kwargs)
            else:
                self._within(call, *args, **kwargs)
        except NoAnswer as error:
            self._hangs = True
            log.warning("%s hangs in %s (%s): off.%s", self.name, method, error, self._recovery())
            if self.raises:
                raise
            return False
        except Exception as error:
            if self.raises:
                raise
            if not self._lost:
                log.warning(
                    "%s failed in %s (%r); training and the other loggers go on.",
                    self.name,
                    method,
                    error,
                    exc_info=log.isEnabledFor(logging.DEBUG),
                )
            return False
        return True

    def _recovery(self) -> str:
        try:
            text = getattr(self.logger, "recovery", "")
        except Exception:  # of an SDK that does not answer either
            text = ""
        return f" {text}" if text else ""
