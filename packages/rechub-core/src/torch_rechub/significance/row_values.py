"""The values of rows whose mean is a metric of predictions.

A mean, such as log loss, is that of its rows. For a function of means, such as AUC, precision or
NE, the value of a row is the metric plus the first-order influence of the row on it (the delta
method), so that means, variances and tests of rows or of groups of rows apply to it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..metrics.names import parsed
from .auc import SortedScores, auc_influence, binary
from .columns import Floats, finite, shares

Formula = Callable[[Floats, Floats, Floats, float], Floats]


def row_values(
    metric: str, labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None
) -> Floats:
    """The values of rows, (N,), whose weighted mean is the metric.

    Args:
        metric: The name of the metric, one of `is_of_rows`.
        labels: Shape (N,).
        scores: Shape (N,).
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Raises:
        ValueError: A value is not finite, lengths differ, or the metric is not defined, such as AUC
            of one class.

    Example:
        >>> row_values("mse", [1.0, 2.0], [1.0, 4.0])
        array([0., 4.])
        >>> row_values("auc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        array([1.25, 0.25, 0.25, 1.25])
    """
    y, s = finite(labels, "labels"), finite(scores, "scores")
    if len(y) != len(s):
        raise ValueError(f"{len(y)} labels, but {len(s)} scores")
    base, _, threshold = parsed(metric)
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = 0.5 if threshold is None else threshold
        found = _FORMULAS[base](y, s, shares(weights, len(y)), limit)
    if not np.isfinite(found).all():
        raise ValueError(f"{metric} is not defined on these rows, such as on labels of one class")
    return found


def is_mean(metric: str) -> bool:
    """Whether a metric of rows is the mean of values of single rows, as log loss is.

    Example:
        >>> is_mean("log_loss"), is_mean("auc")
        (True, False)
    """
    return parsed(metric)[0] in ("log_loss", "mse", "mae", "accuracy")


def is_of_rows(metric: str) -> bool:
    """Whether `row_values` has a metric of this name.

    Example:
        >>> is_of_rows("auc"), is_of_rows("precision_0.3"), is_of_rows("ndcg@10")
        (True, True, False)
    """
    base, k, _ = parsed(metric)
    return k is None and base in _FORMULAS


def _auc(y: Floats, s: Floats, w: Floats, _: float) -> Floats:
    rows = SortedScores(binary(y), s)
    return auc_influence(y, rows.parts(w), w)


def _log_loss(y: Floats, s: Floats, w: Floats, _: float) -> Floats:
    p = np.clip(s, 1e-15, 1 - 1e-15)
    found: Floats = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return found


def _squared(y: Floats, s: Floats, w: Floats, _: float) -> Floats:
    return np.asarray((y - s) ** 2)


def _root(y: Floats, s: Floats, w: Floats, _: float) -> Floats:
    squares = (y - s) ** 2
    root = np.sqrt(w @ squares)
    return np.asarray(root + (squares - root**2) / (2 * root) if root else squares)


def _absolute(y: Floats, s: Floats, w: Floats, _: float) -> Floats:
    return np.abs(y - s)


def _accuracy(y: Floats, s: Floats, w: Floats, threshold: float) -> Floats:
    right: Floats = ((binary(y) > 0) == (s >= threshold)).astype(np.float64)
    return right


def _precision(y: Floats, s: Floats, w: Floats, threshold: float) -> Floats:
    positive = s >= threshold
    return _ratio(positive & (binary(y) > 0), positive, w)


def _recall(y: Floats, s: Floats, w: Floats, threshold: float) -> Floats:
    relevant = binary(y) > 0
    return _ratio((s >= threshold) & relevant, relevant, w)


def _f1(y: Floats, s: Floats, w: Floats, threshold: float) -> Floats:
    positive, relevant = s >= threshold, binary(y) > 0
    return _ratio(2.0 * (positive & relevant), 1.0 * positive + relevant, w)


def _normalized_entropy(y: Floats, s: Floats, w: Floats, _: float) -> Floats:
    losses, rate = _log_loss(y, s, w, _), float(w @ y)
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
    slope = np.log1p(-rate) - np.log(rate)  # of the entropy in the rate
    ratio = w @ losses / entropy
    found: Floats = ratio + (losses - w @ losses - ratio * slope * (y - rate)) / entropy
    return found


def _ratio(top: NDArray[Any], bottom: NDArray[Any], w: Floats) -> Floats:
    """Values whose mean is that of `top` divided by that of `bottom`; 0 where the latter is 0."""
    divisor = w @ bottom
    if not divisor:
        return np.zeros(len(w))
    ratio = float(w @ top / divisor)
    return np.asarray(ratio + (top - ratio * bottom) / divisor)


_FORMULAS: dict[str, Formula] = {
    "auc": _auc,
    "log_loss": _log_loss,
    "mse": _squared,
    "rmse": _root,
    "mae": _absolute,
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "ne": _normalized_entropy,
}
