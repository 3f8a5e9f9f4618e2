"""Several loggers used as one, with the faults of each kept from training and from the others."""

from collections.abc import Iterable
from contextlib import ExitStack
from numbers import Real
from types import TracebackType
from typing import Any

from .member import Member, OnError
from .plain import plain_hyperparams
from .signals import SignalsDeferred


class LoggerGroup:
    """The loggers of one training run: fed in the order given, finished in reverse order.

    A trainer makes one of the loggers it is given, or takes the one it is given.

    A logger that raises, or calls `sys.exit`, does not disturb training: the first fault is
    reported with the logger's name, after three in a row the logger gets no more records, and when
    the run ends one line says how many records were lost. A logger that does not return from a call
    is left behind after `timeout`, which a run pays once for it; should it hold up the end of the
    process as well, that is given as long again. Leaving the group finishes every other logger
    once, whatever happened; a signal that arrives meanwhile waits for that, as `SignalsDeferred`
    says. A process that is forked writes to no run that was open.

    Args:
        loggers: One logger or several: objects with the three methods of `BaseLogger`.
        on_error: "report", or "raise" to end training by the first fault of a logger. What training
            itself died of is never replaced.
        timeout: Seconds after which a logger hangs, as far as it can be guarded (`any_thread` of
            `BaseLogger`); to finish counts too, uploads of an online run among it. None waits, and
            so does infinity.

    Raises:
        TypeError: An object lacks one of the three methods, or `timeout` is no number.
        ValueError: `on_error` or `timeout` is none of these, or one logger is given twice.

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
        self._members = [Member(logger, on_error, timeout) for logger in given]

    @classmethod
    def of(cls, loggers: Any) -> "LoggerGroup":
        """The given loggers as a group; a group as it is."""
        return loggers if isinstance(loggers, cls) else cls(loggers)

    def __enter__(self) -> "LoggerGroup":
        for member in self._members:
            member.begin()
        return self

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Record the values of one step in every logger."""
        for member in self._members:
            member.feed("log_metrics", dict(metrics), step=step)

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Record the settings of the run in every logger, as plain data without secrets."""
        plain = plain_hyperparams(params)
        for member in self._members:
            member.feed("log_hyperparams", dict(plain))

    def offer(self, hook: str, *args: Any, **kwargs: Any) -> None:
        """Call an optional method of `BaseLogger` in every logger that has it."""
        for member in self._members:
            member.offer(hook, *args, **kwargs)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
