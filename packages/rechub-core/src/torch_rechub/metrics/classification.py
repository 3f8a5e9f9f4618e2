"""Metrics of labels predicted by a threshold on scores.

`precision_score` and `recall_score` of `metrics.ranking` are those of lists, as in torch-rechub
0.9; those of rows are `binary_precision` and `binary_recall`.
"""

import logging
import math

import numpy as np
from numpy.typing import ArrayLike

from .._bounds import check_number
from .columns import binary_rows

log = logging.getLogger("torch_rechub")


def accuracy_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    threshold: float = 0.5,
    *,
    weights: ArrayLike | None = None,
) -> float:
    """Accuracy, the share of correctly predicted rows: (TP + TN) / N.

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Scores, shape (N,).
        threshold: Scores of at least this value predict the label 1.
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The share, in 0 to 1; NaN for no rows, and with a warning if a score is NaN.

    Raises:
        ValueError: Lengths differ, a label is neither 0 nor 1, or the threshold is not finite.

    Example:
        >>> accuracy_score([1, 0, 0, 1], [0.9, 0.2, 0.6, 0.5])
        0.75
    """
    tp, tn, fp, fn = _counts(y_true, y_pred, threshold, weights)
    n = tp + tn + fp + fn
    return (tp + tn) / n if n else math.nan


def binary_precision(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    threshold: float = 0.5,
    *,
    weights: ArrayLike | None = None,
) -> float:
    """The share of positives among the rows that are predicted positive: TP / (TP + FP).

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Scores, shape (N,).
        threshold: Scores of at least this value predict the label 1.
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The share, in 0 to 1; 0 if no row is predicted positive; NaN as `accuracy_score`.

    Raises:
        ValueError: As `accuracy_score`.

    Example:
        >>> binary_precision([1, 0, 0, 1], [0.9, 0.2, 0.6, 0.4])
        0.5
    """
    tp, _, fp, _ = _counts(y_true, y_pred, threshold, weights)
    return _share(tp, tp + fp)


def binary_recall(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    threshold: float = 0.5,
    *,
    weights: ArrayLike | None = None,
) -> float:
    """The share of the positives that are predicted positive: TP / (TP + FN).

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Scores, shape (N,).
        threshold: Scores of at least this value predict the label 1.
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The share, in 0 to 1; 0 if there are no positives; NaN as `accuracy_score`.

    Raises:
        ValueError: As `accuracy_score`.

    Example:
        >>> binary_recall([1, 0, 0, 1], [0.9, 0.2, 0.6, 0.4])
        0.5
    """
    tp, _, _, fn = _counts(y_true, y_pred, threshold, weights)
    return _share(tp, tp + fn)


def binary_f1(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    threshold: float = 0.5,
    *,
    weights: ArrayLike | None = None,
) -> float:
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Scores, shape (N,).
        threshold: Scores of at least this value predict the label 1.
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The mean, in 0 to 1; 0 if no row is positive or predicted positive; NaN as `accuracy_score`.

    Raises:
        ValueError: As `accuracy_score`.

    Example:
        >>> binary_f1([1, 0, 0, 1], [0.9, 0.2, 0.6, 0.4])
        0.5
    """
    tp, _, fp, fn = _counts(y_true, y_pred, threshold, weights)
    return _share(2 * tp, 2 * tp + fp + fn)


def _counts(
    y_true: ArrayLike, y_pred: ArrayLike, threshold: float, weights: ArrayLike | None
) -> tuple[float, float, float, float]:
    """Return TP, TN, FP and FN: counts, or sums of weights.

    They are NaN if a score is NaN.
    """
    check_number("(-inf, inf)", threshold=threshold)
    labels, scores, w = binary_rows(y_true, y_pred, weights)
    if np.isnan(scores).any():
        log.warning("%d scores are NaN: metrics at a threshold are NaN.", np.isnan(scores).sum())
        return (math.nan,) * 4
    if not len(labels):
        return (math.nan,) * 4
    # 2 y + ŷ is 0 for TN, 1 for FP, 2 for FN, 3 for TP
    outcomes = 2 * labels.astype(np.int64) + (scores >= threshold)
    tn, fp, fn, tp = np.bincount(outcomes, weights=w, minlength=4).tolist()
    return tp, tn, fp, fn


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
