"""Metrics of predictions, as plain floats."""

import logging
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .columns import of_length, pair, refuse_other_labels, rows_that_count, weighted_mean

log = logging.getLogger("torch_rechub")


def auc_score(y_true: ArrayLike, y_pred: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the probability that a positive ranks above a negative.

    AUC = Σ_s p_s (n_{<s} + n_s / 2) / (P N) over the distinct scores s, with p_s positives and n_s
    negatives at s and n_{<s} negatives below; ties count ½. With weights, counts are sums of
    weights.

    Args:
        y_true: Labels 0 and 1, shape (N,); of two other values the larger one is positive.
        y_pred: Scores, shape (N,).
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The area, in 0 to 1; NaN with a warning if it is undefined: one class only, no rows, or
        a NaN score.

    Raises:
        ValueError: Lengths differ, labels have more than two values, or a weight is negative or not
            finite.

    Example:
        >>> auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    labels, scores, w = rows_that_count(y_true, y_pred, weights)
    if len(labels) == 0 or labels.min() == labels.max():
        classes = f"only the label {labels[0]:g}" if len(labels) else "no rows"
        log.warning("AUC is undefined on %s: reported as NaN.", classes)
        return math.nan
    if np.isnan(scores).any():
        log.warning("AUC is undefined, %d scores are NaN: reported as NaN.", np.isnan(scores).sum())
        return math.nan
    positive = labels == labels.max()
    negative = labels == labels.min()
    if not (positive | negative).all():
        other = labels[~(positive | negative)][0]
        raise ValueError(
            f"AUC takes labels of two values, got {labels.min():g}, {other:g} and {labels.max():g}"
        )
    order = np.argsort(scores)
    ascending = scores[order]
    last = np.append(np.flatnonzero(ascending[1:] != ascending[:-1]), len(scores) - 1)
    positive, negative = positive[order], negative[order]
    if w is not None:
        positive, negative = positive * w[order], negative * w[order]
    positives = np.cumsum(positive)[last]  # cumulative counts up to this score
    negatives = np.cumsum(negative)[last]
    below = np.append(0, negatives[:-1])
    won = np.diff(positives, prepend=0) @ (below + negatives) / 2
    return float(won / (float(positives[-1]) * float(negatives[-1])))


def gauc_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    users: ArrayLike,
    weights: Mapping[Any, float] | Literal["positives"] | None = None,
) -> float:
    """The AUC of each user's rows, averaged over users: GAUC = Σ_u w_u AUC_u / Σ_u w_u.

    AUC_u = (R_u − P_u (P_u + 1) / 2) / (P_u N_u), where R_u is the sum of the ranks of the P_u
    positives among the user's P_u + N_u scores, equal scores sharing their mean rank. Users
    with rows of one class only are skipped.

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Scores, shape (N,).
        users: The user of each row, shape (N,); numbers or strings, in any order.
        weights: w_u by user, at least 0; None means the number of rows of the user, "positives" the
            number of positive rows.

    Returns:
        The average, in 0 to 1; NaN with a warning if it is undefined: no user has rows of both
        classes and a weight above 0, or a score is NaN.

    Raises:
        ValueError: lengths differ, a label is neither 0 nor 1, or a weight is negative or NaN.
        KeyError: `weights` lacks a user that has rows of both classes.

    Example:
        >>> users = ["ann", "ann", "bob", "bob", "bob", "eve"]
        >>> gauc_score([0, 1, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], users)
        0.7

    Reference:
        Zhu et al., "Optimized Cost per Click in Taobao Display Advertising", KDD 2017,
        arXiv:1703.02091.
    """
    scores = pair(y_true, y_pred)[1]
    if np.isnan(scores).any():
        log.warning(
            "GAUC is undefined, %d scores are NaN: reported as NaN.", np.isnan(scores).sum()
        )
        return math.nan
    names, auc, n, n_pos = auc_by_user(y_true, y_pred, users)
    w = _weights(weights, names.tolist(), n, n_pos)
    if w.sum() == 0:
        log.warning("GAUC is undefined, no user counts: reported as NaN.")
        return math.nan
    return float(w @ auc / w.sum())


