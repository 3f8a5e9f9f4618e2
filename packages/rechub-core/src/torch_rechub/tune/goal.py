"""The goal of a search: the value of a training run, and the direction in which it improves."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

from .._bounds import check_choice
from ..metrics.monitor import direction_of, is_undirected
from ..runs.record import Mode
from ..training.monitoring import direction_to_monitor
from ..training.trainer import Trainer


class SearchError(ValueError):
    """The objective does not suit the search; it ends the search, whatever `catch` says."""


@dataclass(frozen=True)
class Goal:
    """The monitored metric of the trainers of a search, and its direction.

    Attributes:
        monitor: The metric; None takes the one that the trainer monitors.
        mode: Whether the largest or the smallest value is best.
    """

    monitor: str | None
    mode: Mode

    @property
    def name(self) -> str:
        """The name under which the value is shown."""
        return self.monitor or "value"

    def monitored(self, trainer: Any) -> str:
        """Return the metric of a trainer.

        Raises:
            SearchError: The trainer does not record it, or its direction is another.
        """
        name = self.monitor or trainer.monitor
        try:
            mode = direction_to_monitor(name, trainer.named_metrics(), trainer.loss_names)
        except ValueError as error:
            raise SearchError(str(error)) from error
        if mode != self.mode:
            best = "largest" if mode == "max" else "smallest"
            raise SearchError(f"the {best} value of {name!r} is best: give mode={mode!r} to tune")
        return name

    def value_of(self, result: Any) -> float:
        """Return the value of a training run: the best one of the metric, or the number itself.

        Args:
            result: The result of the objective: the fitted trainer, or a number.

        Raises:
            SearchError: It is neither, or the trainer has no values of the metric.
            ValueError: The value is NaN.
        """
        value = self._best(result) if isinstance(result, Trainer) else _number(result)
        if math.isnan(value):
            raise ValueError(f"{self._shown(result)} is NaN")
        return value

    def _best(self, trainer: Trainer) -> float:
        name = self.monitored(trainer)
        values = [row[name] for row in trainer.history if name in row]
        if not values:
            raise SearchError(
                f"the trainer has no values of {name!r}: give validation data to fit, and return "
                "the trainer after it"
            )
        numbers = [value for value in values if not math.isnan(value)]
        best = max if self.mode == "max" else min
        return best(numbers, default=math.nan)

    def _shown(self, result: Any) -> str:
        if isinstance(result, Trainer):
            return f"{self.monitored(result)!r} in every epoch"
        return "the value that the objective returned"


def goal_of(monitor: str | None, mode: Mode | None) -> Goal:
    """Return the goal of the arguments of `tune`.

    Raises:
        TypeError: `monitor` is not a text.
        ValueError: The direction is unknown, or the metric is one of test data.

    Example:
        >>> goal_of("val/auc", None).mode, goal_of(None, "min").monitor
        ('max', None)
        >>> goal_of(None, None)
        Traceback (most recent call last):
        ...
        ValueError: tune needs the direction of its goal: give monitor, such as 'val/auc', or ...
    """
    check_choice(("max", "min"), mode=mode)
    if monitor is None:
        if mode is None:
            raise ValueError(
                "tune needs the direction of its goal: give monitor, such as 'val/auc', or "
                "mode='max' or 'min' for the metric that the trainer monitors, or for a number "
                "that the objective returns"
            )
        return Goal(None, mode)
    if not isinstance(monitor, str):
        raise TypeError(f"monitor must be the name of a metric, got {monitor!r}")
    if monitor.startswith("test/"):
        raise ValueError(
            f"monitor must be a metric of validation data, got {monitor!r}: parameters chosen on "
            "test data make the test meaningless"
        )
    known = None if is_undirected(monitor) else direction_of(monitor)
    if mode is None and known is None:
        raise ValueError(f"whether large values of {monitor!r} are best is unknown: give mode")
    return Goal(monitor, mode or known or "max")


def _number(result: Any) -> float:
    number = result.item() if getattr(result, "shape", None) == () else result
    if isinstance(number, bool) or not isinstance(number, Real):
        raise SearchError(
            f"the objective must return the fitted trainer, or a number, got {result!r}"
        )
    return float(number)
