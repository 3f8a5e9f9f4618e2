"""A group of loggers; a fault of one affects neither training nor the others."""

from collections.abc import Iterable
from contextlib import ExitStack
from numbers import Real
from types import TracebackType
from typing import Any

from .member import Member, OnError
from .plain import plain_hyperparams
from .signals import SignalsDeferred


class LoggerGroup:
    """The loggers of one training run, called in the order given and finished in reverse order.

    A trainer creates a group of its loggers, or uses the group it is given.

    A logger that raises or calls `sys.exit` does not interrupt training: the first fault is
    reported with the logger's name, after three in a row the logger is switched off, and at the end
    of the run one message gives the number of lost records. A logger whose call does not return
    within `timeout` is switched off, so a run waits for it once; if it also blocks the end of the
    process, the process ends after another `timeout`. The others are informed of a logger that was
    switched off, by `log_lost`. Leaving the group finishes each of the other
    loggers once, also after an error; signals that arrive meanwhile are deferred, see
    `SignalsDeferred`. A forked process does not write to the runs of its parent.

    Args:
        loggers: One logger or several: objects with the three methods of `BaseLogger`.
        on_error: "report", or "raise" to end training at the first fault of a logger. An exception
            of training itself is never replaced.
        timeout: Seconds after which a call counts as hanging, `finish` with its uploads included;
            only for loggers that may be called from any thread (`any_thread` of `RunLogger`). None
            and infinity wait without a limit.

    Raises:
        TypeError: An object lacks one of the three methods, or `timeout` is not a number.
        ValueError: `on_error` or `timeout` is out of range, or one logger is given twice.

    Example:
        >>> from torch_rechub.basic.tracking import BaseLogger
        >>> with LoggerGroup([BaseLogger(), BaseLogger()], timeout=30) as group:
        ...     group.log_metrics({"val/auc": 0.7}, step=0)
        >>> LoggerGroup("runs")
        Traceback (most recent call last):
        ...
        TypeError: model_logger takes loggers, objects with the methods log_metrics, ...
    """

    def __init__(
        self, loggers: Any, *, on_error: OnError = "report", timeout: float | None = 120.0
    ) -> None:
        if on_error not in ("report", "raise"):
            raise ValueError(f"on_error must be 'report' or 'raise', got {on_error!r}")
        _check_timeout(timeout)
        single = not isinstance(loggers, Iterable) or isinstance(loggers, str)
        given = [loggers] if single else list(loggers)
        for i, logger in enumerate(given):
            if any(logger is other for other in given[:i]):
                raise ValueError(
                    f"model_logger holds the same {type(logger).__name__} twice, which would "
                    "record each value twice: give it once"
                )
        self._members = [Member(logger, on_error, timeout, self._report_lost) for logger in given]

    @classmethod
    def of(cls, loggers: Any) -> "LoggerGroup":
        """Return a group of the given loggers; a group is returned unchanged."""
        return loggers if isinstance(loggers, cls) else cls(loggers)

    def __enter__(self) -> "LoggerGroup":
        for member in self._members:
            member.begin()
        return self

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Record the values of one step in every logger."""
        for member in self._members:
            member.record("log_metrics", dict(metrics), step=step)

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Record the settings of the run in every logger, as plain data without secrets."""
        plain = plain_hyperparams(params)
        for member in self._members:
            member.record("log_hyperparams", dict(plain))

    def offer(self, hook: str, *args: Any, **kwargs: Any) -> None:
        """Call an optional method of `BaseLogger` in every logger that has it."""
        for member in self._members:
            member.offer(hook, *args, **kwargs)

    def _report_lost(self, lost: Member, error: str) -> None:
        for member in self._members:
            if member is not lost and not member.finished:
                member.offer("log_lost", lost.name, error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # ExitStack calls every callback, even if an earlier one raises, such as on a second Ctrl-C
        with SignalsDeferred(error), ExitStack() as last_in_first_out:
            for member in self._members:
                last_in_first_out.callback(member.finish, error)


def _check_timeout(timeout: Any) -> None:
    if timeout is None:
        return
    a_number = isinstance(timeout, Real) and not isinstance(timeout, bool)
    if not a_number:
        raise TypeError(f"timeout must be a number of seconds, or None, got {timeout!r}")
    if not timeout > 0:
        raise ValueError(f"timeout must be above 0 seconds, or None, got {timeout!r}")
