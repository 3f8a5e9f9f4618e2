"""Metrics of calibration: whether predicted probabilities are right on average."""

import logging
import math

import numpy as np
from numpy.typing import ArrayLike

from .prediction import labels_and_scores, log_loss

log = logging.getLogger("torch_rechub")


def normalized_entropy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Log loss over that of the constant prediction p, the share of positives: below 1 is better.

    NE = log loss / −(p ln p + (1 − p) ln(1 − p))

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Probabilities, shape (N,).

    Returns:
        The ratio; NaN, with a warning, where only one class occurs.

    Example:
        >>> round(normalized_entropy([1, 0], [0.9, 0.2]), 4)
        0.237

    Reference:
        He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014.
    """
    labels, scores = labels_and_scores(y_true, y_pred)
    p = float(labels.mean()) if len(labels) else math.nan
    if not 0 < p < 1:
        log.warning("Normalized entropy is undefined on one class: reported as NaN.")
        return math.nan
    return log_loss(labels, scores) / -(p * math.log(p) + (1 - p) * math.log1p(-p))


def calibration_score(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """The mean prediction over the mean label: 1 is best, more means that too much is predicted.

    Args:
        y_true: Labels, shape (N,).
        y_pred: Predictions, shape (N,).

    Returns:
        The ratio; NaN, with a warning, where the labels sum to 0.

    Example:
        >>> calibration_score([1, 0, 0, 1], [0.75, 0.25, 0.5, 1.0])
        1.25
    """
    labels, scores = labels_and_scores(y_true, y_pred)
    if labels.sum() == 0:
        log.warning("Calibration is undefined, no label is positive: reported as NaN.")
        return math.nan
    return float(scores.sum() / labels.sum())


def calibration_error(y_true: ArrayLike, y_pred: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: Σ_b (n_b / N) |mean prediction_b − mean label_b|.

    The bins b hold equally many rows each, in the order of the predictions.

    Args:
        y_true: Labels, shape (N,).
        y_pred: Predictions, shape (N,).
        bins: The number of bins, at most one for each row.

    Returns:
        The error, 0 at best; NaN where there is no row.

    Example:
        >>> calibration_error([0, 1, 0, 1], [0.25, 0.5, 0.75, 1.0], bins=2)
        0.25

    Reference:
        Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
        Binning", AAAI 2015.
    """
    labels, scores = labels_and_scores(y_true, y_pred)
    if len(labels) == 0:
        return math.nan
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    gaps = [part.size * abs(scores[part].mean() - labels[part].mean()) for part in parts]
    return float(sum(gaps) / len(labels))
