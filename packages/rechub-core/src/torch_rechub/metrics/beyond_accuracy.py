"""Metrics of recommended lists beyond accuracy: how varied, wide and new they are, as text."""

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .ranking import Lists, as_items, as_text, top_ks

log = logging.getLogger("torch_rechub")

RAREST = 1e-10
"""The popularity of an item that was never seen, so that its novelty is finite: 33.2 bits."""


def diversity_score(
    y_pred: Lists,
    item_embeddings: Mapping[Any, ArrayLike] | ArrayLike,
    topKs: Iterable[int] | None = None,
) -> dict[str, list[str]]:
    """How unlike each other the items of a list are: the mean of 1 − cos over its pairs of items.

    The mean over users of 2 / (n (n − 1)) Σ_{i<j} (1 − cos(e_i, e_j)), n the length of the list cut
    at K. Lists of fewer than two items have no pair and are skipped. A repeated item is at distance
    0 from itself; a vector of zeros is at distance 1 from any other.

    Args:
        y_pred: User → recommended items, best first.
        item_embeddings: Item → vector; or an array (V, D), whose row i is the vector of item i.
        topKs: The Ks; [5] if None.

    Returns:
        {"Diversity": ["Diversity@5: 0.1234"]}, in 0 to 2; nan with a warning where no list has
        two items.

    Raises:
        IndexError: If an item is negative or at least V.
        KeyError: If an item is not in a mapping of vectors.
        ValueError: If a K is below 1, or none is given.

    Example:
        >>> vectors = [[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]
        >>> diversity_score({"ann": [0, 1, 2]}, vectors, [2, 3])
        {'Diversity': ['Diversity@2: 1.0', 'Diversity@3: 0.6667']}

    Reference:
        Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005.
    """
    ks = top_ks(topKs)
    lists = _cut(y_pred, max(ks))
    values = [(k, mean_diversity(lists, item_embeddings, k)) for k in ks]
    return {"Diversity": [as_text("Diversity", k, value) for k, value in values]}


def coverage_score(
    y_pred: Lists, all_items: Iterable[Any], topKs: Iterable[int] | None = None
) -> dict[str, list[str]]:
    """The share of the catalogue that some user is recommended: |∪_u top-K(u) ∩ items| / |items|.

    Args:
        y_pred: User → recommended items, best first. Items outside the catalogue do not count.
        all_items: The catalogue; repetitions count once.
        topKs: The Ks; [5] if None.

    Returns:
        {"Coverage": ["Coverage@5: 0.1234"]}, in 0 to 1.

    Raises:
        ValueError: If the catalogue is empty, a K is below 1, or none is given.

    Example:
        >>> coverage_score({"ann": [1, 2], "bob": [2, 99]}, range(4), [1, 2])
        {'Coverage': ['Coverage@1: 0.5', 'Coverage@2: 0.5']}
    """
    ks = top_ks(topKs)
    catalogue = set(as_items(all_items))
    if not catalogue:
        raise ValueError("all_items is empty: there is no catalogue to cover")
    lists = _cut(y_pred, max(ks))
    return {"Coverage": [as_text("Coverage", k, mean_coverage(lists, catalogue, k)) for k in ks]}


def novelty_score(
    y_pred: Lists, item_popularity: Mapping[Any, float], topKs: Iterable[int] | None = None
) -> dict[str, list[str]]:
    """How little known the recommended items are: the mean of −log₂ p(i) over lists, then users.

    Users with an empty list are skipped.

    Args:
        y_pred: User → recommended items, best first.
        item_popularity: Item → p(i), its share of all interactions, in 0 to 1. An item that is
            missing, or has 0, counts as 1e-10: 33.2 bits.
        topKs: The Ks; [5] if None.

    Returns:
        {"Novelty": ["Novelty@5: 1.2345"]}, in bits; nan with a warning where every list is empty.

    Raises:
        ValueError: If a popularity is outside 0 to 1, a K is below 1, or none is given.

    Example:
        >>> novelty_score({"ann": [1], "bob": [2, 3]}, {1: 0.5, 2: 0.25, 3: 0.125}, [1, 2])
        {'Novelty': ['Novelty@1: 1.5', 'Novelty@2: 1.75']}

    Reference:
        Zhou et al., "Solving the Apparent Diversity-Accuracy Dilemma of Recommender Systems",
        PNAS 2010, arXiv:0808.2670.
    """
    ks = top_ks(topKs)
    for item, p in item_popularity.items():
        if not 0 <= p <= 1:
            raise ValueError(
                f"the popularity of item {item!r} is {p}; a share of all interactions is in 0 to 1"
            )
    lists = _cut(y_pred, max(ks))
    return {"Novelty": [as_text("Novelty", k, mean_novelty(lists, item_popularity, k)) for k in ks]}


def mean_diversity(lists: list[list[Any]], item_embeddings: Any, k: int) -> float:
    """The number of `diversity_score` at k, of lists of items."""
    vectors, rows = _vectors_and_rows(lists, item_embeddings)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return _mean_distance(unit, rows, k)


def mean_coverage(lists: list[list[Any]], catalogue: set[Any], k: int) -> float:
    """The number of `coverage_score` at k, of lists of items."""
    shown = {item for items in lists for item in items[:k]}
    return len(catalogue & shown) / len(catalogue)


def mean_novelty(lists: list[list[Any]], item_popularity: Mapping[Any, float], k: int) -> float:
    """The number of `novelty_score` at k, of lists of items."""
    bits = [
        [-math.log2(max(item_popularity.get(item, 0.0), RAREST)) for item in items[:k]]
        for items in lists
    ]
    return _mean([sum(b) / len(b) for b in bits if b], "Novelty", k)


def _cut(y_pred: Lists, k: int) -> list[list[Any]]:
    return [as_items(items)[:k] for items in y_pred.values()]


def _mean(values: list[float], title: str, k: int) -> float:
    if not values:
        log.warning("%s@%d is undefined, no list is long enough: reported as NaN.", title, k)
        return math.nan
    return sum(values) / len(values)


def _vectors_and_rows(
    lists: list[list[Any]], embeddings: Any
) -> tuple[NDArray[np.float64], list[list[int]]]:
    """The vectors as an array, and each list as rows of it."""
    items = list(dict.fromkeys(item for items in lists for item in items))
    if isinstance(embeddings, Mapping):
        for item in items:
            if item not in embeddings:
                raise KeyError(f"item {item!r} has no vector in item_embeddings")
        row_of = {item: row for row, item in enumerate(items)}
        rows = [[row_of[item] for item in items] for items in lists]
        found = [_array(embeddings[item]) for item in items]
        return np.stack(found) if found else np.zeros((0, 1)), rows
    vectors = _array(embeddings)
    for item in items:
        if not 0 <= item < len(vectors):
            raise IndexError(f"item {item} is outside item_embeddings of {len(vectors)} rows")
    return vectors, lists


def _array(values: Any) -> NDArray[np.float64]:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values, dtype=np.float64)


def _mean_distance(unit: NDArray[np.float64], rows: list[list[int]], k: int) -> float:
    distances = []
    for row in rows:
        v = unit[row[:k]]
        n = len(v)
        if n > 1:
            total = v.sum(axis=0)  # ‖Σ v‖² = Σ ‖v‖² + 2 Σ_{i<j} cos_ij
            cosines = float(total @ total - (v * v).sum())
            distances.append(max(0.0, 1 - cosines / (n * (n - 1))))
    return _mean(distances, "Diversity", k)
