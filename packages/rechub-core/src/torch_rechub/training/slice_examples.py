"""The table of slices: values of categorical columns on which predictions are badly calibrated."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.batch import Batch
from ..losses.names import kind_of
from .evaluation import Evaluation
from .examples import Examples, ExampleTable
from .settings import Settings

COLUMNS = ("column", "value", "rows", "predicted", "observed", "log_odds_error", "z")
_PENDING = 2**18  # values that are collected before they are added up

Numbers = NDArray[np.float64]


class SliceSums:
    """The sums of predictions and labels for each value of one column.

    Example:
        >>> sums = SliceSums()
        >>> sums.add(np.array([3, 5, 3]), np.array([[1.0, 1.0, 1.0]]))
        >>> values, totals = sums.result()
        >>> values.tolist(), totals.tolist()
        ([3, 5], [[2.0, 1.0]])
    """

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[Any], Numbers]] = []
        self._pending = self._merged = 0

    def add(self, values: NDArray[Any], rows: Numbers) -> None:
        """Add rows.

        Args:
            values: The value of each row, (N,).
            rows: The numbers to sum, (M, N).
        """
        self._parts.append(_summed(values, rows))
        self._pending += len(self._parts[-1][0])
        if self._pending > max(_PENDING, self._merged):  # so that merging is linear in all
            self.result()

    def result(self) -> tuple[NDArray[Any], Numbers]:
        """Return the distinct values (V,), ascending, and their sums (M, V)."""
        values, sums = zip(*self._parts, strict=True)
        self._parts = [_summed(np.concatenate(values), np.concatenate(sums, axis=1))]
        self._pending, self._merged = 0, len(self._parts[0][0])
        return self._parts[0]


class PredictsRows(Protocol):
    """The part of an objective of rows that predicts."""

    criterion: nn.Module

    def predict(self, model: nn.Module) -> Callable[[Any], Tensor]:
        """Return a function from x to the predictions of a model."""


class PredictsTasks(Protocol):
    """The part of the tasks of a multi-task model that predicts."""

    types: list[str]

    def predict(self, model: nn.Module) -> Callable[[Any], Tensor]:
        """Return a function from x to the predictions (B, T) of a model."""


class ShowsSlices:
    """The table of slices of a trainer of ranking models."""

    evaluation: Evaluation
    model: nn.Module
    settings: Settings

    def predicts(self) -> Callable[[Any], Tensor]:
        """Return a function from x to predictions, (B,) or (B, T)."""
        objective: PredictsRows = self.objective  # type: ignore[attr-defined]
        return objective.predict(self.model)

    def probabilities(self) -> dict[str, int]:
        """The columns of predictions that are probabilities, by the prefix of their table."""
        objective: PredictsRows = self.objective  # type: ignore[attr-defined]
        return {"": 0} if kind_of(objective.criterion) == "probability" else {}

    def examples(self, wanted: Examples, data: Any) -> list[ExampleTable]:
        """Return the slices with the largest errors of calibration, for each task."""
        tasks = self.probabilities()
        if data is None or not tasks or not wanted.slices:
            return []
        sums: dict[tuple[str, str], SliceSums] = defaultdict(SliceSums)
        predict = self.predicts()

        def step(batch: Batch) -> None:
            labels, scores = _by_task(batch.labeled()), _by_task(predict(batch.inputs))
            weights = None if batch.weights is None else batch.weights.cpu().double()
            columns = _categories(batch.inputs)
            for task, number in tasks.items():
                rows = _rows(labels[:, number], scores[:, number], weights)
                known = ~np.isnan(rows).any(axis=0)
                for column, values in columns.items():
                    sums[task, column].add(values[known], rows[:, known])

        self.evaluation(self.model, data, step, "examples")
        return [self._table(task, wanted, sums) for task in tasks if sums]

    def _table(
        self, task: str, wanted: Examples, sums: Mapping[tuple[str, str], SliceSums]
    ) -> ExampleTable:
        found: list[tuple[Any, ...]] = []
        for (of, column), collected in sums.items():
            if of == task:
                is_user = column == self.settings.group_column
                for value, *numbers in worst(*collected.result(), wanted.slices, wanted.min_rows):
                    found.append((column, wanted.value_label(column, value, is_user), *numbers))
        found.sort(key=lambda row: -abs(row[-1]))
        return ExampleTable(f"examples/{task}slices", COLUMNS, found[: wanted.slices])


class ShowsTaskSlices(ShowsSlices):
    """The tables of slices of a trainer of multi-task models, one for each classification."""

    def predicts(self) -> Callable[[Any], Tensor]:
        """Return a function from x to predictions (B, T)."""
        tasks: PredictsTasks = self.tasks  # type: ignore[attr-defined]
        return tasks.predict(self.model)

    def probabilities(self) -> dict[str, int]:
        """The tasks that are classifications, by the prefix of their table."""
        tasks: PredictsTasks = self.tasks  # type: ignore[attr-defined]
        types = enumerate(tasks.types)
        return {f"task_{i}_": i for i, kind in types if kind == "classification"}


def worst(
    values: NDArray[Any], sums: Numbers, n: int, min_rows: int
) -> list[tuple[int, int, float, float, float, float]]:
    """Return the slices with the largest errors of calibration.

    z = (Σ w y − Σ w p) / √(Σ w² p (1 − p)) is the error in standard deviations of the number of
    positives, if each label were drawn with its prediction as probability. The error of log-odds
    is logit(p̄) − logit(ȳ), with half a positive and half a negative added to ȳ.

    Args:
        values: The distinct values (V,).
        sums: Rows, Σ w, Σ w p, Σ w y and Σ w² p (1 − p) of each, (5, V).
        n: The number of slices.
        min_rows: The smallest number of rows of a slice.

    Returns:
        Value, rows, mean prediction, mean label, error of log-odds and z, the largest |z| first.

    Example:
        >>> sums = np.array([[100, 100], [100, 100], [50.0, 50], [50, 70], [25, 25]])
        >>> worst(np.array([3, 5]), sums, 1, 100)[0][:4]
        (5, 100, 0.5, 0.7)
    """
    rows, weight, predicted, observed, variance = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (observed - predicted) / np.sqrt(variance)
    z = np.where(variance > 0, z, np.copysign(np.inf, observed - predicted))
    z[observed == predicted] = 0.0
    kept = np.flatnonzero((rows >= min_rows) & (weight > 0))
    kept = kept[np.argsort(-np.abs(z[kept]), kind="stable")][:n]
    return [
        (
            int(values[i]),
            int(rows[i]),
            float(predicted[i] / weight[i]),
            float(observed[i] / weight[i]),
            _logit(predicted[i], weight[i]) - _logit(observed[i] + 0.5, weight[i] + 1),
            float(z[i]),
        )
        for i in kept
    ]


def _logit(positives: float, total: float) -> float:
    negatives = total - positives
    if positives <= 0 or negatives <= 0:
        return math.copysign(math.inf, positives - negatives)
    return math.log(positives / negatives)


def _summed(values: NDArray[Any], rows: Numbers) -> tuple[NDArray[Any], Numbers]:
    """The distinct values, and the sums of the rows of each."""
    distinct, place = np.unique(values, return_inverse=True)
    sums = [np.bincount(place, weights=row, minlength=len(distinct)) for row in rows]
    return distinct, np.stack(sums)


def _rows(labels: Tensor, scores: Tensor, weights: Tensor | None) -> Numbers:
    """The numbers to sum for each row: 1, w, w p, w y and w² p (1 − p)."""
    y, p = labels.cpu().double(), scores.cpu().double()
    w = torch.ones_like(p) if weights is None else weights
    found: Numbers = torch.stack([torch.ones_like(p), w, w * p, w * y, w * w * p * (1 - p)]).numpy()
    return found


def _by_task(values: Tensor) -> Tensor:
    return values.reshape(-1, 1) if values.dim() == 1 else values


def _categories(inputs: Any) -> dict[str, NDArray[Any]]:
    """The columns of ids: tensors of whole numbers, one for each row."""
    if not isinstance(inputs, Mapping):
        return {}
    return {
        name: column.cpu().numpy()
        for name, column in inputs.items()
        if column.dim() == 1 and not column.is_floating_point()
    }
