"""Several loggers used as one, with the faults of each kept from training and from the others."""

import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from .logger import LoggerClosedError

log = logging.getLogger("torch_rechub.tracking")

_REQUIRED = ("log_metrics", "log_hyperparams", "finish")
_FAULTS_IN_A_ROW = 3


class LoggerGroup:
    """The loggers of one training run: fed in the order given, finished in reverse order.

    A logger that raises does not disturb training: the first fault is reported with the logger's
    name, after three in a row the logger gets no more records, and when the run ends one line says
    how many records were lost. Leaving the group finishes every logger once, whatever happened.

    Args:
        loggers: One logger or several: objects with the three methods of `BaseLogger`.

    Raises:
        TypeError: An object lacks one of the three methods.

    Example:
        >>> from torch_rechub.basic.tracking import BaseLogger
        >>> with LoggerGroup([BaseLogger(), BaseLogger()]) as group:
        ...     group.log_metrics({"val/auc": 0.7}, step=0)
        >>> LoggerGroup("runs")
        Traceback (most recent call last):
        ...
        TypeError: model_logger takes loggers, objects with the methods log_metrics, ...
    """

    def __init__(self, loggers: Any) -> None:
        single = not isinstance(loggers, Iterable) or isinstance(loggers, str)
        self._members = [_Member(logger) for logger in ([loggers] if single else loggers)]

    def __enter__(self) -> "LoggerGroup":
        for member in self._members:
            if getattr(member.logger, "closed", False):
                raise LoggerClosedError(
                    f"{member.name} was finished already, by an earlier fit() or by hand. "
                    "Create a new logger for each run."
                )
        return self

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Record the values of one step in every logger."""
        for member in self._members:
            member.feed("log_metrics", dict(metrics), step=step)

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Record the settings of the run in every logger."""
        for member in self._members:
            member.feed("log_hyperparams", dict(params))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with ExitStack() as last_in_first_out:
            for member in self._members:
                last_in_first_out.callback(member.finish, error)


class _Member:
    """One logger of a group, with the count of its faults."""

    def __init__(self, logger: Any) -> None:
        missing = [m for m in _REQUIRED if not callable(getattr(logger, m, None))]
        if missing or isinstance(logger, type):
            raise TypeError(
                f"model_logger takes loggers, objects with the methods {', '.join(_REQUIRED)}; "
                f"got {logger!r}" + (f", which lacks {', '.join(missing)}" if missing else "")
            )
        self.logger = logger
        self.name = type(logger).__name__
        self.faults_in_a_row = 0
        self.lost = 0

    def feed(self, method: str, *args: Any, **kwargs: Any) -> None:
        if self.faults_in_a_row >= _FAULTS_IN_A_ROW:
            self.lost += 1
        elif self._survive(method, getattr(self.logger, method), *args, **kwargs):
            self.faults_in_a_row = 0
        else:
            self.lost += 1
            self.faults_in_a_row += 1
            if self.faults_in_a_row == _FAULTS_IN_A_ROW:
                log.warning("%s failed %d times in a row: off.", self.name, _FAULTS_IN_A_ROW)

    def finish(self, error: BaseException | None) -> None:
        on_failure = getattr(self.logger, "log_failure", None)
        if error is not None and callable(on_failure):
            self._survive("log_failure", on_failure, error)
        self._survive("finish", self.logger.finish)
        if self.lost:
            log.warning("%s: %d records were lost in this run.", self.name, self.lost)

    def _survive(self, method: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
        try:
            call(*args, **kwargs)
        except Exception as error:
            if not self.lost:
                log.warning(
                    "%s failed in %s (%r); training and the other loggers go on.",
                    self.name,
                    method,
                    error,
                    exc_info=log.isEnabledFor(logging.DEBUG),
                )
            return False
        return True
