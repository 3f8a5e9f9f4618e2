"""Quantiles of numbers: exact while there are few distinct ones, sketched above."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

EXACT_LIMIT = 1_000_000
"""Quantiles are exact for at most so many distinct values."""

RELATIVE_ERROR = 2.0**-11
"""The largest relative error of a quantile above that limit."""

_DROPPED_BITS = 42  # of the 52 of a mantissa, so that a bucket is 2⁻¹⁰ wide, relatively


class Quantiles:
    """Quantiles of numbers that are added in any order.

    Up to `limit` distinct numbers are counted one by one, and quantiles are those of `np.quantile`.
    Beyond, numbers with the same first ten bits after the leading one share a count, so that a
    quantile is within 2⁻¹¹ of its value, relatively. Either form depends on the numbers alone, not
    on their order or grouping.

    Args:
        limit: The largest number of distinct numbers that are counted one by one.

    Example:
        >>> import numpy as np
        >>> quantiles = Quantiles()
        >>> quantiles.add(np.array([4.0, 1.0, 2.0, 3.0]))
        >>> quantiles.at([0.25, 0.5])
        array([1.75, 2.5 ])
    """

    def __init__(self, limit: int = EXACT_LIMIT) -> None:
        self.limit = limit
        self.is_exact = True
        self._keys: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._counts: Counts = np.empty(0, np.int64)
        self._pending: list[Floats] = []
        self._n_pending = 0

    def add(self, values: Floats) -> None:
        """Add finite numbers."""
        self._pending.append(values)
        self._n_pending += len(values)
        if self._n_pending > self.limit:
            self._settle()

    def merge(self, other: "Quantiles") -> None:
        """Add the numbers of another with the same limit."""
        self._settle()
        other._settle()
        if not other.is_exact:
            self._coarsen()
        keys = other._keys if self.is_exact or not other.is_exact else _bucket(other._keys)
        self._count(keys, other._counts)

    @property
    def n(self) -> int:
        """Number of numbers."""
        self._settle()
        return int(self._counts.sum())

    def at(self, shares: "list[float] | Floats", extra: tuple[float, int] | None = None) -> Floats:
        """Return the quantiles at shares from 0 to 1, interpolated linearly.

        Args:
            shares: Shares of the numbers that lie below.
            extra: A number that is added to the others so many times, for this call.
        """
        self._settle()
        values, counts = self._values(), self._counts
        if extra is not None and extra[1]:
            values, counts = np.append(values, extra[0]), np.append(counts, extra[1])
        order = np.argsort(values, kind="stable")
        values, ends = values[order], np.cumsum(counts[order])
        if not len(values):
            return np.zeros(len(shares))
        rank = (ends[-1] - 1) * np.asarray(shares, dtype=np.float64)
        below = np.floor(rank)
        left = values[np.searchsorted(ends, below, side="right")]
        right = values[np.searchsorted(ends, np.minimum(below + 1, ends[-1] - 1), side="right")]
        return np.asarray(_between(left, right, rank - below))

    def _values(self) -> Floats:
        if self.is_exact:
            return self._keys.view(np.float64)
        # the middle of a bucket, which is at most half its width from any of its numbers
        middle = (self._keys << _DROPPED_BITS) | (1 << (_DROPPED_BITS - 1))
        return np.where(self._keys == 0, 0.0, middle.view(np.float64))

    def _settle(self) -> None:
        """Count the numbers that wait."""
        if not self._pending:
            return
        values = np.concatenate(self._pending) + 0.0  # -0.0 is 0.0
        self._pending, self._n_pending = [], 0
        keys = values.view(np.int64)
        self._count(keys if self.is_exact else _bucket(keys), None)

    def _count(self, keys: npt.NDArray[np.int64], times: Counts | None) -> None:
        found, place = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        ones = np.ones(len(keys), np.int64) if times is None else times
        counts = np.zeros(len(found), np.int64)
        np.add.at(counts, place, np.concatenate([self._counts, ones]))
        self._keys, self._counts = found, counts
        if self.is_exact and len(found) > self.limit:
            self._coarsen()

    def _coarsen(self) -> None:
        """Let numbers share a count from now on."""
        if self.is_exact:
            keys, counts = _bucket(self._keys), self._counts
            self.is_exact = False
            self._keys, self._counts = np.empty(0, np.int64), np.empty(0, np.int64)
            self._count(keys, counts)


def _bucket(bits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return bits >> _DROPPED_BITS


def _between(left: Floats, right: Floats, share: Floats) -> Floats:
    """Interpolate as `np.quantile` does, from the nearer end."""
    step = right - left
    return np.where(share < 0.5, left + step * share, right - step * (1 - share))
