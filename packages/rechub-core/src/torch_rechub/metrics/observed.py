"""Observation of the inputs of metrics: labels and scores, or lists, as a test evaluates them.

A trainer's `test` returns values of metrics only. Whoever records the values behind them, for tests
of significance, observes the call instead of evaluating the model again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from .lists import RankedLists
from .metric import Metric


@dataclass(frozen=True, eq=False)
class ObservedRows:
    """The rows that metrics were computed from, without those of weight 0.

    Attributes:
        metrics: The metrics.
        labels: Shape (N,).
        scores: Shape (N,), or (N, C) of classes.
        groups: Shape (N,), or None.
        weights: Shape (N,), or None.
        task: The number of the task of a multi-task model, or None.
    """

    metrics: tuple[Metric, ...]
    labels: Any
    scores: Any
    groups: Any = None
    weights: Any = None
    task: int | None = None


@dataclass(frozen=True, eq=False)
class ObservedLists:
    """The recommended lists that metrics were computed from.

    Attributes:
        metrics: The metrics.
        lists: The lists, without those of weight 0.
    """

    metrics: tuple[Metric, ...]
    lists: RankedLists


Observed = ObservedRows | ObservedLists

_found: ContextVar[list[Observed] | None] = ContextVar("observed", default=None)
_task: ContextVar[int | None] = ContextVar("task", default=None)


@contextmanager
def observed() -> Iterator[list[Observed]]:
    """Collect the inputs of all metrics that are computed in the block, in this thread.

    Example:
        >>> from torch_rechub.metrics.computing import of_predictions
        >>> from torch_rechub.metrics.monitor import as_metrics
        >>> with observed() as found:
        ...     of_predictions(as_metrics("auc"), [0, 1], [0.1, 0.2])
        {'auc': 1.0}
        >>> found[0].labels, found[0].metrics[0].name
        ([0, 1], 'auc')
    """
    found: list[Observed] = []
    token = _found.set(found)
    try:
        yield found
    finally:
        _found.reset(token)


def is_observed() -> bool:
    """Whether the inputs of metrics are being collected."""
    return _found.get() is not None


@contextmanager
def of_task(task: int) -> Iterator[None]:
    """Attribute the rows that are observed in the block to a task of a multi-task model."""
    token = _task.set(task)
    try:
        yield
    finally:
        _task.reset(token)


def observe_rows(
    metrics: Sequence[Metric], labels: Any, scores: Any, groups: Any, weights: Any
) -> None:
    """Add rows to what is observed, if anything is."""
    if (found := _found.get()) is not None:
        found.append(ObservedRows(tuple(metrics), labels, scores, groups, weights, _task.get()))


def observe_lists(metrics: Sequence[Metric], lists: RankedLists) -> None:
    """Add lists to what is observed, if anything is."""
    if (found := _found.get()) is not None:
        found.append(ObservedLists(tuple(metrics), lists))
