"""Paired tests over users, over seeds, and over both."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._bounds import check_choice
from .bootstrap import bootstrap_interval
from .columns import Floats, check_settings, shares
from .distributions import t_quantile, t_two_sided
from .sign_flip import sign_flip_test

Level = Literal["units", "seeds", "both"]
LEVELS = ("units", "seeds", "both")
MOST_DRAWS = 2 * 10**9
"""Units times resamples above which units are tested by Student's t: the mean of 200,000 units is
normal, and resampling it takes minutes."""


@dataclass(frozen=True)
class PairedTest:
    """The result of `paired_test`.

    Attributes:
        difference: The mean difference over seeds and units.
        low: The lower end of the interval.
        high: Its upper end.
        p: The two-sided p-value.
        method: The test: "sign-flip" with a bootstrap interval, "t", or "generalized".
    """

    difference: float
    low: float
    high: float
    p: float
    method: str


def paired_test(
    differences: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    level: Level = "units",
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """Test differences between two methods, each trained with the same seeds, on the same units.

    With d_su the difference of seed s in unit u:

    - "units" averages over seeds, then flips signs of units: is A better for other users, of the
      models that were trained? The interval is by bootstrap; with more than `MOST_DRAWS` draws,
      both are by Student's t.
    - "seeds" averages over units, then tests S values by Student's t: is A better for other seeds,
      on these users?
    - "both": for other seeds and other users. The variance of the mean of d_su = μ + α_s + β_u +
      ε_su is V_U + max(V_S − V_ε, 0), with V_U of the means of units, V_S of the means of seeds,
      and V_ε, which both contain, of the residuals. As V_S of few seeds is uncertain, p is the
      generalized p-value P(|Z| √V* ≥ |d̄|), with each V divided by a draw of χ²_ν / ν. Of equal
      methods it claims 5 % at most at α = 0.05: 5 % if seeds differ much, fewer if they hardly do.

    Args:
        differences: d, shape (S, U), or (U,) for one seed.
        weights: Weights of units, at least 0, shape (U,); None means equal weights.
        level: "units", "seeds" or "both"; the last two need at least two seeds.
        confidence: That of the interval.
        resamples: Number of resamples of sign-flip test and bootstrap, at least 100.
        seed: Seed of the resamples.

    Raises:
        ValueError: A value is not finite, lengths differ, or there are too few seeds.

    Example:
        >>> d = [[0.1, 0.2, 0.1, 0.3], [0.2, 0.1, 0.1, 0.2], [0.1, 0.2, 0.2, 0.3]]
        >>> found = paired_test(d, level="both")
        >>> round(found.difference, 3), round(found.p, 3)
        (0.175, 0.018)

    Reference:
        Tsui and Weerahandi, "Generalized p-Values in Significance Testing of Hypotheses in the
        Presence of Nuisance Parameters", JASA 1989.
    """
    check_settings(resamples, confidence)
    check_choice(LEVELS, level=level)
    d = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    if d.ndim != 2 or not d.size or not np.isfinite(d).all():
        raise ValueError(
            f"differences must be finite numbers of shape (seeds, units), got {d.shape}"
        )
    w = shares(weights, d.shape[1])
    d, w = d[:, w > 0], w[w > 0]
    if level == "units":
        given = None if weights is None else w
        return _over_units(d.mean(axis=0), given, confidence, resamples, seed)
    if len(d) < 2:
        raise ValueError(f"level={level!r} needs at least two seeds, got 1: test over units")
    if level == "both" and d.shape[1] > 1:
        return _over_both(d, w, confidence, resamples, seed)
    return _by_t(d @ w, np.full(len(d), 1 / len(d)), confidence, resamples, seed)


def _over_units(
    d: Floats, w: Floats | None, confidence: float, resamples: int, seed: int
) -> PairedTest:
    """The test of units by sign flips with a bootstrap interval; of very many by Student's t."""
    if len(d) * resamples > MOST_DRAWS:
        return _by_t(d, shares(w, len(d)), confidence, resamples, seed)
    flipped = sign_flip_test(d, w, resamples=resamples, seed=seed)
    options = {"confidence": confidence, "resamples": resamples, "seed": seed}
    interval = bootstrap_interval(d, w, **options)  # type: ignore[arg-type]
    return PairedTest(flipped.difference, interval.low, interval.high, flipped.p, "sign-flip")


def _by_t(d: Floats, w: Floats, confidence: float, resamples: int, seed: int) -> PairedTest:
    """The test of the weighted mean of differences by Student's t."""
    difference, (variance, df) = float(d @ w), _of_units(d, w)
    if _is_nothing(variance, difference):  # of few seeds, such as of hit@1: no certainty
        p = sign_flip_test(d, w, resamples=resamples, seed=seed).p
        return PairedTest(difference, difference, difference, p, "sign-flip")
    error = math.sqrt(variance)
    half, p = t_quantile(confidence, df) * error, t_two_sided(difference / error, df)
    return PairedTest(difference, difference - half, difference + half, p, "t")


def _is_nothing(variance: float, difference: float) -> bool:
    """Whether a variance is 0 but for rounding: all differences are equal."""
    return variance <= (1e-12 * difference) ** 2


def _over_both(d: Floats, w: Floats, confidence: float, resamples: int, seed: int) -> PairedTest:
    """The test of the mean over seeds and units by drawn variances."""
    n_seeds, n_units = d.shape
    difference, means = float(d.mean(axis=0) @ w), d.mean(axis=0)
    of_seeds, df_seeds = _of_units(d @ w, np.full(n_seeds, 1 / n_seeds))
    of_units, df_units = _of_units(means, w)
    residuals = d - means - ((d - means) @ w)[:, None]
    scale = n_units / (n_units - 1) / (n_seeds * df_seeds)
    of_both, df_both = float((residuals**2 @ w**2).sum()) * scale, df_units * df_seeds
    if _is_nothing(of_units + of_seeds, difference):
        return _over_units(means, w, confidence, resamples, seed)
    rng = np.random.default_rng(seed)

    def drawn(variance: float, df: float) -> Floats:
        return np.asarray(variance * df / rng.chisquare(df, resamples))

    seeds = np.maximum(drawn(of_seeds, df_seeds) - drawn(of_both, df_both), 0)
    errors = np.abs(rng.normal(size=resamples)) * np.sqrt(drawn(of_units, df_units) + seeds)
    p = (1 + int((errors >= abs(difference)).sum())) / (1 + resamples)
    half = float(np.quantile(errors, confidence))
    return PairedTest(difference, difference - half, difference + half, p, "generalized")


def _of_units(d: Floats, w: Floats) -> tuple[float, float]:
    """The variance of the weighted mean over units, and its degrees of freedom.

    It is Σ w² (d − d̄)² U / (U − 1), which holds also where units of large weight vary less, as
    means of many rows do; the degrees of freedom are those of 1 / Σ w² equal units.
    """
    variance = float(((d - d @ w) ** 2) @ w**2) * len(d) / (len(d) - 1)
    return variance, max(1.0, 1 / float(w @ w) - 1)
