"""Ranking metrics of recommended lists: NDCG, MRR, recall, ….

Use `ranking_metrics`, or `ranking_metrics_from_hits` for arrays. The other functions return the
same values as text, as in torch-rechub 0.9.
"""

import logging
import math
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .columns import weighted_mean, weights_of

log = logging.getLogger("torch_rechub")

Lists = Mapping[Any, Iterable[Any]]

_TITLES = {
    "NDCG": "ndcg",
    "MRR": "mrr",
    "Recall": "recall",
    "Hit": "hit",
    "Precision": "precision",
}


def ranking_metrics(
    y_true: Lists, y_pred: Lists, topKs: Iterable[int] | None = None
) -> dict[str, float]:
    """Six metrics of the first K recommended items, each a mean over users.

    With R the set of a user's relevant items and rel_r = 1 where the item at rank r is in R:

    - ndcg@K: Σ_{r≤K} rel_r / log₂(r + 1), divided by that of a perfect list of min(K, |R|) hits;
    - mrr@K: 1 / rank of the first hit, 0 without a hit;
    - recall@K: hits / |R|;
    - hit@K: 1 with a hit, else 0, so the mean is the share of users with at least one;
    - precision@K: hits / K, also where the list is shorter than K;
    - map@K: Σ_{r≤K} rel_r · (hits up to r) / r, over min(K, |R|), so that a perfect list of K items
      has 1. trec_eval's map_cut divides by |R|, which gives less where |R| > K.

    A repeated item counts once, at its first rank; repetitions are misses.

    Args:
        y_true: User → their relevant items. Users with none are skipped.
        y_pred: User → recommended items, best first. Users not in `y_true` are skipped.
        topKs: The Ks; [5] if None.

    Returns:
        {"ndcg@5": …, "mrr@5": …, …}, in 0 to 1; NaN with a warning if no user has a relevant
        item.

    Raises:
        KeyError: A user with relevant items is not in `y_pred`; give such users an empty list.
        ValueError: a K is below 1, or no K is given.

    Example:
        >>> metrics = ranking_metrics({"ann": [1, 2], "bob": [4]}, {"ann": [1, 9], "bob": [5]}, [2])
        >>> {name: round(value, 3) for name, value in metrics.items()}
        {'ndcg@2': 0.307, 'mrr@2': 0.5, 'recall@2': 0.25, 'hit@2': 0.5, 'precision@2': 0.25, ...}

    Reference:
        Järvelin and Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", TOIS 2002.
    """
    ks = top_ks(topKs)
    relevant = {user: set(as_items(items)) for user, items in y_true.items()}
    relevant = {user: items for user, items in relevant.items() if items}
    n_relevant = [len(items) for items in relevant.values()]
    hits = np.zeros((len(relevant), max(ks)), dtype=bool)
    for row, (user, items) in zip(hits, relevant.items(), strict=True):
        if user not in y_pred:
            raise KeyError(
                f"user {user!r} of y_true is not in y_pred; an empty list recommends nothing"
            )
        found = [_take(item, items) for item in as_items(y_pred[user])[: max(ks)]]
        row[: len(found)] = found
    return ranking_metrics_from_hits(hits, n_relevant, ks)


def ranking_metrics_from_hits(
    hits: ArrayLike,
    n_relevant: ArrayLike,
    ks: Iterable[int],
    *,
    weights: ArrayLike | None = None,
) -> dict[str, float]:
    """Compute the metrics of `ranking_metrics` from hits.

    Args:
        hits: Whether the item at each rank is relevant, best first, each relevant item at most
            once, shape (U, L) with L at least the largest K.
        n_relevant: Number of relevant items of each user, found or not, shape (U,). Users with 0
            are skipped.
        ks: The Ks.
        weights: How much each user counts in the means, at least 0, shape (U,); None counts all
            alike.

    Returns:
        {"ndcg@5": …, "mrr@5": …, …}; NaN with a warning where no user has a relevant item, and a
        weight above 0.

    Raises:
        ValueError: If shapes do not fit each other, a K is below 1 or above L, a user has more
            hits than relevant items, or a weight is negative or not finite.

    Example:
        >>> ranking_metrics_from_hits([[False, True], [False, False]], [1, 3], [2])["mrr@2"]
        0.25
    """
    ks = top_ks(ks)
    rel, n = _checked_hits(hits, n_relevant, max(ks))
    w = None if weights is None else weights_of(weights, len(n))
    counts = n > 0 if w is None else (n > 0) & (w > 0)
    rel, n, w = rel[counts], n[counts], None if w is None else w[counts]
    if len(n) == 0:
        log.warning("No user has a relevant item: ranking metrics are reported as NaN.")
    return {
        name: weighted_mean(values, w) if len(n) else math.nan
        for name, values in hits_by_user(rel, n, ks).items()
    }


