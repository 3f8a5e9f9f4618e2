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
    """The interface of loggers: three methods that do nothing by default.

    A trainer calls `log_hyperparams` once when training starts, `log_metrics` once per epoch, and
    `finish` once when training ends, also after an error. Override the methods you need. Trainers
    also accept objects that have these three methods without inheriting from this class; the other
    methods are optional.

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
            metrics: Metric name to value. Trainers pass plain floats.
            step: The position on the x-axis; trainers pass the epoch, from 0.
        """

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Record the settings of this run.

        Args:
            params: Name to value. Trainers pass plain data: numbers, strings, lists, dicts.
        """

    # Optional methods: a trainer calls them only if they exist, for records made on request

    def define_axis(self, axis: str, metrics: Sequence[str]) -> None:
        """Give metrics an x-axis of their own.

        Args:
            axis: The quantity that their steps count, for instance ``global_step``.
            metrics: The names of the metrics; called before any of them is logged.
        """

    def resume_at(self, step: int, others: Mapping[str, int]) -> None:
        """Continue a run: records at `step` and later are superseded.

        Args:
            step: The next step.
            others: The next step of each axis defined by `define_axis`.
        """

    def log_text(self, name: str, text: str, step: int) -> None:
        """Record a text."""

    def log_figure(self, name: str, figure: "Figure", step: int) -> None:
        """Record a matplotlib figure."""

    def log_histogram(
        self, name: str, counts: Sequence[int], edges: Sequence[float], step: int
    ) -> None:
        """Record a histogram: N counts of values between N + 1 edges."""

    def log_table(
        self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int
    ) -> None:
        """Record a table: the names of its columns, and rows of one cell per column."""

    def log_artifact(self, name: str, path: str, kind: str) -> None:
        """Store a file with the run; `kind` is ``model`` for a file of weights."""

    def log_lost(self, logger: str, error: str) -> None:
        """Called once when another logger of the run is switched off.

        Args:
            logger: The name of its class.
            error: Its last fault, in one line, without secrets.
        """

    def flush(self) -> None:
        """Write buffered records to the disk; called after each epoch."""

    def log_failure(self, error: BaseException) -> None:
        """Record that training failed with `error`; called just before `finish()`."""

    def finish(self) -> None:
        """Close the logger and release its resources. No other method is called afterwards."""

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
