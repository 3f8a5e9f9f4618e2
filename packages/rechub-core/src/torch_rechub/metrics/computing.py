"""Computing metrics: of predictions, of predictions within groups, and of ranked lists."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .beyond_accuracy import mean_coverage, mean_diversity, mean_novelty
from .monitor import Metric, Needs
from .ranking import ranking_metrics_from_hits


@dataclass(frozen=True)
class RankedLists:
    """The recommendations of an evaluation: one list for each user.

    Attributes:
        hits: Whether the item at each rank is relevant, the best rank first, (U, K).
        n_relevant: The number of relevant items of each user, (U,).
        items: The items, (U, K), by their row in the catalogue; −1 where there is none.
        n_items: The size of the catalogue.
        item_embeddings: The vectors of the catalogue, (n_items, D).
        popularity: The share of each item in all interactions, (n_items,).
    """

    hits: NDArray[np.bool_]
    n_relevant: NDArray[np.int64]
    items: NDArray[np.int64] | None = None
    n_items: int | None = None
    item_embeddings: NDArray[Any] | None = None
    popularity: NDArray[Any] | None = None


def check_needs(metrics: Sequence[Metric], available: Collection[Needs], owner: str) -> None:
    """Refuse metrics that cannot be computed.

    Args:
        metrics: The metrics.
        available: The forms of data that there will be.
        owner: The trainer, for the message.

    Raises:
        ValueError: Names the metric and the remedy.
    """
    for metric in metrics:
        if metric.needs in available:
            continue
        remedy = f"{owner} has no data of that kind"
        if "predictions" in available and metric.needs in ("groups", "hits"):
            remedy = "give group_column, such as the column of users"
        elif metric.needs in ("hits", "lists") and owner == "MatchTrainer":
            remedy = "give retrieval=RetrievalData(…)"
        raise ValueError(f"metric {metric.name!r} needs {metric.needs}: {remedy}")


def of_predictions(
    metrics: Sequence[Metric],
    labels: NDArray[Any],
    scores: NDArray[Any],
    groups: NDArray[Any] | None = None,
) -> dict[str, float]:
    """Metrics of predictions, by name.

    Args:
        metrics: The metrics. Ranking metrics rank the rows of each group by falling score, ties in
            the order of the rows; rows with a label above 0 are relevant.
        labels: (N,).
        scores: (N,).
        groups: The group of each row, (N,), where a metric needs it.

    Raises:
        ValueError: Groups are missing.

    Example:
        >>> from torch_rechub.metrics import metric_named
        >>> y, p = np.array([0, 1, 1, 0]), np.array([0.9, 0.8, 0.4, 0.1])
        >>> users = np.array([1, 1, 2, 2])
        >>> of_predictions([metric_named("auc"), metric_named("mrr@2")], y, p, users)
        {'auc': 0.5, 'mrr@2': 0.75}
    """
    ranked = [metric for metric in metrics if metric.needs == "hits"]
    by_name = {}
    if ranked:
        k = max(metric.k or 1 for metric in ranked)
        by_name = of_lists(ranked, _within_groups(labels, scores, _given(ranked[0], groups), k))
    for metric in metrics:
        if metric.needs == "predictions":
            by_name[metric.name] = float(metric.function(labels, scores))
        elif metric.needs == "groups":
            by_name[metric.name] = float(metric.function(labels, scores, _given(metric, groups)))
        elif metric.needs == "lists":
            raise ValueError(f"metric {metric.name!r} needs lists of a catalogue, not predictions")
    return {metric.name: by_name[metric.name] for metric in metrics}


def of_lists(metrics: Sequence[Metric], ranked: RankedLists) -> dict[str, float]:
    """Metrics of ranked lists, by name.

    Args:
        metrics: The metrics, each of hits or of lists.
        ranked: Lists at least as long as the largest k.
    """
    values = {}
    for metric in metrics:
        if metric.needs == "lists":
            values[metric.name] = float(metric.function(ranked))
        else:
            hits = ranked.hits[:, : metric.k]
            values[metric.name] = float(metric.function(hits, ranked.n_relevant))
    return values


def from_hits(name: str, k: int, hits: ArrayLike, n_relevant: ArrayLike) -> float:
    """A metric of `ranking_metrics`, such as "ndcg", at k."""
    return ranking_metrics_from_hits(hits, n_relevant, [k])[f"{name}@{k}"]


def from_lists(name: str, k: int, ranked: RankedLists) -> float:
    """Coverage, diversity or novelty of the lists cut at k.

    Raises:
        ValueError: Something that it needs is missing.
    """
    needed: Any = {
        "coverage": ranked.n_items,
        "diversity": ranked.item_embeddings,
        "novelty": ranked.popularity,
    }[name]
    if ranked.items is None or needed is None:
        remedy = "give item_frequency" if name == "novelty" else "the model has no item tower"
        raise ValueError(f"metric '{name}@{k}' cannot be computed: {remedy}")
    lists = [[int(item) for item in row if item >= 0] for row in ranked.items[:, :k]]
    if name == "coverage":
        return mean_coverage(lists, set(range(int(ranked.n_items or 0))), k)
    if name == "diversity":
        return mean_diversity(lists, needed, k)
    return mean_novelty(lists, dict(enumerate(map(float, needed))), k)


def _given(metric: Metric, groups: NDArray[Any] | None) -> NDArray[Any]:
    if groups is None:
        raise ValueError(f"metric {metric.name!r} needs groups: give group_column")
    return groups


def _within_groups(
    labels: NDArray[Any], scores: NDArray[Any], groups: NDArray[Any], k: int
) -> RankedLists:
    """The hits of each group, its rows ranked by score."""
    names, group = np.unique(groups, return_inverse=True)
    order = np.lexsort((-scores, group))  # stable: ties stay in the order of the rows
    relevant, group = labels[order] > 0, group[order]
    sizes = np.bincount(group, minlength=len(names))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    hits = np.zeros((len(names), k), dtype=bool)
    within = rank < k
    hits[group[within], rank[within]] = relevant[within]
    n_relevant = np.bincount(group, weights=relevant, minlength=len(names)).astype(np.int64)
    return RankedLists(hits, n_relevant)
