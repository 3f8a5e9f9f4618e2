"""`Trial`: one training run of a search, which the objective receives."""

from typing import Any, Protocol

from ..training.callbacks import Callback
from .goal import Goal


class Reports(Protocol):
    """Receives the values of a training run while it goes on."""

    def report(self, value: float, step: int) -> bool:
        """Record a value; return whether the run should end."""
        ...


class Trial:
    """One training run of a search: the parameters to train with, a seed, and the loggers.

    A trial is a set of parameters. The objective is called once for each trial and seed.

    Attributes:
        number: The number of the trial, from 0.
        params: Name to value.
        seed: The seed of this run. The generator of torch is seeded with it.
        study: The name of the study, which is the group of the runs.
        name: A name for the run: the study, the trial and the seed.
        loggers: The loggers of this run: give them to the trainer as ``model_logger``.
        pruning: A callback that ends runs without promise: give it to the trainer in ``callbacks``.
        pruned: Whether the run was ended because it has no promise.
    """

    loggers: Any

    def __init__(
        self,
        study: str,
        number: int,
        params: dict[str, Any],
        seed: int,
        goal: Goal,
        reports: Reports | None,
    ) -> None:
        self.study, self.number, self.params, self.seed = study, number, params, seed
        self.name = f"{study}-{number}-seed{seed}"
        self.pruned, self.reported = False, False
        self.pruning = Pruning(self, goal)
        self._reports = reports

    def report(self, value: float, step: int) -> bool:
        """Report a value of the goal while training goes on, where no trainer does.

        Args:
            value: The value.
            step: Its step, such as the epoch.

        Returns:
            Whether to end now, because other trials were better at this step.
        """
        self.reported = True
        if self._reports is not None:
            self.pruned = self._reports.report(float(value), step) or self.pruned
        return self.pruned


class Pruning(Callback):
    """Ends a training run when the pruner of the search says so.

    Args:
        trial: The trial.
        goal: The goal of the search.
    """

    def __init__(self, trial: Trial, goal: Goal) -> None:
        self._trial, self._goal, self._metric = trial, goal, ""

    def on_fit_begin(self, trainer: Any) -> None:
        """Look up the monitored metric."""
        self._metric = self._goal.monitored(trainer)

    def on_epoch_end(self, row: dict[str, float]) -> bool:
        """Report the value of an epoch; return whether to stop."""
        if self._metric not in row:
            return False
        return self._trial.report(row[self._metric], int(row["epoch"]))
