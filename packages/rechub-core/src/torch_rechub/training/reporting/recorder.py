"""The recorder: passes the records of a training run to loggers."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from ...basic.tracking import LoggerGroup
from ..device_loader import DeviceLoader
from ..examples import ExampleTable, Outcome
from ..recording import Recording
from ..settings import Settings
from .embedding_stats import EmbeddingStats
from .plots import calibration, confusion, roc, task_weights
from .system_load import SystemLoad
from .values_of_test import ValuesOfTest

log = logging.getLogger("torch_rechub")

STEP_AXIS = "global_step"
_NOT_METRICS = ("epoch", "seconds")

Labeled = tuple[NDArray[Any], NDArray[Any]]


class NoRecorder:
    """The recorder of a trainer without a logger: nothing is computed for it, and nothing recorded.

    Attributes:
        loggers: Finishes the loggers when the block of `with` ends.
    """

    def __init__(self) -> None:
        self.loggers: AbstractContextManager[Any] = nullcontext()

    def step_listeners(self) -> list[Any]:
        """The methods to call after each step."""
        return []

    def begin(
        self,
        hyperparams: Callable[[], dict[str, Any]],
        history: Sequence[Mapping[str, float]],
        steps: int,
        loss_names: Sequence[str],
        resume: bool,
    ) -> None:
        """Called before the first epoch."""

    def on_epoch_end(self, row: Mapping[str, float]) -> None:
        """Called after each epoch."""

    def tested(self, test: Callable[[Any], dict[str, float]], data: Any) -> dict[str, float]:
        """Call a function that tests the best weights on data, if any; return its metrics."""
        return {} if data is None else test(data)

    def end(
        self,
        test_metrics: Mapping[str, float],
        weights: Path,
        outcome: Outcome,
    ) -> None:
        """Called when training has ended."""


class Recorder(NoRecorder):
    """Records a training run: settings, epochs, and additional records on request.

    Args:
        loggers: The loggers.
        recording: The additional records.
        model: The model being trained.
        batches: The device loader.
    """

    loggers: LoggerGroup

    def __init__(
        self, loggers: LoggerGroup, recording: Recording, model: nn.Module, batches: DeviceLoader
    ) -> None:
        self.loggers, self.recording, self.model, self.batches = loggers, recording, model, batches
        self._load = SystemLoad(batches.device)
        self.loss_names: Sequence[str] = ()
        self._embeddings = EmbeddingStats()
        self._history: Sequence[Mapping[str, float]] = ()
        self._monitor, self._sign = "", 1
        self._test_values = ValuesOfTest(loggers) if recording.test_values else None

    def step_listeners(self) -> list[Any]:
        """The methods to call after each step; empty unless the losses of steps are recorded."""
        return [] if self.recording.every_n_steps is None else [self._on_step]

    def begin(
        self,
        hyperparams: Callable[[], dict[str, Any]],
        history: Sequence[Mapping[str, float]],
        steps: int,
        loss_names: Sequence[str],
        resume: bool,
    ) -> None:
        """Record the settings before the first epoch.

        Args:
            hyperparams: Describes the hyper-parameters, the monitored metric and its direction
                among them.
            history: The epochs so far; the trainer appends each epoch before it is recorded.
            steps: Number of steps so far.
            loss_names: The names of the recorded losses.
            resume: Whether to continue the recorded run.
        """
        recording, first, others = self.recording, len(history), {}
        self._history, self.loss_names = history, loss_names
        params = hyperparams()
        self._monitor = str(params["monitor"])
        if self._test_values is not None:
            self._test_values.begin(params)
        self._sign = 1 if params["monitor_direction"] == "max" else -1
        if recording.every_n_steps is not None:
            names = [f"{name}_step" for name in self.loss_names]
            self.loggers.offer("define_axis", STEP_AXIS, names)
            others = {STEP_AXIS: steps + 1}
        if resume:
            self.loggers.offer("resume_at", first, others)
        self.loggers.log_hyperparams(params)
        if recording.architecture:
            self.loggers.offer("log_text", "model", str(self.model), first)
        if recording.embeddings:
            self._embeddings.start(self.model)
        if recording.system:
            self.batches.meter = self._load.measured
            self._load.begin()

    def on_epoch_end(self, row: Mapping[str, float]) -> None:
        """Record an epoch, a row of the history."""
        epoch = int(row["epoch"])
        metrics = {name: value for name, value in row.items() if name not in _NOT_METRICS}
        if self.recording.best:
            metrics |= self._best()
        if self.recording.embeddings:
            for name, stats in self._embeddings.of(self.model).items():
                metrics |= {f"embedding/{name}/{key}": v for key, v in stats.values.items()}
                histogram = (stats.counts, stats.edges, epoch)
                self.loggers.offer("log_histogram", f"embedding/{name}/norms", *histogram)
        if self.recording.system:
            metrics |= self._load.of_epoch()
        self.loggers.log_metrics(metrics, step=epoch)
        self.loggers.offer("flush")

    def tested(self, test: Callable[[Any], dict[str, float]], data: Any) -> dict[str, float]:
        """Test the best weights, and collect the values behind the metrics on request."""
        if data is None or self._test_values is None:
            return super().tested(test, data)
        return self._test_values.collect(test, data)

    def end(
        self,
        test_metrics: Mapping[str, float],
        weights: Path,
        outcome: Outcome,
    ) -> None:
        """Record results at the end of training.

        Args:
            test_metrics: The metrics of the best weights on test data: recorded at the step after
                the last epoch, from which on a run that is continued supersedes what it has.
            weights: The file of the best weights.
            outcome: Returns the results that are computed on request.
        """
        if test_metrics:
            self.loggers.log_metrics(dict(test_metrics), step=len(self._history))
        last = max(0, len(self._history) - 1)
        if self.recording.figures:
            for name, figure in self._plots(outcome.predictions()):
                self.loggers.offer("log_figure", name, figure, last)
        if self.recording.examples is not None:
            self._record_examples(outcome.examples(self.recording.examples), last)
        if self.recording.checkpoint and weights.is_file():
            name = type(self.model).__name__
            self.loggers.offer("log_artifact", name, str(weights), "model")
        if self._test_values is not None:
            self._test_values.record(weights.parent)

    def _record_examples(self, tables: list[ExampleTable], step: int) -> None:
        if not tables:
            log.warning(
                "There are no examples to record: they need validation or test data, of a model "
                "that recommends items or predicts probabilities."
            )
        for table in tables:
            self.loggers.offer("log_table", table.name, table.columns, table.rows, step)

    def _on_step(self, number: int, losses: Tensor) -> None:
        if number % (self.recording.every_n_steps or 1) == 0:
            values = zip(self.loss_names, losses.tolist(), strict=False)
            self.loggers.log_metrics({f"{name}_step": v for name, v in values}, step=number)

    def _best(self) -> dict[str, float]:
        name = self._monitor
        rows = [r for r in self._history if not math.isnan(r.get(name, math.nan))]
        if not rows:
            return {}
        best = max(rows, key=lambda row: self._sign * row[name])
        return {f"best/{name}": best[name], "best/epoch": best["epoch"]}

    def _plots(self, predictions: Labeled | None) -> Iterable[tuple[str, Any]]:
        if predictions is not None:
            for draw in (roc, calibration, confusion):
                yield f"val/{draw.__name__}", draw(*predictions)
        weights = task_weights(self._history)
        if weights is not None:
            yield "loss_weight", weights


def recorder_of(settings: Settings, model: nn.Module, batches: DeviceLoader) -> NoRecorder:
    """Create the recorder for the settings `model_logger` and `record`.

    Raises:
        TypeError: `record` is not a `Recording`.
        ValueError: `record` is given without a logger.
    """
    loggers, recording = settings.model_logger, settings.record
    if not isinstance(recording, Recording | None):
        raise TypeError(f"record must be a Recording, got {recording!r}")
    if loggers is not None:
        return Recorder(LoggerGroup.of(loggers), recording or Recording(), model, batches)
    if recording is not None:
        raise ValueError("record says what loggers receive: give model_logger too")
    return NoRecorder()
