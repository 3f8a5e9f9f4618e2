"""Recommended lists as arrays, and their metrics beyond accuracy: coverage, diversity, novelty."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._bounds import check_whole

log = logging.getLogger("torch_rechub")

RAREST = 1e-10
"""The popularity of an item that was never seen, so that its novelty is finite: 33.2 bits."""

_NUMBERS_AT_ONCE = 2**22  # values of the vectors that diversity gathers at a time: 32 MB


@dataclass(frozen=True, eq=False)
class RankedLists:
    """Recommended lists of U users, best first, with the inputs of list metrics.

    Args:
        hits: Whether the item at each rank is relevant, each relevant item once, shape (U, K).
        n_relevant: Number of relevant items of each user, found or not, shape (U,).
        items: The item at each rank, from 0, and −1 for missing items, shape (U, K).
        n_items: Number of items in the catalog.
        item_embeddings: The vector of each item, shape (n_items, D).
        popularity: The share of each item of all interactions, shape (n_items,).
        weights: How much each user counts, shape (U,); None counts all alike.
        truth: A function that returns a digest of users and their relevant items, by which records
            of two runs are known to be of the same test.
        seen_excluded: Whether items that a user has seen are excluded; None if it is unknown.

    Raises:
        ValueError: The shapes of hits, n_relevant, items and weights do not fit each other; items
            may have fewer ranks than hits if the catalog is smaller than K.
    """

    hits: ArrayLike
    n_relevant: ArrayLike
    items: ArrayLike | None = None
    n_items: int | None = None
    item_embeddings: ArrayLike | None = None
    popularity: ArrayLike | None = None
    weights: ArrayLike | None = None
    truth: Callable[[], str] | None = None
    seen_excluded: bool | None = None

    def __post_init__(self) -> None:
        hits, n = np.shape(self.hits), np.shape(self.n_relevant)
        if len(hits) != 2 or n != hits[:1]:
            raise ValueError(
                f"hits must be (users, ranks) and n_relevant (users,), got {hits} and {n}"
            )
        items = hits if self.items is None else np.shape(self.items)
        if len(items) != 2 or items[0] != hits[0] or items[1] > hits[1]:
            raise ValueError(f"items must be those of hits, of shape {hits}, got {items}")
        if self.weights is not None and np.shape(self.weights) != n:
            raise ValueError(f"weights must be {n}, one a user, got {np.shape(self.weights)}")

    def of_weight_above_0(self) -> "RankedLists":
        """The lists of the users that count."""
        if self.weights is None:
            return self
        counts = np.asarray(self.weights) > 0
        return replace(
            self,
            hits=np.asarray(self.hits)[counts],
            n_relevant=np.asarray(self.n_relevant)[counts],
            items=None if self.items is None else np.asarray(self.items)[counts],
            weights=np.asarray(self.weights)[counts],
        )

    def first(self, k: int) -> "RankedLists":
        """Return the lists truncated after rank k.

        Raises:
            ValueError: The lists are shorter.
        """
        hits = np.asarray(self.hits)
        if hits.shape[1] < k:
            raise ValueError(f"metrics at {k} need lists of {k} ranks, got {hits.shape[1]}")
        items = None if self.items is None else np.asarray(self.items)[:, :k]
        return replace(self, hits=hits[:, :k], items=items)


def catalogue_coverage(items: ArrayLike, n_items: int) -> float:
    """Coverage: the share of the catalog that is recommended to at least one user.

    Args:
        items: Items from 0, and −1 for missing items, shape (U, K).
        n_items: Number of items in the catalog.

    Returns:
        The share, in 0 to 1.

    Raises:
        IndexError: An item is outside the catalog.
        ValueError: The catalog is empty.

    Example:
        >>> catalogue_coverage([[1, 2], [2, -1]], n_items=4)
        0.5
    """
    check_whole(1, n_items=n_items)
    rows, held = _rows(items, n_items, f"the catalog of {n_items}")
    return len(np.unique(rows[held])) / n_items


def mean_diversity(items: ArrayLike, item_embeddings: ArrayLike) -> float:
    """Diversity: the mean of 1 − cos over the pairs of items of a list.

    The mean over users of 2 / (n (n − 1)) Σ_{i<j} (1 − cos(e_i, e_j)), n the length of the list.
    Lists of fewer than two items have no pair and are skipped. A repeated item is at distance 0
    from itself; a vector of zeros is at distance 1 from any other.

    Args:
        items: Items from 0, and −1 for missing items, shape (U, K).
        item_embeddings: The vector of each item, shape (V, D).

    Returns:
        The mean distance, in 0 to 2; NaN with a warning if no list has two items.

    Raises:
        IndexError: An item has no vector.

    Example:
        >>> mean_diversity([[0, 1], [1, -1]], [[1.0, 0.0], [0.0, 2.0]])
        1.0

    Reference:
        Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005.
    """
    vectors = as_floats(item_embeddings)
    rows, held = _rows(items, len(vectors), f"item_embeddings of {len(vectors)} rows")
    n = held.sum(axis=1)
    rows, held, n = rows[n > 1], held[n > 1], n[n > 1]
    if len(n) == 0:
        return _undefined("Diversity", held.shape[1])
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.zeros_like(vectors)
    np.divide(vectors, norms, out=unit, where=norms > 0)
    step = max(1, _NUMBERS_AT_ONCE // max(1, held.shape[1] * unit.shape[1]))
    cosines = np.zeros(len(n))  # over ordered pairs: ‖Σ v‖² = Σ ‖v‖² + Σ_{i≠j} cos_ij
    for start in range(0, len(n), step):
        block = slice(start, start + step)
        v = unit[rows[block]] * held[block, :, None]
        cosines[block] = (v.sum(axis=1) ** 2).sum(axis=1) - (v**2).sum(axis=(1, 2))
    return float(np.maximum(0.0, 1 - cosines / (n * (n - 1))).mean())


def mean_novelty(items: ArrayLike, popularity: ArrayLike) -> float:
    """Novelty: the mean of −log₂ p(i) over the items of lists, then over users.

    Empty lists are skipped. A popularity of 0 counts as 1e-10: 33.2 bits.

    Args:
        items: Items from 0, and −1 for missing items, shape (U, K).
        popularity: The share of each item of all interactions, shape (V,).

    Returns:
        The mean, in bits; NaN with a warning if every list is empty.

    Raises:
        IndexError: An item has no popularity.
        ValueError: A popularity is outside 0 to 1.

    Example:
        >>> mean_novelty([[0, -1], [1, 2]], [0.5, 0.25, 0.125])
        1.75

    Reference:
        Zhou et al., "Solving the Apparent Diversity-Accuracy Dilemma of Recommender Systems",
        PNAS 2010, arXiv:0808.2670.
    """
    p = as_floats(popularity)
    if not ((p >= 0) & (p <= 1)).all():
        item = int(np.argmin((p >= 0) & (p <= 1)))
        raise ValueError(
            f"the popularity of item {item} is {p[item]}; a share of all interactions is in 0 to 1"
        )
    rows, held = _rows(items, len(p), f"popularity of {len(p)} items")
    n = held.sum(axis=1)
    if not n.any():
        return _undefined("Novelty", held.shape[1])
    bits = -np.log2(np.maximum(p, RAREST))[rows] * held
    return float((bits.sum(axis=1)[n > 0] / n[n > 0]).mean())


def metric_of_lists(lists: RankedLists, name: str) -> float:
    """Compute coverage, diversity or novelty of recommended lists.

    Args:
        lists: The lists, with items and `n_items`, `item_embeddings` or `popularity`.
        name: "coverage", "diversity" or "novelty".

    Returns:
        The metric of the whole lists; see `catalogue_coverage`, `mean_diversity`, `mean_novelty`.

    Raises:
        IndexError: An item is outside the catalog.
        ValueError: An input of the metric is missing.

    Example:
        >>> lists = RankedLists([[True, False]], [1], items=[[2, 0]], n_items=4)
        >>> metric_of_lists(lists, "coverage")
        0.5
    """
    function, needed = _OF_LISTS[name]
    for field in ("items", needed):
        if getattr(lists, field) is None:
            raise ValueError(f"{name} needs {field} of the recommended lists: {_REMEDIES[field]}")
    return float(function(lists.items, getattr(lists, needed)))


_REMEDIES = {
    "items": "metrics of hits, such as ndcg@10, need none",
    "n_items": "give the size of the catalog",
    "item_embeddings": "a model without an item tower has none",
    "popularity": "give a trainer item_frequency=",
}
_OF_LISTS: dict[str, Any] = {
    "coverage": (catalogue_coverage, "n_items"),
    "diversity": (mean_diversity, "item_embeddings"),
    "novelty": (mean_novelty, "popularity"),
}


def as_floats(values: Any) -> NDArray[np.float64]:
    """Convert numbers to a double array, also tensors on a device or with a gradient."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values, dtype=np.float64)


def _rows(items: ArrayLike, n: int, where: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the items of lists, and their mask."""
    rows = np.asarray(items, dtype=np.int64)
    if rows.size and rows.max() >= n:
        raise IndexError(f"item {rows.max()} is outside {where}")
    return rows, rows >= 0


def _undefined(title: str, k: int) -> float:
    log.warning("%s@%d is undefined, no list is long enough: reported as NaN.", title, k)
    return math.nan
