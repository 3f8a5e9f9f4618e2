"""Checks and conversion of labels, predictions, weights and groups to arrays."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._bounds import refuse_masked


def pair(y_true: Any, y_pred: Any, dtype: Any = np.float64) -> tuple[NDArray[Any], NDArray[Any]]:
    """Convert labels and predictions to arrays (N,).

    Raises:
        ValueError: Lengths differ, or values are masked.
    """
    refuse_masked(y_true, "y_true")
    refuse_masked(y_pred, "y_pred")
    labels = np.asarray(y_true, dtype=dtype).reshape(-1)
    scores = np.asarray(y_pred, dtype=dtype).reshape(-1)
    if len(labels) != len(scores):
        raise ValueError(f"{len(labels)} labels, but {len(scores)} predictions")
    return labels, scores


def rows_that_count(
    y_true: Any, y_pred: Any, weights: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Convert labels, predictions and weights to arrays, without rows of weight 0.

    Args:
        y_true: Labels, (N,).
        y_pred: Predictions, (N,).
        weights: Weights of rows, (N,); None means equal weights and is returned unchanged.

    Raises:
        ValueError: Lengths differ, values are masked, or a weight is negative or not finite.
    """
    labels, scores = pair(y_true, y_pred)
    if weights is None:
        return labels, scores, None
    w = weights_of(weights, len(labels))
    counts = w > 0
    return labels[counts], scores[counts], w[counts]


def weights_of(weights: Any, n: int) -> NDArray[np.float64]:
    """Weights as an array (N,).

    Raises:
        ValueError: There are others than N, or one is masked, negative or not finite.
    """
    refuse_masked(weights, "weights")
    w = np.asarray(weights, dtype=np.float64).reshape(-1)
    if len(w) != n:
        raise ValueError(f"{n} labels, but {len(w)} weights")
    wrong = ~((w >= 0) & np.isfinite(w))
    if wrong.any():
        raise ValueError(
            f"weights must be finite and at least 0, got {w[wrong][0]:g} in row {wrong.argmax()}"
        )
    return w


def binary_rows(
    y_true: Any, y_pred: Any, weights: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """As `rows_that_count`, for labels 0 and 1.

    Raises:
        ValueError: As `rows_that_count`, or a label is neither 0 nor 1.
    """
    labels, scores, w = rows_that_count(y_true, y_pred, weights)
    refuse_other_labels(labels)
    return labels, scores, w


def weighted_mean(values: NDArray[Any], weights: NDArray[Any] | None) -> float:
    """Return the mean of values (N,), N above 0, weighted if weights are given."""
    return float(np.mean(values) if weights is None else np.average(values, weights=weights))


def soft_rows(
    y_true: Any, y_pred: Any, weights: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """As `rows_that_count`, for labels in [0, 1], such as click rates.

    Raises:
        ValueError: As `rows_that_count`, or a label is outside [0, 1].
    """
    labels, scores, w = rows_that_count(y_true, y_pred, weights)
    outside = ~((labels >= 0) & (labels <= 1))
    if outside.any():
        raise ValueError(f"labels must be in [0, 1], got {labels[outside][0]:g}")
    return labels, scores, w


def refuse_other_labels(labels: NDArray[Any]) -> None:
    """Refuse labels other than 0 and 1.

    Raises:
        ValueError: A label has another value; the message names the first.
    """
    other = ~np.isin(labels, (0, 1))
    if other.any():
        raise ValueError(f"labels must be 0 or 1, got {labels[other][0]:g}")


def of_length(users: ArrayLike, n: int) -> NDArray[Any]:
    """Convert a column of users or other groups to an array (N,).

    Raises:
        ValueError: The length is not N.
    """
    column = np.asarray(users).reshape(-1)
    if len(column) != n:
        raise ValueError(f"{n} labels, but {len(column)} users")
    return column