def hits_by_user(
    hits: ArrayLike, n_relevant: ArrayLike, ks: Iterable[int]
) -> dict[str, NDArray[np.float64]]:
    """The values of users whose means `ranking_metrics_from_hits` returns.

    Args:
        hits: See `ranking_metrics_from_hits`, shape (U, L).
        n_relevant: At least 1, shape (U,).
        ks: The Ks.

    Returns:
        {"ndcg@5": …, "mrr@5": …, …}, each of shape (U,).

    Raises:
        ValueError: As `ranking_metrics_from_hits`.

    Example:
        >>> hits_by_user([[False, True], [True, False]], [1, 3], [2])["mrr@2"]
        array([0.5, 1. ])
    """
    ks = top_ks(ks)
    rel, n = _checked_hits(hits, n_relevant, max(ks))
    ranks = np.arange(1, rel.shape[1] + 1)
    so_far = np.cumsum(rel, axis=1)  # hits up to each rank
    gains = 1 / np.log2(ranks + 1)
    dcg, ideal = np.cumsum(rel * gains, axis=1), np.cumsum(gains)
    precisions = np.cumsum(rel * so_far / ranks, axis=1)
    first = np.where(rel.any(axis=1), rel.argmax(axis=1) + 1, np.inf)

    def at(k: int) -> dict[str, NDArray[np.float64]]:
        found, best = so_far[:, k - 1], np.minimum(k, n)
        return {
            "ndcg": dcg[:, k - 1] / ideal[best - 1],
            "mrr": np.where(first <= k, 1 / first, 0.0),
            "recall": found / n,
            "hit": (found > 0).astype(np.float64),
            "precision": found / k,
            "map": precisions[:, k - 1] / best,
        }

    return {f"{name}@{k}": values for k in ks for name, values in at(k).items()}


