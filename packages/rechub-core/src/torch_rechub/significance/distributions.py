"""Tail probabilities and quantiles of the normal and of Student's t distribution."""

import math
from statistics import NormalDist

_MOST_TERMS = 10_000
_TINY = 1e-300


def normal_two_sided(z: float) -> float:
    """The probability that a standard normal variable is at least as far from 0 as z.

    Example:
        >>> round(normal_two_sided(1.959964), 6)
        0.05
    """
    return math.erfc(abs(z) / math.sqrt(2))


def normal_quantile(p: float) -> float:
    """The value that a standard normal variable is below with probability p, in (0, 1).

    Example:
        >>> round(normal_quantile(0.975), 4)
        1.96
    """
    return NormalDist().inv_cdf(p)


def t_two_sided(t: float, df: float) -> float:
    """The probability that a variable of Student's t distribution is at least as far from 0 as t.

    It is I_x(ν / 2, 1 / 2) with x = ν / (ν + t²), the regularized incomplete beta function.

    Args:
        t: The value; infinite values have probability 0.
        df: Degrees of freedom ν, above 0; infinity means the normal distribution.

    Example:
        >>> round(t_two_sided(2.262157, 9), 6), round(t_two_sided(1.959964, float("inf")), 6)
        (0.05, 0.05)
    """
    if math.isinf(t):
        return 0.0
    if math.isinf(df) or df > 1e8:
        return normal_two_sided(t)
    square = t * t
    return _incomplete_beta(df / 2, 0.5, df / (df + square), square / (df + square))


def t_quantile(confidence: float, df: float) -> float:
    """The t that |T| is below with probability `confidence`, in (0, 1).

    Example:
        >>> round(t_quantile(0.95, 9), 4)
        2.2622
    """
    low, high = 0.0, 1.0
    while t_two_sided(high, df) > 1 - confidence:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if t_two_sided(middle, df) > 1 - confidence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """I_x(a, b), with `rest` = 1 − x, which loses no digits where x is near 1."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log(rest))
    # the continued fraction converges quickly on the smaller side of the mean
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 + term * d
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = 1 + term / c
            c = c if abs(c) > _TINY else _TINY
            value *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return value