def auc_by_user(
    y_true: ArrayLike, y_pred: ArrayLike, users: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The AUC of each user with rows of both classes, see `gauc_score`.

    Args:
        y_true: Labels 0 and 1, shape (N,).
        y_pred: Scores, none of them NaN, shape (N,).
        users: The user of each row, shape (N,).

    Returns:
        The users in order, and of each the AUC, the number of rows and that of positives.

    Raises:
        ValueError: Lengths differ, or a label is neither 0 nor 1.

    Example:
        >>> auc_by_user([0, 1, 1], [0.1, 0.2, 0.3], ["ann", "ann", "eve"])
        (array(['ann'], dtype='<U3'), array([1.]), array([2]), array([1.]))
    """
    labels, scores = pair(y_true, y_pred)
    names, user = np.unique(of_length(users, len(labels)), return_inverse=True)
    refuse_other_labels(labels)
    n = np.bincount(user, minlength=len(names))
    n_pos = np.bincount(user, weights=labels, minlength=len(names))
    ranks = _ranks_within(user, scores, n)
    rank_sum = np.bincount(user, weights=ranks * labels, minlength=len(names))
    both = (n_pos > 0) & (n_pos < n)
    n, n_pos = n[both], n_pos[both]
    auc = (rank_sum[both] - n_pos * (n_pos + 1) / 2) / (n_pos * (n - n_pos))
    return names[both], auc, n, n_pos


def get_user_pred(
    y_true: ArrayLike, y_pred: ArrayLike, users: ArrayLike
) -> dict[Any, dict[str, list[Any]]]:
    """Group labels and predictions by user, in the order of the rows.

    Args:
        y_true: Labels, shape (N,).
        y_pred: Predictions, shape (N,).
        users: The user of each row, shape (N,).

    Returns:
        User → {"y_true": labels, "y_pred": predictions}, users in order of their first row.

    Raises:
        ValueError: lengths differ.

    Example:
        >>> get_user_pred([0, 1, 1], [0.1, 0.2, 0.3], [7, 3, 7])
        {7: {'y_true': [0, 1], 'y_pred': [0.1, 0.3]}, 3: {'y_true': [1], 'y_pred': [0.2]}}
    """
    labels, predictions = pair(y_true, y_pred, dtype=None)
    names, first, user = np.unique(
        of_length(users, len(labels)), return_index=True, return_inverse=True
    )
    keys = names.tolist()
    rows_of = np.split(np.argsort(user, kind="stable"), np.cumsum(np.bincount(user))[:-1])
    return {
        keys[u]: {
            "y_true": labels[rows_of[u]].tolist(),
            "y_pred": predictions[rows_of[u]].tolist(),
        }
        for u in np.argsort(first)
    }


def log_loss(y_true: ArrayLike, y_pred: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Mean binary cross-entropy: −(1/N) Σ y ln p + (1 − y) ln(1 − p), in nats.

    Args:
        y_true: Labels in [0, 1], shape (N,).
        y_pred: Probabilities, shape (N,); clipped to [1e-15, 1 − 1e-15].
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The loss; NaN for no rows.

    Example:
        >>> round(log_loss([1, 0], [0.9, 0.2]), 4)
        0.1643
    """
    labels, p, w = rows_that_count(y_true, y_pred, weights)
    if len(labels) == 0:
        return math.nan
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return -weighted_mean(labels * np.log(p) + (1 - labels) * np.log1p(-p), w)


def mse_score(y_true: ArrayLike, y_pred: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Mean squared error: (1/N) Σ (y − ŷ)².

    Args:
        y_true: Labels, shape (N,).
        y_pred: Predictions, shape (N,).
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The error, in the unit of the labels squared; NaN for no rows.

    Example:
        >>> mse_score([1.0, 2.0], [1.0, 4.0])
        2.0
    """
    labels, predictions, w = rows_that_count(y_true, y_pred, weights)
    return weighted_mean((labels - predictions) ** 2, w) if len(labels) else math.nan


def rmse_score(y_true: ArrayLike, y_pred: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Root of the mean squared error: √( (1/N) Σ (y − ŷ)² ).

    Args:
        y_true: Labels, shape (N,).
        y_pred: Predictions, shape (N,).
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The error, in the unit of the labels; NaN for no rows.

    Example:
        >>> rmse_score([1.0, 2.0], [1.0, 4.0])
        1.4142135623730951
    """
    return math.sqrt(mse_score(y_true, y_pred, weights=weights))


def mae_score(y_true: ArrayLike, y_pred: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Mean absolute error: (1/N) Σ |y − ŷ|.

    Args:
        y_true: Labels, shape (N,).
        y_pred: Predictions, shape (N,).
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        The error, in the unit of the labels; NaN for no rows.

    Example:
        >>> mae_score([1.0, 2.0], [1.0, 4.0])
        1.0
    """
    labels, predictions, w = rows_that_count(y_true, y_pred, weights)
    return weighted_mean(np.abs(labels - predictions), w) if len(labels) else math.nan


def _ranks_within(
    group: NDArray[np.intp], scores: NDArray[np.float64], sizes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the rank of each score in its group, 1 for the lowest; ties share the mean."""
    order = np.lexsort((scores, group))
    g, s = group[order], scores[order]
    new = np.ones(len(g), dtype=bool)  # starts of runs of equal scores within a group
    new[1:] = (g[1:] != g[:-1]) | (s[1:] != s[:-1])
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(g))
    before = np.cumsum(sizes) - sizes  # number of rows in previous groups
    ranks = np.empty(len(g))
    ranks[order] = ((starts + 1 + ends) / 2)[np.cumsum(new) - 1] - before[g]
    return ranks


def _weights(
    weights: Mapping[Any, float] | str | None,
    users: list[Any],
    n: NDArray[Any],
    n_pos: NDArray[Any],
) -> NDArray[np.float64]:
    if weights is None:
        return n.astype(np.float64)
    if isinstance(weights, str):
        if weights != "positives":
            raise ValueError(f"weights must be a mapping, 'positives' or None, got {weights!r}")
        return n_pos.astype(np.float64)
    for user in users:
        if user not in weights:
            raise KeyError(f"no weight for user {user!r}")
        if not weights[user] >= 0:
            raise ValueError(f"the weight of user {user!r} is {weights[user]}, must be at least 0")
    return np.array([weights[user] for user in users], dtype=np.float64)
