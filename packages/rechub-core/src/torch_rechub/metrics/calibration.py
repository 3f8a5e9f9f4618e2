"""Metrics of probabilities: normalized entropy and calibration."""

import logging
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._bounds import check_whole
from .columns import soft_rows
from .prediction import log_loss

log = logging.getLogger("torch_rechub")


def normalized_entropy(
    y_true: ArrayLike, y_pred: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """Normalized entropy: log loss divided by that of the constant prediction p̄, the mean label.

    NE = (1/N) Σ −(y ln p + (1 − y) ln(1 − p)) / −(p̄ ln p̄ + (1 − p̄) ln(1 − p̄)).

    Args:
        y_true: Labels in [0, 1], shape (N,).
        y_pred: Probabilities, shape (N,); clipped as in `log_loss`.
        weights: Weights of rows, also in p̄, at least 0, shape (N,); None means equal weights.

    Returns:
        The ratio, at least 0; NaN with a warning if it is undefined: one class only, or no rows.

    Raises:
        ValueError: Lengths differ, or a label is outside [0, 1].

    Example:
        >>> normalized_entropy([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25])
        1.0

    Reference:
        He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014.
    """
    labels, p, w = soft_rows(y_true, y_pred, weights)
    if len(labels) == 0 or np.average(labels, weights=w) in (0, 1):
        classes = f"only the label {labels[0]:g}" if len(labels) else "no rows"
        log.warning("Normalized entropy is undefined on %s: reported as NaN.", classes)
        return math.nan
    constant = np.full(len(p), np.average(labels, weights=w))
    return log_loss(labels, p, weights=w) / log_loss(labels, constant, weights=w)


def calibration_score(
    y_true: ArrayLike, y_pred: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """Calibration: the mean prediction divided by the mean label, Σ p / Σ y; 1 is best.

    Args:
        y_true: Labels in [0, 1], shape (N,).
        y_pred: Probabilities, shape (N,).
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The ratio; NaN with a warning if every label is 0.

    Raises:
        ValueError: Lengths differ, or a label is outside [0, 1].

    Example:
        >>> calibration_score([1, 0, 0, 0], [0.5, 0.25, 0.25, 0.5])
        1.5

    Reference:
        He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014.
    """
    labels, p, w = soft_rows(y_true, y_pred, weights)
    if labels.sum() == 0:
        log.warning("Calibration is undefined without a positive label: reported as NaN.")
        return math.nan
    return float(p.sum() / labels.sum() if w is None else (w @ p) / (w @ labels))


def calibration_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    n_bins: int = 10,
    *,
    weights: ArrayLike | None = None,
) -> float:
    """The expected calibration error: Σ_b (n_b / N) |mean prediction of b − mean label of b|.

    The bins have equal mass: the rows, ordered by prediction, are split into n_bins runs whose
    lengths differ by at most one. Rows with the same prediction get their mean label, so that the
    order of the rows has no effect. With weights the bins have equal weight, and a row on a border
    is divided between two bins; integer weights give the same bins as repeated rows.

    Args:
        y_true: Labels in [0, 1], shape (N,).
        y_pred: Probabilities, shape (N,).
        n_bins: Number of bins; N if there are fewer rows.
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The error, in 0 to 1 for probabilities; NaN for no rows, and with a warning if
        a prediction is NaN.

    Raises:
        ValueError: Lengths differ, a label is outside [0, 1], or n_bins is below 1.

    Example:
        >>> calibration_error([0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5], n_bins=2)
        0.375

    Reference:
        Nixon et al., "Measuring Calibration in Deep Learning", CVPR Workshops 2019,
        arXiv:1904.01685.
    """
    labels, p, w = soft_rows(y_true, y_pred, weights)
    check_whole(1, n_bins=n_bins)
    if np.isnan(p).any():
        log.warning(
            "Calibration error is undefined, %d scores are NaN: reported as NaN.", np.isnan(p).sum()
        )
        return math.nan
    if len(labels) == 0:
        return math.nan
    of_row = np.unique(p, return_inverse=True)[1]
    if w is None:
        shared = (np.bincount(of_row, weights=labels) / np.bincount(of_row))[of_row]
        gaps = (p - shared)[np.argsort(p, kind="stable")]
        return sum(abs(float(b.sum())) for b in np.array_split(gaps, min(n_bins, len(p)))) / len(p)
    means = np.bincount(of_row, weights=labels * w) / np.bincount(of_row, weights=w)
    order = np.argsort(p, kind="stable")
    gaps, mass = (p - means[of_row])[order] * w[order], np.append(0.0, np.cumsum(w[order]))
    up_to = np.interp(_borders(w, n_bins), mass, np.append(0.0, np.cumsum(gaps)))
    return float(np.abs(np.diff(up_to)).sum() / mass[-1])


def _borders(w: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Return the cumulative weight at each border of bins, from 0 to the total."""
    total = w.sum()
    if (w != np.floor(w)).any():
        return np.linspace(0.0, total, n_bins + 1)
    n_bins = int(min(n_bins, total))
    size, larger = divmod(total, n_bins)  # as np.array_split
    bins = np.arange(n_bins + 1)
    return np.asarray(bins * size + np.minimum(bins, larger), dtype=np.float64)
