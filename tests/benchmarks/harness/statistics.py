"""Medians, spreads, and ratios taken pair by pair."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of some values, the least and the greatest of them, and how many they are."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Median and range of values.

    Raises:
        ValueError: There is none.
    """
    if not values:
        raise ValueError("a spread needs at least one value, got none")
    return Spread(statistics.median(values), min(values), max(values), len(values))


def ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Spread | None:
    """The spread of ours / theirs, round by round; None where no round has both.

    Runs of one round follow each other within minutes, so what slows the machine for a while slows
    both and falls out of their ratio; the ratio of the medians would keep it.

    Args:
        ours: A value for each round, None for a run that failed.
        theirs: The same of the peer.

    Raises:
        ValueError: The numbers of rounds differ.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"both need the same rounds, got {len(ours)} and {len(theirs)}")
    pairs = [(a, b) for a, b in zip(ours, theirs) if a is not None and b]
    return spread([a / b for a, b in pairs]) if pairs else None
