"""`BaseLogger`, the interface of loggers."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AnyLogger = TypeVar("AnyLogger", bound="BaseLogger")


class LoggerClosedError(RuntimeError):
    """A logger was used after `finish()`."""


class BaseLogger:
    """Where a trainer sends what it measures: three methods, all doing nothing by default.

    A trainer calls `log_hyperparams` once when training starts, `log_metrics` once an epoch, and
    `finish` once when training ends, however it ends. Override what you need. An object that has
    these three methods without this base class is accepted by the trainers too; the additional ones
    are optional.

    Example:
        >>> class PrintLogger(BaseLogger):
        ...     def log_metrics(self, metrics, step=None):
        ...         print(step, metrics)
        >>> PrintLogger().log_metrics({"val/auc": 0.75}, step=0)
        0 {'val/auc': 0.75}
    """

    any_thread: bool = False
    """Whether any thread may call the methods, one call at a time. Trainers then make each call in
    a thread of its own, so that one that hangs can be left behind."""

    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Record values measured at one step.

        Args:
            metrics: Name to number. A trainer passes plain floats.
            step: Where on the x-axis the values belong; trainers pass the epoch, counted from 0.
        """

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Record the settings of this run.

        Args:
            params: Name to value. A trainer passes plain data: numbers, text, lists, dicts.
        """

    # What a trainer calls only if it is there, for what is recorded on request

    def define_axis(self, axis: str, metrics: Sequence[str]) -> None:
        """Learn that the steps of these metrics count something else than those of the others.

        Args:
            axis: What they count, for instance ``global_step``.
            metrics: The names of the metrics; called before any of them is logged.
        """

    def resume_at(self, step: int, others: Mapping[str, int]) -> None:
        """Learn that training goes on: what was recorded from there on is superseded.

        Args:
            step: The next step.
            others: The next step of each axis that was defined.
        """

    def log_text(self, name: str, text: str, step: int) -> None:
        """Record a text."""

    def log_figure(self, name: str, figure: "Figure", step: int) -> None:
        """Record a picture: a figure of matplotlib."""

    def log_histogram(
        self, name: str, counts: Sequence[int], edges: Sequence[float], step: int
    ) -> None:
        """Record how many values lie between one edge and the next; there is one edge more."""

    def log_artifact(self, name: str, path: str, kind: str) -> None:
        """Keep a file, for instance one of weights, whose `kind` is ``model``."""

    def flush(self) -> None:
        """Bring what was logged to the disk; called when an epoch is recorded."""

    def log_failure(self, error: BaseException) -> None:
        """Learn that the run died of `error`; called just before `finish()`."""

    def finish(self) -> None:
        """Close the logger and release what it holds. No other method is called afterwards."""

    def __enter__(self: AnyLogger) -> AnyLogger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.log_failure(error)
        self.finish()
