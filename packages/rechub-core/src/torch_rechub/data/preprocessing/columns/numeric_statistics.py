"""The statistics of numeric columns: of fills, shifts and scales."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..statistics.exact_sum import ExactSum, Moments
from ..statistics.quantiles import Quantiles
from .base import State

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Numbers:
    """The parsed numbers of N cells.

    Attributes:
        missing: Which cells are missing, shape (N,).
        present: The clipped numbers of the others.
        transformed: Their transformation.
    """

    missing: npt.NDArray[np.bool_]
    present: Floats
    transformed: Floats


class NumericState(State):
    """The statistics that the settings of a numeric column need.

    Args:
        missing: The fill of missing cells.
        scale: The kind of scaling.
    """

    def __init__(self, missing: str | float, scale: str | None) -> None:
        self.missing, self.scale = missing, scale
        self.n_rows = self.n_missing = 0
        self.low, self.high = np.inf, -np.inf  # of the clipped numbers
        self.t_low, self.t_high = np.inf, -np.inf  # of the transformed ones
        self.sum = ExactSum() if missing == "mean" else None
        self.quantiles = Quantiles() if missing == "median" else None
        self.t_moments = Moments() if scale == "standard" else None
        self.t_quantiles = Quantiles() if scale == "robust" else None

    def observe(self, prepared: Numbers) -> None:
        """Add the cells of a block."""
        self.n_rows += len(prepared.missing)
        self.n_missing += int(prepared.missing.sum())
        if not len(prepared.present):
            return
        self._widen(prepared.present.min(), prepared.present.max())
        self.t_low = min(self.t_low, float(prepared.transformed.min()))
        self.t_high = max(self.t_high, float(prepared.transformed.max()))
        for statistics, values in (
            (self.sum, prepared.present),
            (self.quantiles, prepared.present),
            (self.t_moments, prepared.transformed),
            (self.t_quantiles, prepared.transformed),
        ):
            if statistics is not None:
                statistics.add(values)

    def _widen(self, low: float, high: float) -> None:
        self.low, self.high = min(self.low, float(low)), max(self.high, float(high))

    def merge(self, other: "NumericState") -> None:
        """Add the statistics of another."""
        self.n_rows += other.n_rows
        self.n_missing += other.n_missing
        self._widen(other.low, other.high)
        self.t_low, self.t_high = min(self.t_low, other.t_low), max(self.t_high, other.t_high)
        for name in ("sum", "quantiles", "t_moments", "t_quantiles"):
            if getattr(self, name) is not None:
                getattr(self, name).merge(getattr(other, name))

    @property
    def range(self) -> tuple[float | None, float | None]:
        """The least and the largest of the clipped numbers; None if all cells are missing."""
        if self.n_rows == self.n_missing:
            return None, None
        return self.low, self.high

    def fill(self) -> float:
        """Return the number of missing cells, before the transformation."""
        if self.sum is not None:
            n_present = self.n_rows - self.n_missing
            return float(self.sum.value / n_present) if n_present else 0.0
        if self.quantiles is not None:
            return float(self.quantiles.at([0.5])[0])
        return float(self.missing) if self.missing != "error" else 0.0

    def shift_and_scale(self, filled: float) -> tuple[float, float]:
        """Return what is subtracted and what is divided by, with the filled cells counted."""
        if self.t_moments is not None:
            if self.n_missing:
                every = Moments()
                every.merge(self.t_moments)
                every.add(np.array([filled]), self.n_missing)
                return every.mean, every.std or 1.0
            return self.t_moments.mean, self.t_moments.std or 1.0
        if self.scale == "minmax":
            low, high = self.t_low, self.t_high
            if self.n_missing:
                low, high = min(low, filled), max(high, filled)
            return (0.0, 1.0) if low > high else (low, (high - low) or 1.0)
        if self.t_quantiles is not None:
            lower, middle, upper = self.t_quantiles.at(
                [0.25, 0.5, 0.75], extra=(filled, self.n_missing)
            )
            return float(middle), float(upper - lower) or 1.0
        return 0.0, 1.0
