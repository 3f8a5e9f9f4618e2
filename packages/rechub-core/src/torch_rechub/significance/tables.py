"""The tables of a test: rows with labels and scores, and units with values of metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .columns import Floats, finite
from .keys import Keys, digest_of
from .row_values import row_values

Single = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Units:
    """The values of one metric, one for each unit.

    Attributes:
        values: Their weighted mean is the metric, shape (U,).
        weights: Shape (U,); None means equal weights.
        kind: "rows", "groups" of rows, or "units".
    """

    values: Floats
    weights: Floats | None
    kind: Literal["rows", "groups", "units"]


@dataclass(frozen=True, eq=False)
class RowTable:
    """Labels and scores of the rows of a test.

    Attributes:
        labels: Shape (N,).
        scores: Shape (N,).
        weights: Weights of rows, shape (N,); None means equal weights.
        groups: The key of each row's group, such as its user, shape (N,); None if there are none.
    """

    labels: Single
    scores: Single
    weights: Single | None = None
    groups: Keys | None = None

    def __post_init__(self) -> None:
        columns = {"scores": self.scores, "weights": self.weights, "groups": self.groups}
        _check_columns(len(self.labels), labels=self.labels, **columns)

    @property
    def digest(self) -> str:
        """The digest of rows, groups, labels and weights: what two runs must have in common."""
        return digest_of("rows", self.labels, self.weights, self.groups)

    def units(self, metric: str) -> "Units":
        """The values of a metric of rows: by group where there are groups, else by row.

        Raises:
            ValueError: The metric is not defined on the rows, or a score is not finite.
        """
        w = None if self.weights is None else self.weights.astype(np.float64)
        values = row_values(metric, self.labels, self.scores, w)
        if self.groups is None:
            return Units(values, w, "rows")
        group = np.unique(self.groups, return_inverse=True)[1].reshape(-1)
        of_rows = np.ones(len(values)) if w is None else w
        total = np.bincount(group, weights=of_rows)
        sums = np.bincount(group, weights=of_rows * values)
        means: Floats = np.divide(sums, total, out=np.zeros(len(sums)), where=total > 0)
        return Units(means, total.astype(np.float64), "groups")


@dataclass(frozen=True, eq=False)
class UnitTable:
    """Values of metrics of units, such as the NDCG of users.

    Attributes:
        values: One column for each metric, shape (U,).
        weights: Weights of units, shape (U,); None means equal weights.
        keys: The keys of the units in ascending order, shape (U,); None if units are known by their
            place.
        truth: The digest of what the values were computed against, such as relevant items.
    """

    values: tuple[Single, ...]
    weights: Single | None = None
    keys: Keys | None = None
    truth: str = ""

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("there are no values: give those of one metric at least")
        n = len(self.values[0])
        _check_columns(n, weights=self.weights, keys=self.keys)
        for column in self.values:
            _check_columns(n, values=column)
        if self.keys is not None and (self.keys[1:] <= self.keys[:-1]).any():
            raise ValueError("a unit occurs twice: give each user or group once")

    @property
    def digest(self) -> str:
        """The digest of units, weights and truth: what two runs must have in common."""
        n = len(self.values[0])
        return digest_of("units", str(n), self.weights, self.keys, self.truth)


def row_table(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None, groups: Keys | None
) -> RowTable:
    """Create a table of rows, from arrays of any type of numbers.

    Raises:
        ValueError: Lengths differ, or a label or a weight is not valid.
    """
    s = np.asarray(scores, dtype=np.float32)
    return RowTable(_single(labels, "labels"), s, _weights(weights), groups)


def unit_table(
    values: Sequence[ArrayLike], keys: Keys | None, weights: ArrayLike | None, truth: str
) -> UnitTable:
    """Create a table of units, in the order of their keys, from arrays of any type of numbers.

    Raises:
        ValueError: Lengths differ, a value or a weight is not valid, or a unit occurs twice.
    """
    columns, w = [_single(column, "values") for column in values], _weights(weights)
    if keys is not None and len(columns) and len(keys) == len(columns[0]):
        order = np.argsort(keys, kind="stable")
        keys, columns = keys[order], [column[order] for column in columns]
        w = w if w is None or len(w) != len(order) else w[order]
    return UnitTable(tuple(columns), w, keys, truth)


def _single(values: Any, name: str) -> Single:
    return finite(values, name).astype(np.float32)


def _weights(weights: Any) -> Single | None:
    return None if weights is None else _single(weights, "weights")


def _check_columns(n: int, **columns: Any) -> None:
    """Check the length and the type of columns, and the values of those that must be finite."""
    for name, column in columns.items():
        if column is None:
            continue
        wanted = np.uint64 if name in ("keys", "groups") else np.float32
        if not isinstance(column, np.ndarray) or column.dtype != wanted or column.ndim != 1:
            raise ValueError(f"{name} must be a {np.dtype(wanted)} array of shape (N,)")
        if len(column) != n:
            raise ValueError(f"{n} units, but {len(column)} {name}")
        if name in ("labels", "weights", "values") and not np.isfinite(column).all():
            raise ValueError(f"{name} must be finite")
        if name == "weights" and (column < 0).any():
            raise ValueError(f"weights must be at least 0, got {column.min():g}")
