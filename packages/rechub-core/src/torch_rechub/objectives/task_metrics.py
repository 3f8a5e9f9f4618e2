"""The metrics of the tasks of a multi-task model, and the monitored one."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .._bounds import check_whole
from ..metrics.computing import check_needs, of_predictions
from ..metrics.monitor import Direction, Metric, Needs, as_metrics, metric_named, metric_of_function
from ..metrics.observed import of_task

log = logging.getLogger("torch_rechub")

SCORES = {"classification": "auc", "regression": "mse"}


class ByTask(str):
    """The default of `earlystop_mode`: equals "max", as in 0.9, but means the task's direction."""

    __slots__ = ()


# a subclass of str, so that an explicit "max" can be distinguished from the default
BY_TASK = ByTask("max")


@dataclass(frozen=True)
class RowsOfTasks:
    """Labels, predictions, groups and weights of the tasks, as arrays.

    Attributes:
        labels: Labels (N, T), NaN for missing ones.
        predictions: (N, T).
        groups: The group of each row, (N,); None if there are none.
        weights: Weights of rows, (N,); None means equal weights.
    """

    labels: NDArray[Any]
    predictions: NDArray[Any]
    groups: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None

    @classmethod
    def of(cls, found: Sequence[Any], n_task: int) -> "RowsOfTasks":
        """Create it from labels, predictions, groups and weights, empty ones included."""
        labels, predictions, groups, weights = found
        return cls(labels.reshape(-1, n_task), predictions.reshape(-1, n_task), groups, weights)

    def measured(self, metric: Metric, task: int) -> float:
        """Compute a metric of a task over its labeled rows."""
        rows = ~np.isnan(self.labels[:, task])
        columns = [None if c is None else c[rows] for c in (self.groups, self.weights)]
        labels, predictions = self.labels[rows, task], self.predictions[rows, task]
        with of_task(task):
            return of_predictions([metric], labels, predictions, *columns)[metric.name]


class TaskMetrics:
    """The metrics of a multi-task trainer's validation.

    Args:
        task_types: "classification" or "regression" for each task.
        task: The monitored task.
        mode: "max" or "min", the direction of its score; `BY_TASK` means that of the metric.

    Attributes:
        default_functions: The default score of each task, from (labels, predictions).

    Raises:
        ValueError: The task or the mode is unknown.
    """

    def __init__(self, task_types: Sequence[str], task: int, mode: str) -> None:
        check_whole(0, earlystop_taskid=task)
        if task not in range(len(task_types)):
            raise ValueError(f"earlystop_taskid must be 0 to {len(task_types) - 1}, got {task!r}")
        self.types, self.task, self.mode = task_types, task, _checked(mode)
        if self.mode is None and task_types[task] == "regression":
            log.info("Task %d is a regression: early stopping takes less as better (min).", task)
        self.default_functions: list[Callable[[Any, Any], float]] = [
            metric_named(SCORES[kind]).function for kind in task_types
        ]
        self.of_tasks: dict[str, tuple[int, Metric]] = {}
        self._default = True

    def choose(
        self, given: Sequence[Any] | None, available: Collection[Needs]
    ) -> tuple[Metric, ...]:
        """Set the metrics, see `metrics_of_tasks`, and return those of all tasks.

        Raises:
            ValueError: A metric cannot be computed from the available data.
        """
        self._default = given is None
        self.of_tasks = metrics_of_tasks(given, self.types)
        metrics = tuple(metric for _, metric in self.of_tasks.values())
        check_needs(metrics, available, "MTLTrainer")
        return metrics

    def with_tasks(self, named: Mapping[str, Metric]) -> list[tuple[str, int, Metric]]:
        """Return metrics as (name, task, metric)."""
        return [(name, self.of_tasks[name][0], metric) for name, metric in named.items()]

    def named(self, functions: Sequence[Callable[[Any, Any], float]]) -> dict[str, Metric]:
        """Return the metrics by name, with the functions of `evaluate_fns` by default."""
        found = {name: metric for name, (_, metric) in self.of_tasks.items()}
        if self._default:
            scores = [score_of(f, kind) for f, kind in zip(functions, self.types, strict=True)]
            found = dict(zip(found, scores, strict=True))
        if self.mode is not None:
            found[self.first] = replace(found[self.first], direction=self.mode)
        return found

    def scores(
        self, functions: Sequence[Callable[[Any, Any], float]], found: RowsOfTasks
    ) -> list[float]:
        """Return the scores of all tasks by the functions of `evaluate_fns`."""
        metrics = [score_of(f, kind) for f, kind in zip(functions, self.types, strict=True)]
        return [found.measured(metric, i) for i, metric in enumerate(metrics)]

    def measure(self, found: RowsOfTasks) -> dict[str, float]:
        """Return the metrics of all tasks by name."""
        return {name: found.measured(metric, i) for name, (i, metric) in self.of_tasks.items()}

    @property
    def first(self) -> str:
        """The first metric of the monitored task."""
        return next(name for name, (task, _) in self.of_tasks.items() if task == self.task)


def metrics_of_tasks(
    given: Sequence[Any] | None, task_types: Sequence[str]
) -> dict[str, tuple[int, Metric]]:
    """Return the metrics of tasks by name: pairs of task and metric.

    Args:
        given: Names or metrics, each for the tasks whose labels it supports; or a sequence of them
            for each task. None means AUC for classifications and squared error for regressions,
            named ``task_0_score``, ….
        task_types: "classification" or "regression" for each task.

    Raises:
        ValueError: A task has no metric, or a metric that does not support its labels.

    Example:
        >>> sorted(metrics_of_tasks(("auc", "mse"), ["classification", "regression"]))
        ['task_0_auc', 'task_0_mse', 'task_1_mse']
    """
    if given is None:
        scores = [metric_named(SCORES[kind]) for kind in task_types]
        return {f"task_{i}_score": (i, metric) for i, metric in enumerate(scores)}
    each = not isinstance(given, str | Metric) and any(isinstance(m, list | tuple) for m in given)
    if each and len(given) != len(task_types):
        raise ValueError(
            f"metrics has {len(given)} lists for {len(task_types)} tasks: give one for each task"
        )
    found: dict[str, tuple[int, Metric]] = {}
    for i, kind in enumerate(task_types):
        of_task = as_metrics(given[i] if each else given)
        allowed = [m for m in of_task if m.labels == "real" or kind == "classification"]
        if not allowed or (each and len(allowed) < len(of_task)):
            names = ", ".join(m.name for m in of_task if m not in allowed)
            raise ValueError(
                f"task {i} is a {kind}, and its labels do not allow {names}: give it a metric that "
                f"they allow, such as {SCORES[kind]!r}"
            )
        found |= {f"task_{i}_{m.name}": (i, m) for m in allowed}
    return found


def score_of(function: Callable[[Any, Any], float], task_type: str) -> Metric:
    """Return the score metric of a task from its function in `evaluate_fns`.

    The direction of an unknown function is that of the default score of such tasks, as in
    torch-rechub 0.9.
    """
    metric, known = metric_of_function(function)
    return metric if known else replace(metric, direction=metric_named(SCORES[task_type]).direction)


def _checked(mode: str) -> Direction | None:
    if isinstance(mode, ByTask):
        return None
    if mode in ("max", "min"):
        return cast(Direction, mode)
    raise ValueError(f"earlystop_mode must be 'max' or 'min', got {mode!r}")
