"""Checks of the columns that a test is computed from."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._bounds import check_number, check_whole, refuse_masked, refuse_none

Floats = NDArray[np.float64]


def finite(values: Any, name: str) -> Floats:
    """Convert a column to doubles (N,).

    Raises:
        ValueError: It has another shape, or a value is masked, NaN or infinite.
    """
    refuse_masked(values, name)
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise ValueError(f"{name} must have shape (N,), got {column.shape}")
    wrong = ~np.isfinite(column)
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(f"{name} must be finite, got {column[at]} in row {at}")
    return column


def shares(weights: ArrayLike | None, n: int) -> Floats:
    """The share of each of n units, which add up to 1; None means equal shares.

    Raises:
        ValueError: There are not n weights, one is negative, or all are 0.
    """
    if weights is None:
        return np.full(n, 1 / n)
    w = finite(weights, "weights")
    if len(w) != n:
        raise ValueError(f"{n} values, but {len(w)} weights")
    if (w < 0).any():
        raise ValueError(f"weights must be at least 0, got {w.min():g} in row {w.argmin()}")
    if not w.any():
        raise ValueError("all weights are 0: no unit counts")
    shared: Floats = w / w.sum()
    return shared


def counted(values: ArrayLike, weights: ArrayLike | None, name: str) -> tuple[Floats, Floats]:
    """Values and shares of the units with a weight above 0.

    Raises:
        ValueError: As `finite` and `shares`, or there are no units.
    """
    column = finite(values, name)
    if not len(column):
        raise ValueError(f"{name} is empty: a test needs at least one unit")
    w = shares(weights, len(column))
    return column[w > 0], w[w > 0]


def check_settings(resamples: int, confidence: float = 0.95) -> None:
    """Check the settings of a test.

    Raises:
        TypeError: One is not a number.
        ValueError: There are fewer than 100 resamples, or the confidence is not between 0 and 1.
    """
    refuse_none(resamples=resamples, confidence=confidence)
    check_whole(100, resamples=resamples)
    check_number("(0, 1)", confidence=confidence)
