"""The loggers of one training run of a search: they record its trial, and how the trial ended."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ..basic.tracking import LoggerGroup
from ..basic.tracking.plugin import failure_text
from .trial import Trial


class TrialLoggers(LoggerGroup):
    """A group of loggers that records the trial at its begin, and its state at its end.

    Args:
        loggers: The loggers: a list, a `LoggerGroup`, or None.
        trial: The trial.
        about: Hyper-parameters of every run of the search.

    Attributes:
        metrics: The names of the metrics that were recorded.
    """

    def __init__(self, loggers: Any, trial: Trial, about: Mapping[str, Any]) -> None:
        super().__init__([] if loggers is None or isinstance(loggers, LoggerGroup) else loggers)
        if isinstance(loggers, LoggerGroup):  # with an on_error and a timeout of the user's
            self._members = loggers._members
        self._trial, self._ended = trial, False
        self.metrics: set[str] = set()
        self.log_hyperparams({**about, **self._about_trial(), "seed": trial.seed})

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Record the values of one step in every logger."""
        self.metrics.update(metrics)
        super().log_metrics(metrics, step)

    @property
    def ended(self) -> bool:
        """Whether the loggers were finished, as `fit` does."""
        return self._ended

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._ended:
            return
        self._ended = True
        if is_pruned(error):
            self._trial.pruned, error = True, None
        if error is None:
            self._record_end(state="pruned" if self._trial.pruned else "finished")
        elif isinstance(error, Exception):
            self._record_end(state="failed", error=failure_text(error))
        super().__exit__(None if error is None else kind, error, traceback)

    def _record_end(self, **state: str) -> None:
        # the parameters once more, as a trainer may record another value under one of their names
        self.log_hyperparams(self._about_trial(**state))

    def _about_trial(self, **state: str) -> dict[str, Any]:
        trial = self._trial
        about = {"number": trial.number, "study": trial.study, "params": list(trial.params)}
        return {**trial.params, "trial": {**about, **state}}


def is_pruned(error: BaseException | None) -> bool:
    """Whether an exception is the one by which an objective for Optuna ends a trial."""
    return any(kind.__name__ == "TrialPruned" for kind in type(error).__mro__)
