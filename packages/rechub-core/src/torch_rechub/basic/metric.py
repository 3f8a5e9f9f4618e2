"""Metrics of predictions, as plain floats."""

import logging
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sklearn_metrics

log = logging.getLogger("torch_rechub")


def auc_score(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive ranks above a negative, ties counting ½.

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Scores, shape (N,).

    Returns:
        The area, in 0 to 1; NaN with a warning where it is undefined: one class only, no row at
        all, or a score that is NaN.

    Example:
        >>> auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    labels, scores = _pair(y_true, y_pred)
    if len(labels) == 0 or labels.min() == labels.max():
        classes = f"only the label {labels[0]:g}" if len(labels) else "no rows"
        log.warning("AUC is undefined on %s: reported as NaN.", classes)
        return math.nan
    if np.isnan(scores).any():
        log.warning("AUC is undefined, %d scores are NaN: reported as NaN.", np.isnan(scores).sum())
        return math.nan
    finite = np.nan_to_num(scores)  # ±inf as the largest numbers there are
    return float(sklearn_metrics.roc_auc_score(labels, finite))


def log_loss(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean binary cross-entropy: −(1/N) Σ y ln p + (1 − y) ln(1 − p), in nats.

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Probabilities, shape (N,); clipped to [1e-15, 1 − 1e-15].

    Returns:
        The loss; NaN where there is no row.

    Example:
        >>> round(log_loss([1, 0], [0.9, 0.2]), 4)
        0.1643
    """
    labels, p = _pair(y_true, y_pred)
    if len(labels) == 0:
        return math.nan
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return float(-np.mean(labels * np.log(p) + (1 - labels) * np.log1p(-p)))


def _pair(y_true: Any, y_pred: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    labels = np.asarray(y_true, dtype=np.float64).reshape(-1)
    scores = np.asarray(y_pred, dtype=np.float64).reshape(-1)
    if len(labels) != len(scores):
        raise ValueError(f"{len(labels)} labels, but {len(scores)} predictions")
    return labels, scores
