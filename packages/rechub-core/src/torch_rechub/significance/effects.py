"""The size of a difference between pairs, and p-values of several tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._bounds import check_number, refuse_none
from .columns import counted


@dataclass(frozen=True)
class Effect:
    """The size of a difference between A and B.

    Attributes:
        difference: The weighted mean of A − B.
        relative: The difference divided by the mean of B; None if that is 0.
        d_z: The difference divided by the standard deviation of the differences of units; None if
            that is 0.
        superiority: The share of units, by weight, in which A is larger, ties counting ½.
    """

    difference: float
    relative: float | None
    d_z: float | None
    superiority: float


def effect_size(a: ArrayLike, b: ArrayLike, weights: ArrayLike | None = None) -> Effect:
    """The size of the difference between the values of A and B for the same units.

    Args:
        a: The values of A, one for each unit, shape (U,).
        b: The values of B, shape (U,).
        weights: Weights of units, at least 0, shape (U,); None means equal weights.

    Raises:
        ValueError: A value is not finite, lengths differ, or no unit has a weight above 0.

    Example:
        >>> found = effect_size([0.5, 0.5, 0.2], [0.4, 0.2, 0.2])
        >>> round(found.difference, 3), round(found.relative, 3), round(found.superiority, 3)
        (0.133, 0.5, 0.833)
    """
    (x, w), (y, _) = counted(a, weights, "a"), counted(b, weights, "b")
    d, mean_b = x - y, float(y @ w)
    difference = float(d @ w)
    # reliability weights, with which n equal ones give the sample variance
    lost = 1 - float(w @ w)
    variance = float((d - difference) ** 2 @ w) / lost if lost > 0 else 0.0
    wins = float((d > 0) @ w) + float((d == 0) @ w) / 2
    relative = difference / mean_b if mean_b else None
    return Effect(
        difference, relative, difference / math.sqrt(variance) if variance else None, wins
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of m tests for their number, by Holm's method.

    In ascending order, p̃₍ᵢ₎ = max_{j ≤ i} min(1, (m − j + 1) p₍ⱼ₎). Those below α are the
    differences claimed; the probability that one of the claims or more is false is at most α,
    whatever the dependence between the tests.

    Args:
        p_values: Each in 0 to 1, shape (m,).

    Returns:
        The adjusted values, in the order given.

    Raises:
        TypeError: A p-value is not a number.
        ValueError: A p-value is outside 0 to 1.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]

    Reference:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
        Statistics 1979.
    """
    for p in p_values:
        refuse_none(p=p)
        check_number("[0, 1]", p=p)
    m, order = len(p_values), np.argsort(np.asarray(p_values, dtype=np.float64), kind="stable")
    found, largest = [0.0] * m, 0.0
    for place, at in enumerate(order.tolist()):
        largest = max(largest, min(1.0, (m - place) * p_values[at]))
        found[at] = largest
    return found