def _checked_hits(
    hits: ArrayLike, n_relevant: ArrayLike, k: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Hits and numbers of relevant items as arrays; ValueError unless they fit each other."""
    rel, n = np.asarray(hits, dtype=bool), np.asarray(n_relevant, dtype=np.int64)
    if rel.ndim != 2 or n.shape != rel.shape[:1]:
        raise ValueError(
            f"hits must be (users, ranks) and n_relevant (users,), got {rel.shape} and {n.shape}"
        )
    if k > rel.shape[1]:
        raise ValueError(f"hits has {rel.shape[1]} ranks, too few for metrics at {k}")
    if (rel.sum(axis=1) > n).any():
        row = int(np.argmax(rel.sum(axis=1) > n))
        raise ValueError(f"row {row} has {rel[row].sum()} hits of {n[row]} relevant items")
    return rel, n


def metric_of_hits(
    hits: ArrayLike, n_relevant: ArrayLike, name: str, *, weights: ArrayLike | None = None
) -> float:
    """One metric of `ranking_metrics_from_hits`, at the last rank of the hits.

    Args:
        hits: See `ranking_metrics_from_hits`, shape (U, K).
        n_relevant: See `ranking_metrics_from_hits`, shape (U,).
        name: "ndcg", "mrr", "recall", "hit", "precision" or "map".
        weights: See `ranking_metrics_from_hits`.

    Returns:
        The metric at K, in 0 to 1.

    Raises:
        ValueError: As `ranking_metrics_from_hits`.

    Example:
        >>> metric_of_hits([[False, True], [False, False]], [1, 3], "mrr")
        0.25
    """
    k = np.shape(hits)[-1]
    return ranking_metrics_from_hits(hits, n_relevant, [k], weights=weights)[f"{name}@{k}"]


def topk_metrics(
    y_true: Lists, y_pred: Lists, topKs: Iterable[int] | None = None
) -> dict[str, list[str]]:
    """Compute five metrics of `ranking_metrics`, as text rounded to four digits.

    "Hit" is the share of users with at least one hit. In torch-rechub 0.9 it was the
    number of hits divided by the number of relevant items of all users.

    Args:
        y_true: User → their relevant items.
        y_pred: User → recommended items, best first.
        topKs: The Ks; [5] if None.

    Returns:
        {"NDCG": […], "MRR": […], "Recall": […], "Hit": […], "Precision": […]}, a text for each K.

    Raises:
        KeyError: a user with relevant items is not in `y_pred`.
        ValueError: a K is below 1, or no K is given.

    Example:
        >>> topk_metrics({0: [1, 2, 3], 1: [4]}, {0: [1, 9], 1: [5, 4]}, [1, 2])["Recall"]
        ['Recall@1: 0.1667', 'Recall@2: 0.6667']
    """
    ks = top_ks(topKs)
    values = ranking_metrics(y_true, y_pred, ks)
    return {
        title: [as_text(title, k, values[f"{name}@{k}"]) for k in ks]
        for title, name in _TITLES.items()
    }


def ndcg_score(y_true: Lists, y_pred: Lists, topKs: Iterable[int] | None = None) -> list[str]:
    """The texts of NDCG in `topk_metrics`, one for each K: ["NDCG@5: 0.1234"]."""
    return topk_metrics(y_true, y_pred, topKs)["NDCG"]


def hit_score(y_true: Lists, y_pred: Lists, topKs: Iterable[int] | None = None) -> list[str]:
    """The texts of the user hit rate in `topk_metrics`, one for each K: ["Hit@5: 0.1234"]."""
    return topk_metrics(y_true, y_pred, topKs)["Hit"]


def mrr_score(y_true: Lists, y_pred: Lists, topKs: Iterable[int] | None = None) -> list[str]:
    """The texts of MRR in `topk_metrics`, one for each K: ["MRR@5: 0.1234"]."""
    return topk_metrics(y_true, y_pred, topKs)["MRR"]


def recall_score(y_true: Lists, y_pred: Lists, topKs: Iterable[int] | None = None) -> list[str]:
    """The texts of recall in `topk_metrics`, one for each K: ["Recall@5: 0.1234"]."""
    return topk_metrics(y_true, y_pred, topKs)["Recall"]


def precision_score(y_true: Lists, y_pred: Lists, topKs: Iterable[int] | None = None) -> list[str]:
    """The texts of precision in `topk_metrics`, one for each K: ["Precision@5: 0.1234"]."""
    return topk_metrics(y_true, y_pred, topKs)["Precision"]


def top_ks(topKs: Iterable[int] | None) -> list[int]:
    """Return the Ks as a list, [5] by default; ValueError unless all are at least 1."""
    if isinstance(topKs, int):
        raise ValueError(f"topKs must be a list such as [{topKs}], got {topKs}")
    ks: list[Any] = [5] if topKs is None else list(topKs)
    for k in ks or [0]:
        if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
            raise ValueError(f"topKs must be one or more whole numbers of at least 1, got {topKs}")
    return [int(k) for k in ks]


def as_items(items: Any) -> list[Any]:
    """Convert items to Python values, because elements of tensors are not equal as dict keys."""
    return items.tolist() if hasattr(items, "tolist") else list(items)


def as_text(title: str, k: int, value: float) -> str:
    """Format a metric as in `topk_metrics`."""
    return f"{title}@{k}: {round(value, 4)}"


def _take(item: Any, items: set[Any]) -> bool:
    """Remove `item` from `items`; return whether it was there."""
    found = item in items
    if found:
        items.remove(item)
    return found
