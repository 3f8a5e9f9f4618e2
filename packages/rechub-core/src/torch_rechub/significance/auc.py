"""AUC: its value under many weights at once, the parts of rows, and DeLong's test."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bootstrap import Interval, counts_of_resamples, interval_of
from .columns import Floats, check_settings, finite, shares
from .distributions import normal_quantile, normal_two_sided


class SortedScores:
    """Labels and scores, sorted once, for the AUC under many weights of the rows.

    AUC = Σ_s p_s (n_{<s} + n_s / 2) / (P N) over the distinct scores s, with p_s and n_s the sums
    of the weights of positives and of negatives at s; ties count ½.

    Args:
        labels: Labels 0 and 1, shape (N,).
        scores: Shape (N,).

    Raises:
        ValueError: Lengths differ, a label is neither 0 nor 1, or a score is not finite.

    Example:
        >>> rows = SortedScores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> rows.auc([[1, 1, 1, 1], [1, 0, 1, 1]])
        array([0.75, 1.  ])
    """

    def __init__(self, labels: ArrayLike, scores: ArrayLike) -> None:
        y, s = binary(labels), finite(scores, "scores")
        if len(y) != len(s):
            raise ValueError(f"{len(y)} labels, but {len(s)} scores")
        self.order = np.argsort(s, kind="stable")
        ascending, self.positive = s[self.order], y[self.order] > 0
        new = np.ones(len(s), dtype=bool)
        new[1:] = ascending[1:] != ascending[:-1]
        self.starts, self.tie = np.flatnonzero(new), np.cumsum(new) - 1

    def auc(self, weights: ArrayLike) -> Floats:
        """The AUC under each row of weights (R, N), at least 0; NaN where a class has none."""
        w = np.asarray(weights, dtype=np.float64)[:, self.order]
        positives = np.add.reduceat(w * self.positive, self.starts, axis=1)
        negatives = np.add.reduceat(w * ~self.positive, self.starts, axis=1)
        up_to = np.cumsum(negatives, axis=1)
        won = np.einsum("rs,rs->r", positives, up_to - negatives / 2)
        with np.errstate(invalid="ignore"):
            found: Floats = won / (positives.sum(axis=1) * up_to[:, -1])
        return found

    def parts(self, weights: ArrayLike | None = None) -> Floats:
        """The share of the other class that each row ranks on the right side of, ties ½, (N,).

        They are the structural components of DeLong: V₁₀ of positives, V₀₁ of negatives.
        """
        w = shares(weights, len(self.order))[self.order]
        found = np.empty(len(w))
        for own, sign in ((self.positive, 1), (~self.positive, -1)):
            others = np.add.reduceat(w * ~own, self.starts)
            below = np.cumsum(others) - others / 2
            side = below if sign > 0 else others.sum() - below
            found[self.order[own]] = (side / others.sum())[self.tie[own]]
        return found


@dataclass(frozen=True)
class DeLong:
    """The result of `delong_test`.

    Attributes:
        difference: AUC_A − AUC_B.
        standard_error: Its standard error.
        p: The two-sided p-value.
        low: The lower end of the interval.
        high: Its upper end.
    """

    difference: float
    standard_error: float
    p: float
    low: float
    high: float


def delong_test(
    labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, *, confidence: float = 0.95
) -> DeLong:
    """Test whether two models have the same AUC on the same independent rows.

    Var = s²(V₁₀ᴬ − V₁₀ᴮ) / P + s²(V₀₁ᴬ − V₀₁ᴮ) / N, of the parts of P positives and N negatives,
    see `SortedScores.parts`; the difference is normal. Sorting makes it O(N log N). Rows of one
    user are not independent: test over users then.

    Args:
        labels: Labels 0 and 1, shape (N,).
        scores_a: The scores of A, or of several runs of A, shape (N,) or (S, N).
        scores_b: The scores of B; runs are averaged.
        confidence: That of the interval.

    Raises:
        ValueError: Lengths differ, a value is not finite, or a class has fewer than two rows.

    Example:
        >>> found = delong_test([0, 0, 1, 1, 1], [1, 2, 3, 4, 5], [1, 4, 3, 2, 5])
        >>> round(found.difference, 3), round(found.p, 3)
        (0.333, 0.371)

    Reference:
        DeLong et al., "Comparing the Areas under Two or More Correlated Receiver Operating
        Characteristic Curves", Biometrics 1988; Sun and Xu, "Fast Implementation of DeLong's
        Algorithm", IEEE Signal Processing Letters 2014.
    """
    check_settings(100, confidence)
    y = binary(labels)
    gap = _mean_parts(y, scores_a) - _mean_parts(y, scores_b)
    of_classes = [gap[y == 1], gap[y == 0]]
    if min(map(len, of_classes)) < 2:
        raise ValueError("DeLong's test needs at least two positives and two negatives")
    difference = float(of_classes[0].mean())
    error = math.sqrt(sum(float(part.var(ddof=1)) / len(part) for part in of_classes))
    if error == 0:
        return DeLong(difference, 0.0, float(difference == 0), difference, difference)
    reach = normal_quantile((1 + confidence) / 2) * error
    p = normal_two_sided(difference / error)
    return DeLong(difference, error, p, difference - reach, difference + reach)


def bootstrap_auc(
    labels: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    method: str = "bca",
    resamples: int = 2_000,
    seed: int = 0,
) -> Interval:
    """The confidence interval of AUC_A − AUC_B by drawing rows, or whole groups of rows.

    Args:
        labels: Labels 0 and 1, shape (N,).
        scores_a: The scores of A, shape (N,).
        scores_b: The scores of B, shape (N,).
        weights: Weights of rows, at least 0, shape (N,); None means equal weights.
        groups: The group of each row, such as its user, whose rows are drawn together; shape (N,).
        confidence: Between 0 and 1.
        method: "bca" or "percentile".
        resamples: Number of resamples, at least 100.
        seed: Seed of the draws.

    Raises:
        ValueError: Lengths differ, a value is not finite, or there is one class only.

    Example:
        >>> y, a, b = [0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6], [3, 5, 1, 4, 6, 2]
        >>> found = bootstrap_auc(y, a, b)
        >>> round(found.low, 2), round(found.high, 2)
        (0.0, 1.0)
    """
    check_settings(resamples, confidence)
    y = binary(labels)
    a, b = SortedScores(y, scores_a), SortedScores(y, scores_b)
    w = shares(weights, len(y))
    _two_classes(y, w)
    unit = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]

    def difference(counts: Floats) -> Floats:
        drawn = counts[:, unit] * w
        gap: Floats = a.auc(drawn) - b.auc(drawn)
        return gap

    n = int(unit.max()) + 1
    drawn = counts_of_resamples(n, resamples, seed, difference)
    drawn = drawn[np.isfinite(drawn)]  # a resample of few rows may lack a class
    estimate = float(difference(np.ones((1, n)))[0])
    influence = auc_influence(y, a.parts(w), w) - auc_influence(y, b.parts(w), w) - estimate
    of_units = np.bincount(unit, weights=w * influence).astype(np.float64)
    return interval_of(drawn, estimate, of_units, confidence, method)


def auc_influence(labels: Floats, parts: Floats, weights: Floats) -> Floats:
    """Values of rows whose mean, by `weights` that add up to 1, is the AUC, (N,).

    They are AUC + (V − AUC) / (share of the row's class): the first-order influence of a row.
    """
    positive = labels > 0
    share = float(weights[positive].sum())
    area = float(weights[positive] @ parts[positive]) / share
    found: Floats = area + (parts - area) / np.where(positive, share, 1 - share)
    return found


def binary(labels: ArrayLike) -> Floats:
    """Convert labels 0 and 1 to doubles (N,).

    Raises:
        ValueError: A label has another value.
    """
    y = finite(labels, "labels")
    other = (y != 0) & (y != 1)
    if other.any():
        raise ValueError(f"labels must be 0 or 1, got {y[other][0]:g}")
    return y


def _mean_parts(labels: Floats, scores: ArrayLike) -> Floats:
    """The parts of rows, averaged over runs."""
    runs: NDArray[np.float64] = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    found: Floats = np.mean([SortedScores(labels, run).parts() for run in runs], axis=0)
    return found


def _two_classes(labels: Floats, weights: Floats) -> None:
    present = set(labels[weights > 0].tolist())
    if len(present) < 2:
        raise ValueError(f"AUC needs rows of both labels, got {sorted(present)} only")
