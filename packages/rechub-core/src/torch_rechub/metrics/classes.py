"""Metrics of the probabilities of several classes."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .columns import rows_that_count, weighted_mean


def class_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """The share of rows whose most probable class is the right one; of ties, the lowest class.

    Args:
        y_true: Classes 0 to C − 1, shape (N,).
        y_pred: Probabilities, shape (N, C).
        weights: How much each row counts, at least 0, shape (N,); None counts all alike.

    Returns:
        The share, in 0 to 1; NaN where there is no row, or a probability is NaN.

    Raises:
        ValueError: The shapes do not fit, or a label is not one of the classes.

    Example:
        >>> class_accuracy([2, 0], [[0.1, 0.2, 0.7], [0.3, 0.6, 0.1]])
        0.5
    """
    labels, p = _classes(y_true, y_pred)
    if not len(labels) or np.isnan(p).any():
        return math.nan
    return _mean(p.argmax(axis=1) == labels, weights)


def class_log_loss(
    y_true: ArrayLike, y_pred: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """The mean cross-entropy of classes: −(1/N) Σ_i ln p_{i, y_i}, in nats.

    Args:
        y_true: Classes 0 to C − 1, shape (N,).
        y_pred: Probabilities, shape (N, C); clipped to at least 1e-15.
        weights: How much each row counts, at least 0, shape (N,); None counts all alike.

    Returns:
        The loss; NaN where there is no row.

    Raises:
        ValueError: The shapes do not fit, or a label is not one of the classes.

    Example:
        >>> round(class_log_loss([2, 0], [[0.1, 0.2, 0.7], [0.3, 0.6, 0.1]]), 4)
        0.7803
    """
    labels, p = _classes(y_true, y_pred)
    if not len(labels):
        return math.nan
    right = p[np.arange(len(labels)), labels]
    return -_mean(np.log(np.clip(right, 1e-15, 1)), weights)


def _mean(values: NDArray[Any], weights: ArrayLike | None) -> float:
    return weighted_mean(*rows_that_count(values, values, weights)[1:])


def _classes(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    labels, p = np.asarray(y_true).reshape(-1), np.asarray(y_pred, dtype=np.float64)
    if p.ndim != 2 and len(labels):
        raise ValueError(f"probabilities of classes must have the shape (N, C), got {p.shape}")
    if len(labels) != len(p):
        raise ValueError(f"{len(labels)} labels, but {len(p)} predictions")
    wrong = (labels < 0) | (labels != np.floor(labels))
    if len(labels):
        wrong |= labels >= p.shape[1]
    if wrong.any():
        raise ValueError(f"labels must be classes 0 to {p.shape[1] - 1}, got {labels[wrong][0]:g}")
    return labels.astype(np.int64), p
