"""Computation of metrics of predictions and of recommended lists."""

import logging
import math
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .columns import of_length, pair, weights_of
from .lists import RankedLists
from .monitor import Metric, Needs
from .observed import observe_lists, observe_rows
from .ranking import metric_of_hits, ranking_metrics_from_hits

log = logging.getLogger("torch_rechub")

__all__ = ["RankedLists", "check_needs", "hits_within_groups", "of_lists", "of_predictions"]


def of_predictions(
    metrics: Sequence[Metric],
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> dict[str, float]:
    """Compute metrics of predictions, and ranking metrics within groups.

    For ranking metrics, the list of a group are its rows by descending score, ties in the order of
    the rows; rows with a label above 0 are relevant. Rows of weight 0 are excluded from all
    metrics; other weights are passed to metrics that support them, see `Metric`.

    Args:
        metrics: Metrics that need "predictions", "groups" or "hits".
        labels: Shape (N,).
        scores: Shape (N,).
        groups: The group of each row, such as its user, shape (N,); numbers or strings.
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.

    Returns:
        Name → value, in the order of the metrics.

    Raises:
        ValueError: A metric needs groups and none are given, a metric needs lists, lengths differ,
            or weights are given and a metric does not declare whether it supports them.

    Example:
        >>> from torch_rechub.metrics.monitor import as_metrics
        >>> of_predictions(as_metrics(["auc", "hit@1"]), [0, 1, 1], [0.1, 0.2, 0.3], [7, 7, 8])
        {'auc': 1.0, 'hit@1': 1.0}
    """
    available: set[Needs] = {"predictions"} if groups is None else {"predictions", "groups"}
    check_needs(metrics, available, "of_predictions")
    if weights is not None:
        check_weighted(metrics)
        labels, scores, groups, weights = _of_weight_above_0(labels, scores, groups, weights)
    observe_rows(metrics, labels, scores, groups, weights)
    found: dict[str, float] = {}
    for metric in metrics:
        given = keyword_of_weights(metric, weights)
        if metric.needs == "predictions":
            found[metric.name] = float(metric.function(labels, scores, **given))
        elif metric.needs == "groups":
            found[metric.name] = float(metric.function(labels, scores, groups, **given))
    of_hits = [metric for metric in metrics if metric.needs == "hits"]
    if of_hits and groups is not None:
        found |= _within_groups(of_hits, labels, scores, groups)
    return {metric.name: found[metric.name] for metric in metrics}


def of_lists(metrics: Sequence[Metric], ranked: RankedLists) -> dict[str, float]:
    """Compute metrics of recommended lists.

    Args:
        metrics: Metrics that need "hits" or "lists".
        ranked: The lists, with at least max k ranks.

    Returns:
        Name → value, in the order of the metrics.

    Raises:
        ValueError: A metric needs predictions or groups, the lists are too short, or an input of a
            metric is missing, such as `item_embeddings`.

    Example:
        >>> from torch_rechub.metrics.monitor import as_metrics
        >>> ranked = RankedLists([[True, False]], [1], items=[[2, 0]], n_items=4)
        >>> of_lists(as_metrics(["mrr@2", "coverage@2"]), ranked)
        {'mrr@2': 1.0, 'coverage@2': 0.5}
    """
    check_needs(metrics, ("hits", "lists"), "of_lists")
    if ranked.weights is not None:
        check_weighted(metrics)
        ranked = ranked.of_weight_above_0()
    observe_lists(metrics, ranked)
    return _of_lists(metrics, ranked)


def _of_lists(metrics: Sequence[Metric], ranked: RankedLists) -> dict[str, float]:
    """The metrics of lists that are checked."""
    ours = {metric.name: k for metric in metrics if (k := k_of_hits(metric))}
    shared: dict[str, float] = {}
    if ours:  # the counts are shared by all Ks
        longest = ranked.first(max(ours.values()))
        ks = sorted(set(ours.values()))
        given = (longest.hits, longest.n_relevant, ks)
        shared = ranking_metrics_from_hits(*given, weights=longest.weights)
    return {
        metric.name: shared[metric.name] if metric.name in ours else _of_one(metric, ranked)
        for metric in metrics
    }


def hits_within_groups(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, k: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return hits and numbers of relevant rows by group, for `ranking_metrics_from_hits`.

    Args:
        labels: Labels, shape (N,); rows with a label above 0 are relevant.
        scores: Shape (N,); ties stay in the order of the rows.
        groups: Shape (N,).
        k: Number of ranks; ranks beyond the rows of a group are misses.

    Returns:
        Hits, shape (U, k), and relevant rows, shape (U,), of the U groups in ascending order.

    Raises:
        ValueError: Lengths differ, or a score is NaN.

    Example:
        >>> hits_within_groups([1, 0, 1], [0.1, 0.2, 0.3], ["ann", "ann", "bob"], k=2)
        (array([[False,  True],
               [ True, False]]), array([1, 1]))
    """
    y, s = pair(labels, scores)
    if np.isnan(s).any():
        raise ValueError(f"{np.isnan(s).sum()} scores are NaN: rows of a group have no order")
    names, group = np.unique(of_length(groups, len(y)), return_inverse=True)
    order = np.lexsort((-s, group))  # stable: equal scores stay in the order of the rows
    sizes = np.bincount(group, minlength=len(names))
    rank = np.arange(len(y)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    relevant = y[order] > 0
    hits = np.zeros((len(names), k), dtype=bool)
    within = rank < k
    hits[group[order][within], rank[within]] = relevant[within]
    return hits, np.bincount(group, weights=y > 0, minlength=len(names)).astype(np.int64)


def check_needs(metrics: Iterable[Metric], available: Collection[Needs], owner: str) -> None:
    """Refuse metrics that cannot be computed, before training.

    Args:
        metrics: The metrics.
        available: The available inputs of metrics; groups of predictions include hits.
        owner: The class that computes them, such as "CTRTrainer", for the message.

    Raises:
        ValueError: A metric cannot be computed; the message names it, its needs and the remedy.

    Example:
        >>> from torch_rechub.metrics.monitor import as_metrics
        >>> check_needs(as_metrics("gauc"), ["predictions"], "CTRTrainer")
        Traceback (most recent call last):
        ValueError: CTRTrainer cannot compute gauc, which needs the group of each row: give ...
    """
    for metric in metrics:
        by_group = metric.needs == "hits" and "groups" in available
        if metric.needs not in available and not by_group:
            needed = _needed(metric, "predictions" in available, owner)
            raise ValueError(f"{owner} cannot compute {metric.name}, which needs {needed}")


def check_weighted(metrics: Iterable[Metric]) -> None:
    """Refuse metrics that do not declare whether they support weights, if rows have weights.

    Raises:
        ValueError: There is such a metric; the message names it and the remedy.
    """
    for metric in metrics:
        if metric.weighted is None:
            raise ValueError(
                f"the rows have weights, and metric {metric.name} does not say whether it takes "
                f"them: give Metric({metric.name!r}, …, weighted=True) if its function has an "
                "argument `weights`, or weighted=False to count all rows of weight above 0 alike"
            )


def keyword_of_weights(metric: Metric, weights: ArrayLike | None) -> dict[str, ArrayLike]:
    """Return the weights as keyword argument of a metric's function; empty if it takes none."""
    if weights is None or not metric.weighted:
        return {}
    return {"weights" if metric.weighted is True else metric.weighted: weights}


def _of_weight_above_0(*columns: Any) -> list[Any]:
    """Drop rows of weight 0 from columns, the last of which are the weights."""
    *_, w = columns
    counts = weights_of(w, np.size(w)) > 0
    if counts.all():
        return list(columns)
    return [None if column is None else np.asarray(column)[counts] for column in columns]


def _needed(metric: Metric, has_rows: bool, owner: str) -> str:
    """Return the missing data of a metric, and the remedy."""
    retrieval = "give retrieval=RetrievalData(…)" if owner == "MatchTrainer" else ""
    if metric.needs == "lists":
        return f"recommended lists: {retrieval or 'only retrieval from a catalog makes them'}"
    if metric.needs == "hits" and not has_rows:
        return f"ranked lists: {retrieval or 'this task makes none'}"
    if not has_rows:
        return "a label and a prediction of each row: give metrics of lists, such as ndcg@10"
    what = "the group of each row" if metric.needs == "groups" else "lists to rank"
    either = f"{retrieval}, or " if metric.needs == "hits" and retrieval else ""
    return f'{what}: {either}give group_column=, such as "user_id"'


def k_of_hits(metric: Metric) -> int | None:
    """The k of a metric of `ranking_metrics_from_hits` under its own name; None for others."""
    function = metric.function
    ours = isinstance(function, partial) and function.func is metric_of_hits
    # custom names are not computed together
    if ours and metric.name == f"{function.keywords['name']}@{metric.k}":  # type: ignore[attr-defined]
        return metric.k
    return None


def _within_groups(
    metrics: Sequence[Metric], labels: ArrayLike, scores: ArrayLike, groups: ArrayLike
) -> dict[str, float]:
    if n := int(np.isnan(np.asarray(scores, dtype=np.float64)).sum()):
        log.warning("Ranking metrics are undefined, %d scores are NaN: reported as NaN.", n)
        return {metric.name: math.nan for metric in metrics}
    hits, n_relevant = hits_within_groups(labels, scores, groups, max(map(_k, metrics)))
    return _of_lists(metrics, RankedLists(hits, n_relevant))


def _of_one(metric: Metric, ranked: RankedLists) -> float:
    cut = ranked.first(_k(metric))
    weights = keyword_of_weights(metric, cut.weights)
    if metric.needs == "hits":
        return float(metric.function(cut.hits, cut.n_relevant, **weights))
    return float(metric.function(cut, **weights))


def _k(metric: Metric) -> int:
    k: Any = metric.k  # not None, as `Metric` checks
    return int(k)
