"""Paired bootstrap: confidence intervals of a mean over units."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._bounds import check_choice
from .columns import Floats, check_settings, counted
from .distributions import normal_quantile

_DRAWS_AT_ONCE = 2**17  # 1 MB, so that draws and values stay in the second cache
_TIE = 1e-10
METHODS = ("bca", "percentile")


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: Its lower end.
        high: Its upper end.
    """

    low: float
    high: float


def bootstrap_interval(
    values: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    method: str = "bca",
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The confidence interval of the weighted mean of values, such as differences A − B of users.

    Units are drawn with replacement, together with their weights. The default, BCa, corrects the
    percentiles for bias and skewness: its coverage error is of order 1/U, that of percentiles
    1/√U, which matters as differences of ranking metrics are skewed: most users have none.

    Args:
        values: One for each unit, shape (U,).
        weights: At least 0, shape (U,); None means equal weights.
        confidence: Between 0 and 1.
        method: "bca" or "percentile".
        resamples: Number of resamples, at least 100.
        seed: Seed of the draws.

    Raises:
        ValueError: A value is not finite, lengths differ, or no unit has a weight above 0.

    Example:
        >>> found = bootstrap_interval([0.0, 0.0, 0.1, 0.2, 0.1, 0.0, 0.3, 0.1])
        >>> 0 < found.low < 0.1 < found.high < 0.2
        True

    Reference:
        Efron, "Better Bootstrap Confidence Intervals", JASA 1987.
    """
    check_settings(resamples, confidence)
    check_choice(METHODS, method=method)
    v, w = counted(values, weights, "values")
    if (v == v[0]).all():
        return Interval(float(v[0]), float(v[0]))
    drawn = resampled_means(v, None if weights is None else w, resamples, seed)
    mean = float(v @ w)
    return interval_of(drawn, mean, w * (v - mean), confidence, method)


def interval_of(
    drawn: Floats, estimate: float, influence: Floats, confidence: float, method: str = "bca"
) -> Interval:
    """The interval from the bootstrap distribution of an estimate.

    With z₀ = Φ⁻¹(P(θ* < θ)) and a = Σ l³ / (6 (Σ l²)^{3/2}), the percentiles of BCa are
    Φ(z₀ + (z₀ ± z) / (1 − a (z₀ ± z))).

    Args:
        drawn: The estimates of the resamples.
        estimate: The estimate θ.
        influence: The influence l of each unit on the estimate, up to a factor.
        confidence: Between 0 and 1.
        method: "bca" or "percentile".
    """
    z = normal_quantile((1 + confidence) / 2)
    bias = acceleration = 0.0
    if method == "bca":
        # equal up to rounding: means of few distinct values are often equal to the estimate
        gap, tie = drawn - estimate, _TIE * float(np.ptp(drawn))
        below = (gap < -tie).mean() + (np.abs(gap) <= tie).mean() / 2
        least = 1 / (len(drawn) + 1)
        bias = normal_quantile(float(np.clip(below, least, 1 - least)))
        scale = float((influence**2).sum()) ** 1.5
        acceleration = float((influence**3).sum()) / (6 * scale) if scale else 0.0

    def level(side: float) -> float:
        at = bias + (bias + side) / (1 - acceleration * (bias + side))
        return _normal_cdf(at)

    low, high = np.quantile(drawn, [level(-z), level(z)])
    return Interval(float(low), float(high))


def resampled_means(values: Floats, weights: Floats | None, resamples: int, seed: int) -> Floats:
    """The weighted means of resamples of units, (resamples,)."""
    rng = np.random.default_rng(seed)
    if weights is None:
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) * 16 <= len(values):  # as of hit@k, whose differences are −1, 0 and 1
            p = counts / len(values)
            draws = rng.multinomial(len(values), p, size=resamples)
            return np.asarray(draws @ distinct / len(values))
    n, found = len(values), np.empty(resamples)
    step = max(1, _DRAWS_AT_ONCE // n)
    products = values if weights is None else values * weights
    for start in range(0, resamples, step):
        rows = rng.integers(0, n, size=(min(step, resamples - start), n), dtype=np.uint32)
        sums = np.take(products, rows).sum(axis=1)
        divisor = n if weights is None else np.take(weights, rows).sum(axis=1)
        found[start : start + step] = sums / divisor
    return found


def counts_of_resamples(
    n: int, resamples: int, seed: int, statistic: Callable[[Floats], Floats]
) -> Floats:
    """Apply a statistic to the counts (R, n) of resamples, in blocks; return all its values.

    Args:
        n: Number of units.
        resamples: Number of resamples.
        seed: Seed of the draws.
        statistic: A function from counts (R, n) to values (R,).
    """
    rng, found = np.random.default_rng(seed), np.empty(resamples)
    step = max(1, _DRAWS_AT_ONCE // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        rows = rng.integers(0, n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(rows.reshape(-1), minlength=size * n).reshape(size, n)
        found[start : start + step] = statistic(counts.astype(np.float64))
    return found


def _normal_cdf(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2
