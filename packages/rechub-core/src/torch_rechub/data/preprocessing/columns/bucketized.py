"""Numbers as ids of intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...._bounds import check_number, check_whole
from ....basic.features import SparseFeature
from ..cells import Cells
from ..numeric_cells import numbers
from ..statistics.quantiles import Quantiles
from ..vocabulary import FIRST, UNKNOWN, Vocabulary
from .base import Column, Encoder, Feature, Inputs, ReadAs, State
from .saved_settings import check_saved

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bucketized(Column):
    """A column of numbers as ids of intervals: 2 + the number of boundaries at or below x.

    Missing cells have id 1.

    Args:
        column: Name of the raw column: numbers, or text that holds numbers.
        boundaries: The boundaries, increasing.
        quantiles: Number of intervals with equally many rows; their boundaries are fitted. Equal
            boundaries are one.
        embed_dim: Width of the embedding; None means that of `Preprocessor.features`.
        name: Name of the input; None means that of the raw column.

    Raises:
        ValueError: Both or none of `boundaries` and `quantiles` are given, or boundaries do not
            increase; on fitting and encoding, a cell is no number.

    Example:
        >>> from torch_rechub.data.preprocessing import Preprocessor
        >>> ages = Preprocessor([Bucketized("age", boundaries=[18, 65])])
        >>> ages.fit_transform({"age": [17, 18, 80, None]})["age"]
        array([2, 3, 4, 1], dtype=int32)
    """

    boundaries: Sequence[float] | None = field(default=None, kw_only=True)
    quantiles: int | None = field(default=None, kw_only=True)
    embed_dim: int | None = field(default=None, kw_only=True)

    read_as: ClassVar[ReadAs] = "number"

    def check(self) -> None:
        """Check the arguments."""
        if (self.boundaries is None) == (self.quantiles is None):
            raise ValueError(f"Bucketized({self.column!r}): give boundaries or quantiles")
        check_whole(2, quantiles=self.quantiles)
        check_whole(1, embed_dim=self.embed_dim)
        if self.boundaries is not None:
            for boundary in self.boundaries:
                check_number("(-inf, inf)", boundaries=boundary)
            if not len(self.boundaries) or (np.diff(self.boundaries) <= 0).any():
                raise ValueError(
                    f"Bucketized({self.column!r}): boundaries must be one or more increasing "
                    f"numbers, got {self.boundaries!r}"
                )

    def prepare(self, cells: Mapping[str, Cells]) -> Floats:
        """Parse the numbers of a block; NaN where missing."""
        return numbers(cells[self.column])

    def new_state(self) -> "BucketizedState":
        """Return the statistics of no cells."""
        return BucketizedState(self)

    def fitted(
        self, state: "BucketizedState", vocabulary: Vocabulary | None
    ) -> "BucketizedEncoder":
        """Return the encoder with its boundaries."""
        if state.quantiles is not None and self.quantiles is not None:
            shares = np.linspace(0, 1, self.quantiles + 1)[1:-1]
            # at the least number, the interval below would be empty
            found = np.unique(state.quantiles.at(shares))
            boundaries = found[found > state.low]
        else:
            boundaries = np.asarray(self.boundaries, dtype=np.float64)
        empty = state.n_rows == state.n_missing
        return BucketizedEncoder(
            self,
            boundaries.tolist(),
            state.n_rows,
            state.n_missing,
            None if empty else state.low,
            None if empty else state.high,
        )

    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> "BucketizedEncoder":
        """Return the saved encoder."""
        check_saved(settings, optional=("low", "high"), others=("boundaries",))
        # fitted boundaries may be none, where all rows are equal
        if settings["boundaries"]:
            replace(self, boundaries=settings["boundaries"], quantiles=None)
        elif settings["boundaries"] != []:
            raise ValueError(f"boundaries must be a list, got {settings['boundaries']!r}")
        return BucketizedEncoder(self, **settings)

    def settings(self) -> dict[str, Any]:
        """Return the arguments."""
        boundaries = None if self.boundaries is None else [float(b) for b in self.boundaries]
        return super().settings() | {"boundaries": boundaries}


class BucketizedState(State):
    """Counts and range; quantiles where boundaries are fitted."""

    def __init__(self, column: Bucketized) -> None:
        self.n_rows = self.n_missing = 0
        self.low, self.high = np.inf, -np.inf
        self.quantiles = None if column.quantiles is None else Quantiles()

    def observe(self, prepared: Floats) -> None:
        """Add the cells of a block."""
        present = prepared[~np.isnan(prepared)]
        self.n_rows += len(prepared)
        self.n_missing += len(prepared) - len(present)
        if len(present):
            self.low = min(self.low, float(present.min()))
            self.high = max(self.high, float(present.max()))
            if self.quantiles is not None:
                self.quantiles.add(present)

    def merge(self, other: "BucketizedState") -> None:
        """Add the statistics of another."""
        self.n_rows += other.n_rows
        self.n_missing += other.n_missing
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        if self.quantiles is not None and other.quantiles is not None:
            self.quantiles.merge(other.quantiles)


@dataclass(frozen=True, eq=False)
class BucketizedEncoder(Encoder):
    """A column with its boundaries, counts and range."""

    column: Bucketized
    boundaries: list[float]
    rows: int
    missing: int
    low: float | None
    high: float | None

    def encode(self, prepared: Floats) -> Inputs:
        """Return the id of each cell, shape (N,)."""
        ids = np.searchsorted(self.boundaries, prepared, side="right").astype(np.int32) + FIRST
        return {self.column.input_name: np.where(np.isnan(prepared), UNKNOWN, ids).astype(np.int32)}

    def features(self, embed_dim: int | None) -> list[Feature]:
        """Return the one feature."""
        size = FIRST + len(self.boundaries) + 1
        column = self.column
        return [SparseFeature(column.input_name, size, column.embed_dim or embed_dim)]

    def facts(self) -> dict[str, Any]:
        """Return counts, range and number of ids."""
        return {
            "rows": self.rows,
            "missing": self.missing,
            "size": FIRST + len(self.boundaries) + 1,
            "low": self.low,
            "high": self.high,
        }

    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return boundaries, counts and range."""
        names = ("boundaries", "rows", "missing", "low", "high")
        return {name: getattr(self, name) for name in names}, {}
