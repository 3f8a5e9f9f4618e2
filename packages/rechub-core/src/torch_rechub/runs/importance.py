"""How much of the differences between trials each parameter of a search explains."""

from collections.abc import Hashable, Sequence
from typing import Any

from .values import signature

_LARGEST_BINS = 5
_TRIALS_PER_BIN = 8


def importance(params: Sequence[Any], values: Sequence[float]) -> float | None:
    """Return the share of the differences in rank between trials that a parameter explains alone.

    It is the effect size of a Kruskal-Wallis test of the values, with the trials grouped by the
    parameter: by its choices, or by up to five ranges of equal counts of a number,

        η² = (H - k + 1) / (n - k), at least 0,

    with the statistic H, k groups and n trials. It depends on the order of the values alone, so
    that one diverged trial does not outweigh the others. Interactions of parameters do not count.

    Args:
        params: The parameter of each trial.
        values: The value of each trial.

    Returns:
        0 to 1; None if there are too few trials: less than two groups of eight numbers.

    Example:
        >>> numbers = list(range(40))
        >>> importance(numbers, [n % 2 for n in numbers]), importance(["a"] * 40, numbers)
        (0.0, None)

    Reference:
        Tomczak and Tomczak, "The need to report effect size estimates revisited", Trends in Sport
        Sciences, 2014.
    """
    groups = _ranges(params) if all(map(_is_number, params)) else list(map(signature, params))
    n, k = len(groups), len(set(groups))
    if k < 2 or n < 2 * _TRIALS_PER_BIN or n <= k:
        return None
    return min(1.0, max(0.0, (kruskal_wallis(groups, values) - k + 1) / (n - k)))


def kruskal_wallis(groups: Sequence[Hashable], values: Sequence[float]) -> float:
    """Return the statistic H of the test of Kruskal and Wallis, corrected for ties.

    Example:
        >>> round(kruskal_wallis("aabb", [1.0, 2.0, 3.0, 4.0]), 6)
        2.4
    """
    ranks = _ranks(values)
    middle = (len(ranks) + 1) / 2
    total = sum((rank - middle) ** 2 for rank in ranks)
    if total == 0:
        return 0.0
    members: dict[Hashable, list[float]] = {}
    for group, rank in zip(groups, ranks, strict=True):
        members.setdefault(group, []).append(rank)
    between = sum(len(m) * (sum(m) / len(m) - middle) ** 2 for m in members.values())
    return (len(ranks) - 1) * between / total


def _ranges(numbers: Sequence[float]) -> list[int]:
    """The range of each number: of equal counts, except that equal numbers are in one."""
    count = min(_LARGEST_BINS, len(numbers) // _TRIALS_PER_BIN)
    return [int((rank - 0.5) * count / len(numbers)) for rank in _ranks(numbers)]


def _ranks(values: Sequence[float]) -> list[float]:
    """The ranks from 1; those of equal values are their mean."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for at in order[start:end]:
            ranks[at] = (start + 1 + end) / 2
        start = end
    return ranks


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
