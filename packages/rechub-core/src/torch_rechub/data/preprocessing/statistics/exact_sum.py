"""Sums of floats without rounding, so that the order and the grouping of terms do not matter."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LOWEST = -1074  # the exponent of the least bit of a double
_LARGEST_BLOCK = 2**20


@dataclass
class ExactSum:
    """A sum of float64 numbers as a whole multiple of 2⁻¹⁰⁷⁴, the least bit that a term can have.

    Adding is exact, therefore associative and commutative: sums of shards are the sum of all.

    Attributes:
        units: The sum in units of 2⁻¹⁰⁷⁴.

    Example:
        >>> import numpy as np
        >>> total = ExactSum()
        >>> total.add(np.array([1e100, 1.0, -1e100]))
        >>> float(total.value)
        1.0

    Reference:
        Demmel and Hida, Accurate and efficient floating point summation, SIAM Journal on Scientific
        Computing 25(4), 2004.
    """

    units: int = 0

    def add(self, terms: Floats) -> None:
        """Add finite numbers."""
        for start in range(0, len(terms), _LARGEST_BLOCK):
            self._add(terms[start : start + _LARGEST_BLOCK])

    def _add(self, terms: Floats) -> None:
        """Add the leading bits of all terms, then what is left of them, until nothing is.

        Leading bits are multiples of one power of two, so few that float64 holds their sum.
        """
        bits = len(terms).bit_length()
        while len(terms) and (largest := float(np.abs(terms).max())) > 0:
            exponent = math.frexp(largest)[1] + bits
            if exponent > 1023:  # the sum may be beyond float64
                self.units += sum(_units(term) for term in terms.tolist())
                return
            grid = math.ldexp(1.0, exponent)
            leading = (terms + grid) - grid
            self.units += _units(float(leading.sum()))
            terms = terms - leading

    def merge(self, other: "ExactSum") -> None:
        """Add another sum."""
        self.units += other.units

    @property
    def value(self) -> Fraction:
        """The sum, exactly."""
        return Fraction(self.units, 1 << -_LOWEST)


def _units(number: float) -> int:
    numerator, denominator = number.as_integer_ratio()
    return numerator * ((1 << -_LOWEST) // denominator)


class Moments:
    """Number, mean and variance of numbers, from exact sums of them and of their squares.

    Example:
        >>> import numpy as np
        >>> moments = Moments()
        >>> moments.add(np.array([1.0, 2.0, 6.0]))
        >>> moments.mean, round(moments.std, 6)
        (3.0, 2.160247)
    """

    def __init__(self) -> None:
        self.n = 0
        self.sum, self.squares = ExactSum(), ExactSum()

    def add(self, values: Floats, times: int = 1) -> None:
        """Add finite numbers, each `times` times."""
        if times == 1:
            self.n += len(values)
            self.sum.add(values)
            for part in _squares(values):
                self.squares.add(part)
            return
        once = Moments()
        once.add(values)
        self.n += times * once.n
        self.sum.units += times * once.sum.units
        self.squares.units += times * once.squares.units

    def merge(self, other: "Moments") -> None:
        """Add the numbers of another."""
        self.n += other.n
        self.sum.merge(other.sum)
        self.squares.merge(other.squares)

    @property
    def mean(self) -> float:
        """The mean; 0 of no numbers."""
        return float(self.sum.value / self.n) if self.n else 0.0

    @property
    def std(self) -> float:
        """The standard deviation of the numbers as a population; 0 of no numbers."""
        if not self.n:
            return 0.0
        mean = self.sum.value / self.n
        return float(np.sqrt(float(self.squares.value / self.n - mean * mean)))


def _squares(x: Floats) -> tuple[Floats, Floats]:
    """Return x² and its rounding error, whose sum is exact (Dekker's product)."""
    with np.errstate(over="ignore", invalid="ignore"):
        shifted = x * (2.0**27 + 1)
        high = shifted - (shifted - x)
        low = x - high
        square = x * x
        error = ((high * high - square) + 2 * high * low) + low * low
    return square, error
