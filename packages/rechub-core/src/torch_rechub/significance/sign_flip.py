"""The paired permutation test: signs of differences are flipped."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .columns import Floats, check_settings, counted

_TIE = 1e-12  # of Σ|w d|: sums of the same terms in another order are equal
_BITS = 8
_BYTES_AT_ONCE = 2**24


@dataclass(frozen=True)
class SignFlip:
    """The result of `sign_flip_test`.

    Attributes:
        difference: The weighted mean of the differences.
        p: The two-sided p-value.
        exact: Whether all sign patterns were counted, not a sample of them.
    """

    difference: float
    p: float
    exact: bool


def sign_flip_test(
    differences: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> SignFlip:
    """Test whether differences of pairs, A − B, are symmetric around 0.

    If A and B are exchangeable within each unit, every sign of a difference is as likely as its
    opposite. With T = Σ w_u d_u / Σ w_u and random signs s_u, p = P(|Σ w_u s_u d_u| ≥ |Σ w_u d_u|):
    exact if there are at most `resamples` patterns of signs of the differences other than 0, else
    (1 + #{|T*| ≥ |T|}) / (1 + resamples).

    Args:
        differences: d, one for each unit, such as a user, shape (U,).
        weights: w, at least 0, shape (U,); None means equal weights.
        resamples: Number of random patterns, at least 100.
        seed: Seed of the patterns.

    Raises:
        ValueError: A value is not finite, lengths differ, or no unit has a weight above 0.

    Example:
        >>> sign_flip_test([0.1, 0.2, 0.3, 0.1, 0.2]).p
        0.0625

    Reference:
        Fisher, "The Design of Experiments", 1935, §21.
    """
    check_settings(resamples)
    d, w = counted(differences, weights, "differences")
    terms = d * w
    total, terms = float(terms.sum()), terms[terms != 0]
    least = abs(total) - _TIE * float(np.abs(terms).sum())
    if len(terms) == 0:
        return SignFlip(0.0, 1.0, True)
    if 2 ** min(len(terms), 60) <= resamples:
        return SignFlip(total, float((np.abs(_all_sums(terms)) >= least).mean()), True)
    reached = int((np.abs(_random_sums(terms, resamples, seed)) >= least).sum())
    return SignFlip(total, (1 + reached) / (1 + resamples), False)


def _all_sums(terms: Floats) -> Floats:
    """The sums of all patterns of signs, the first sign fixed, as the opposites are symmetric."""
    sums = terms[:1]
    for term in terms[1:]:
        sums = np.concatenate([sums + term, sums - term])
    return sums


def _random_sums(terms: Floats, resamples: int, seed: int) -> Floats:
    """The sums of random patterns of signs, (resamples,).

    Eight signs are one random byte: it selects one of the 256 sums of eight terms, a table that
    fits into the first cache, so that a pattern costs one addition per eight units.
    """
    rng = np.random.default_rng(seed)
    padded = np.append(terms, np.zeros(-len(terms) % _BITS)).reshape(-1, _BITS)
    sums, picked = np.zeros(resamples), np.empty(resamples)
    rows = max(1, _BYTES_AT_ONCE // resamples)
    for start in range(0, len(padded), rows):
        tables = _tables(padded[start : start + rows])
        signs = _bytes(rng, (len(tables), resamples))
        for table, index in zip(tables, signs, strict=True):
            np.take(table, index, out=picked, mode="clip")
            sums += picked
    return sums


def _tables(terms: Floats) -> Floats:
    """The sums of each eight terms under the 256 patterns of signs, (G, 256)."""
    tables = np.zeros((len(terms), 1))
    for column in terms.T[:, :, None]:
        tables = np.concatenate([tables + column, tables - column], axis=1)
    return tables


def _bytes(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.frombuffer(rng.bytes(shape[0] * shape[1]), dtype=np.uint8).reshape(shape)
