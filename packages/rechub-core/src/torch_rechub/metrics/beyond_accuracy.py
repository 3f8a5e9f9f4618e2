"""Metrics of recommended lists beyond accuracy: diversity, coverage and novelty, as text."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .lists import as_floats, catalogue_coverage, mean_diversity, mean_novelty
from .ranking import Lists, as_items, as_text, top_ks


def diversity_score(
    y_pred: Lists,
    item_embeddings: Mapping[Any, ArrayLike] | ArrayLike,
    topKs: Iterable[int] | None = None,
) -> dict[str, list[str]]:
    """Diversity: the mean of 1 − cos over the pairs of items of a list.

    The mean over users of 2 / (n (n − 1)) Σ_{i<j} (1 − cos(e_i, e_j)), n the length of the list cut
    at K. Lists of fewer than two items have no pair and are skipped. A repeated item is at distance
    0 from itself; a vector of zeros is at distance 1 from any other.

    Args:
        y_pred: User → recommended items, best first.
        item_embeddings: Item → vector; or an array (V, D), whose row i is the vector of item i.
        topKs: The Ks; [5] if None.

    Returns:
        {"Diversity": ["Diversity@5: 0.1234"]}, in 0 to 2; NaN with a warning if no list has
        two items.

    Raises:
        IndexError: an item is negative or at least V.
        KeyError: an item is not in a mapping of vectors.
        ValueError: a K is below 1, or no K is given.

    Example:
        >>> vectors = [[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]
        >>> diversity_score({"ann": [0, 1, 2]}, vectors, [2, 3])
        {'Diversity': ['Diversity@2: 1.0', 'Diversity@3: 0.6667']}

    Reference:
        Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005.
    """
    ks = top_ks(topKs)
    lists = _cut(y_pred, max(ks))
    vectors, row_of = _vectors_and_rows(lists, item_embeddings)
    rows = _as_rows(lists, max(ks), row_of)
    values = [mean_diversity(rows[:, :k], vectors) for k in ks]
    return {"Diversity": [as_text("Diversity", k, value) for k, value in zip(ks, values)]}


def coverage_score(
    y_pred: Lists, all_items: Iterable[Any], topKs: Iterable[int] | None = None
) -> dict[str, list[str]]:
    """Coverage, the share of the catalog that is recommended: |∪_u top-K(u) ∩ items| / |items|.

    Args:
        y_pred: User → recommended items, best first. Items outside the catalog do not count.
        all_items: The catalog; repetitions count once.
        topKs: The Ks; [5] if None.

    Returns:
        {"Coverage": ["Coverage@5: 0.1234"]}, in 0 to 1.

    Raises:
        ValueError: the catalog is empty, a K is below 1, or no K is given.

    Example:
        >>> coverage_score({"ann": [1, 2], "bob": [2, 99]}, range(4), [1, 2])
        {'Coverage': ['Coverage@1: 0.5', 'Coverage@2: 0.5']}
    """
    ks = top_ks(topKs)
    catalog = {item: row for row, item in enumerate(dict.fromkeys(as_items(all_items)))}
    if not catalog:
        raise ValueError("all_items is empty: there is no catalog to cover")
    rows = _as_rows(_cut(y_pred, max(ks)), max(ks), catalog)
    shares = [catalogue_coverage(rows[:, :k], len(catalog)) for k in ks]
    return {"Coverage": [as_text("Coverage", k, share) for k, share in zip(ks, shares)]}


def novelty_score(
    y_pred: Lists, item_popularity: Mapping[Any, float], topKs: Iterable[int] | None = None
) -> dict[str, list[str]]:
    """Novelty: the mean of −log₂ p(i) over the items of lists, then over users.

    Users with an empty list are skipped.

    Args:
        y_pred: User → recommended items, best first.
        item_popularity: Item → p(i), its share of all interactions, in 0 to 1. An item that is
            missing, or has 0, counts as 1e-10: 33.2 bits.
        topKs: The Ks; [5] if None.

    Returns:
        {"Novelty": ["Novelty@5: 1.2345"]}, in bits; NaN with a warning if every list is empty.

    Raises:
        ValueError: a popularity is outside 0 to 1, a K is below 1, or no K is given.

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
    row_of = _numbered(lists)
    popularity = [item_popularity.get(item, 0.0) for item in row_of]
    rows = _as_rows(lists, max(ks), row_of)
    means = [mean_novelty(rows[:, :k], popularity) for k in ks]
    return {"Novelty": [as_text("Novelty", k, mean) for k, mean in zip(ks, means)]}


def _cut(y_pred: Lists, k: int) -> list[list[Any]]:
    return [as_items(items)[:k] for items in y_pred.values()]


def _as_rows(lists: list[list[Any]], k: int, row_of: Mapping[Any, int]) -> NDArray[np.int64]:
    """Convert lists to an array (U, k) of item rows, −1 for missing items."""
    rows = np.full((len(lists), k), -1, dtype=np.int64)
    for row, items in zip(rows, lists, strict=True):
        row[: len(items)] = [row_of.get(item, -1) for item in items]
    return rows


def _numbered(lists: list[list[Any]]) -> dict[Any, int]:
    """Number the items of the lists in the order of appearance."""
    items = dict.fromkeys(item for items in lists for item in items)
    return {item: row for row, item in enumerate(items)}


def _vectors_and_rows(
    lists: list[list[Any]], embeddings: Any
) -> tuple[NDArray[np.float64], dict[Any, int]]:
    """Return the vectors as an array, and the row of each item of the lists."""
    row_of = _numbered(lists)
    if isinstance(embeddings, Mapping):
        for item in row_of:
            if item not in embeddings:
                raise KeyError(f"item {item!r} has no vector in item_embeddings")
        found = [as_floats(embeddings[item]) for item in row_of]
        return np.stack(found) if found else np.zeros((0, 1)), row_of
    vectors = as_floats(embeddings)
    for item in row_of:
        if not 0 <= item < len(vectors):
            raise IndexError(f"item {item} is outside item_embeddings of {len(vectors)} rows")
    return vectors, {item: item for item in row_of}
