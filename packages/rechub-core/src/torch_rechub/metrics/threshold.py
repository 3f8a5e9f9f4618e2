"""Metrics of decisions: probabilities that reach a threshold count as positive."""

import math

from numpy.typing import ArrayLike

from .prediction import labels_and_scores


def accuracy_at(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> float:
    """The share of rows that are decided right: (TP + TN) / N.

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Probabilities, shape (N,).
        threshold: From here on a row counts as positive.

    Returns:
        The share, in 0 to 1; NaN where there is no row.

    Example:
        >>> accuracy_at([0, 1, 1, 0], [0.2, 0.9, 0.4, 0.1])
        0.75
    """
    true_positive, predicted, positive, n = _counts(y_true, y_pred, threshold)
    return _ratio(n - predicted - positive + 2 * true_positive, n, math.nan)


def precision_at(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> float:
    """The share of positives among the rows decided positive: TP / (TP + FP); 0 without any.

    Arguments as in `accuracy_at`.

    Example:
        >>> precision_at([0, 1, 1, 0], [0.6, 0.9, 0.4, 0.1])
        0.5
    """
    true_positive, predicted, _, _ = _counts(y_true, y_pred, threshold)
    return _ratio(true_positive, predicted)


def recall_at(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> float:
    """The share of the positives that are decided positive: TP / (TP + FN); 0 without any.

    Arguments as in `accuracy_at`.

    Example:
        >>> recall_at([0, 1, 1, 0], [0.6, 0.9, 0.4, 0.1])
        0.5
    """
    true_positive, _, positive, _ = _counts(y_true, y_pred, threshold)
    return _ratio(true_positive, positive)


def f1_at(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> float:
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN); 0 without any.

    Arguments as in `accuracy_at`.

    Example:
        >>> f1_at([0, 1, 1, 0], [0.6, 0.9, 0.4, 0.1])
        0.5
    """
    true_positive, predicted, positive, _ = _counts(y_true, y_pred, threshold)
    return _ratio(2 * true_positive, predicted + positive)


def _counts(y_true: ArrayLike, y_pred: ArrayLike, threshold: float) -> tuple[int, int, int, int]:
    """True positives, rows decided positive, positives, rows."""
    labels, scores = labels_and_scores(y_true, y_pred)
    positive, predicted = labels > 0, scores >= threshold
    both = positive & predicted
    return int(both.sum()), int(predicted.sum()), int(positive.sum()), len(labels)


def _ratio(part: int, whole: int, undefined: float = 0.0) -> float:
    return part / whole if whole else undefined
