"""NDCG of graded labels within groups."""

import logging
import math
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .columns import of_length, pair
from .metric import Metric

log = logging.getLogger("torch_rechub")


def graded_ndcg(y_true: ArrayLike, y_pred: ArrayLike, groups: ArrayLike, k: int = 10) -> float:
    """The NDCG of each group's rows by their labels, averaged over groups.

    DCG = Σ_{r ≤ k} (2^{y_r} − 1) / log₂(1 + r) over the rows of a group in the order of their
    scores, NDCG = DCG / that of the order of their labels. Of labels 0 and 1 it is ``ndcg@k``.

    Args:
        y_true: Labels, at least 0, shape (N,).
        y_pred: Scores, shape (N,); ties stay in the order of the rows.
        groups: The group of each row, shape (N,); numbers or strings.
        k: The ranks that count.

    Returns:
        The average over groups with a label above 0, in 0 to 1; NaN with a warning where there is
        none, or a score is NaN.

    Raises:
        ValueError: Lengths differ, or a label is negative.

    Example:
        >>> round(graded_ndcg([2, 0, 1], [0.1, 0.2, 0.3], ["ann", "ann", "ann"]), 4)
        0.6885

    Reference:
        Burges et al., Learning to Rank using Gradient Descent, ICML 2005.
    """
    labels, scores = pair(y_true, y_pred)
    if (labels < 0).any():
        raise ValueError(f"labels must be at least 0 for NDCG, got {labels[labels < 0][0]:g}")
    _, group = np.unique(of_length(groups, len(labels)), return_inverse=True)
    if np.isnan(scores).any():
        log.warning(
            "NDCG is undefined, %d scores are NaN: reported as NaN.", np.isnan(scores).sum()
        )
        return math.nan
    ideal = _dcg(labels, labels, group, k)
    if not (ideal > 0).any():
        log.warning("NDCG is undefined, no group has a label above 0: reported as NaN.")
        return math.nan
    return float(np.mean(_dcg(labels, scores, group, k)[ideal > 0] / ideal[ideal > 0]))


def graded_ndcg_at(k: int) -> Metric:
    """The metric ``ndcg@k`` of graded labels."""
    return Metric(f"ndcg@{k}", partial(graded_ndcg, k=k), "max", "groups", weighted=False)


def _dcg(
    labels: NDArray[np.float64], scores: NDArray[np.float64], group: NDArray[np.intp], k: int
) -> NDArray[np.float64]:
    """The DCG of each group."""
    order = np.lexsort((-scores, group))
    sizes = np.bincount(group)
    rank = np.arange(1, len(order) + 1) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    gains = np.where(rank <= k, (2 ** labels[order] - 1) / np.log2(1 + rank), 0)
    return np.bincount(group[order], weights=gains).astype(np.float64)
