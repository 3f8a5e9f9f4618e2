"""`RunLogger`: the base class of the loggers of all trackers."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsInt, TypeVar

from ...distributed import process_rank
from .base import BaseLogger, LoggerClosedError
from .names import MetricNames
from .plain import plain_hyperparams, plain_metrics
from .redaction import redact
from .signals import SignalsDeferred
from .steps import whole_step
from .stored_files import check_storable
from .table_cells import Cell, plain_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("torch_rechub.tracking")

AnyRunLogger = TypeVar("AnyRunLogger", bound="RunLogger")


class RunLogger(BaseLogger):
    """A logger that owns one run of one tracker: the base class for new trackers.

    It handles everything that does not depend on the tracker: values become plain floats, steps
    become non-negative ints, hyper-parameters become plain data, secrets in them and in names and
    texts are redacted, `finish()` may be called twice, and any other call after it raises
    `LoggerClosedError`.

    A tracker opens its run in `__init__` (so that a missing key or package fails before training)
    and writes in three methods: `write_metrics`, `write_hyperparams`, `close`. The methods
    `write_text`, `write_figure`, `write_histogram`, `write_table` and `write_artifact` are
    optional.

    In distributed training only rank 0 opens a run: in the other processes `__init__` is not called
    and all methods do nothing.

    Trainers call the methods from threads other than the one that opened the run. A tracker that
    does not support this sets ``any_thread = False``; its calls then have no timeout.

    Example:
        A complete tracker that appends to a list:

        >>> class ListLogger(RunLogger):
        ...     def __init__(self, rows):
        ...         super().__init__()
        ...         self.rows = rows
        ...     def write_metrics(self, metrics, step):
        ...         self.rows.append((step, metrics))
        >>> rows = []
        >>> with ListLogger(rows) as logger:
        ...     logger.log_metrics({"test/auc": 0.5})
        >>> rows
        [(0, {'test/auc': 0.5})]
        >>> logger.log_metrics({"test/auc": 0.6})
        Traceback (most recent call last):
        ...
        torch_rechub.basic.tracking.base.LoggerClosedError: ListLogger was finished: ...
    """

    any_thread = True

    def __new__(cls: type[AnyRunLogger], *args: Any, **kwargs: Any) -> AnyRunLogger:
        """Create a logger without a run in processes of rank above 0."""
        rank = process_rank()
        if rank > 0 and not issubclass(cls, _WithoutRun):
            log.info("%s: rank %d opens no run; rank 0 does.", cls.__name__, rank)
            # Trackers open their run in __init__. A class in front whose __init__ does nothing
            # keeps that from running, and isinstance(logger, cls) still holds.
            cls = type(cls.__name__, (_WithoutRun, cls), {"__module__": cls.__module__})
        return object.__new__(cls)

    def __init__(self) -> None:
        self._closed = False
        self._process = os.getpid()
        self._next_step = 0
        self._metric_names = MetricNames()
        self._failure: BaseException | None = None

    @property
    def closed(self) -> bool:
        """Whether `finish()` was called, or the run belongs to another process."""
        return self._closed or self._process != os.getpid()

    @property
    def recovery(self) -> str:
        """Where the run's files are, and how to upload them if `finish` fails; may be empty.

        It is part of the message when the tracker hangs.
        """
        return ""

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Write metrics to the run; `metrics` is not empty, `step` is at least 0."""

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Write plain data (None, bool, int, float, str, list, dict) to the run."""

    def write_resume(self, step: int, others: dict[str, int]) -> None:
        """Mark the records at these steps and later as superseded, if the tracker can."""

    def write_text(self, name: str, text: str, step: int) -> None:
        """Write a text to the run, if the tracker stores texts; secrets are redacted already."""

    def write_figure(self, name: str, figure: "Figure", step: int) -> None:
        """Write a figure to the run, if the tracker stores images."""

    def write_histogram(self, name: str, counts: list[int], edges: list[float], step: int) -> None:
        """Write a histogram to the run, if the tracker stores histograms."""

    def write_table(self, name: str, columns: list[str], rows: list[list[Cell]], step: int) -> None:
        """Write a table to the run, if the tracker stores tables; its cells are plain data."""

    def write_artifact(self, name: str, path: str, kind: str) -> None:
        """Store a file with the run, if the tracker stores files."""

    def close(self, failure: BaseException | None) -> None:
        """Close the run; called once. `failure` is the exception that ended training, or None."""

    def log_metrics(self, metrics: Mapping[str, Any], step: SupportsInt | None = None) -> None:
        """Record values measured at one step.

        Args:
            metrics: Name to number: Python, NumPy, or a tensor of one element on any device.
                Nested dicts are flattened to ``outer/inner``. Other values are skipped, with one
                warning for each name.
            step: A non-negative integer below 2**62, of any of those types; None means the
                largest step so far + 1.

        Raises:
            LoggerClosedError: After `finish()`.
            ValueError: `step` is negative, too large or not integral.
        """
        self._require_open()
        number = whole_step(self._next_step if step is None else step)
        values = plain_metrics(metrics, self._metric_names)
        if values:
            self.write_metrics(values, number)
            self._next_step = max(self._next_step, number + 1)

    def log_hyperparams(self, params: Mapping[str, Any]) -> None:
        """Record settings; a later value of a name replaces an earlier one.

        Args:
            params: Name to value of any type, converted by `plain_hyperparams`.

        Raises:
            LoggerClosedError: After `finish()`.
        """
        self._require_open()
        self.write_hyperparams(plain_hyperparams(params))

    def resume_at(self, step: int, others: Mapping[str, int]) -> None:
        """Continue a run at `step`, and at the given steps of other axes."""
        self._require_open()
        self._next_step = whole_step(step)
        self.write_resume(self._next_step, {axis: int(at) for axis, at in others.items()})

    def log_text(self, name: str, text: str, step: int) -> None:
        """Record a text, with secrets redacted."""
        self._require_open()
        self.write_text(redact(name), redact(str(text)), whole_step(step))

    def log_figure(self, name: str, figure: "Figure", step: int) -> None:
        """Record a matplotlib figure."""
        self._require_open()
        self.write_figure(redact(name), figure, whole_step(step))

    def log_histogram(
        self, name: str, counts: Sequence[int], edges: Sequence[float], step: int
    ) -> None:
        """Record a histogram: N counts of values between N + 1 edges.

        Raises:
            ValueError: There are not N + 1 edges.
        """
        self._require_open()
        if len(edges) != len(counts) + 1:
            raise ValueError(f"{len(counts)} counts need one edge more, got {len(edges)}")
        whole, bounds = [int(count) for count in counts], [float(edge) for edge in edges]
        self.write_histogram(redact(name), whole, bounds, whole_step(step))

    def log_table(
        self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int
    ) -> None:
        """Record a table, with secrets redacted.

        Args:
            name: The name of the table.
            columns: The names of its columns.
            rows: Rows of one cell per column: numbers, texts, bools or None; of other values their
                text is recorded.
            step: The step.

        Raises:
            LoggerClosedError: After `finish()`.
            ValueError: A row has more or fewer cells than there are columns.
        """
        self._require_open()
        header, cells = plain_table(columns, rows)
        self.write_table(redact(name), header, cells, whole_step(step))

    def log_artifact(self, name: str, path: str, kind: str) -> None:
        """Store a file with the run.

        Raises:
            LoggerClosedError: After `finish()`.
            OSError: There is no such file, or it cannot be stored.
            ValueError: It is a pipe or a device.
        """
        self._require_open()
        check_storable(name, path)
        self.write_artifact(redact(name), path, redact(kind))

    def log_failure(self, error: BaseException) -> None:
        """Remember that training failed with `error`, so that `finish()` records a failed run."""
        self._failure = error

    def finish(self) -> None:
        """Close the run; a second call, or a call in a forked process, does nothing.

        Signals that arrive meanwhile are deferred until the run is closed.
        """
        if not self.closed:
            self._closed = True
            with SignalsDeferred(self._failure):
                self.close(self._failure)

    def __getstate__(self) -> dict[str, Any]:
        """A copy, for instance in another process, is closed: a run has one writer."""
        plain = {n: v for n, v in vars(self).items() if isinstance(v, str | int | None)}
        return {**plain, "_closed": True, "_failure": None}

    def _require_open(self) -> None:
        if self.closed and not self._closed:
            raise LoggerClosedError(
                f"{type(self).__name__} was opened in another process, which alone writes to its "
                "run. Create a logger in the process that trains."
            )
        if self._closed:
            raise LoggerClosedError(
                f"{type(self).__name__} was finished: fit() closes the loggers it was given. "
                "Create a new logger for what comes after, or keep this one out of the trainer "
                "and call finish() yourself."
            )


class _WithoutRun(RunLogger):
    """Placed before a tracker's class in processes without a run: all hooks do nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        RunLogger.__init__(self)

    @property
    def recovery(self) -> str:
        return ""

    def define_axis(self, axis: str, metrics: Sequence[str]) -> None:
        pass

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        pass

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        pass

    def write_resume(self, step: int, others: dict[str, int]) -> None:
        pass

    def write_text(self, name: str, text: str, step: int) -> None:
        pass

    def write_figure(self, name: str, figure: "Figure", step: int) -> None:
        pass

    def write_histogram(self, name: str, counts: list[int], edges: list[float], step: int) -> None:
        pass

    def write_table(self, name: str, columns: list[str], rows: list[list[Cell]], step: int) -> None:
        pass

    def write_artifact(self, name: str, path: str, kind: str) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self, failure: BaseException | None) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{type(self).__name__} has no {name!r} here: several processes train together, and "
            f"only rank 0 opens a run; this is rank {process_rank()}"
        )
