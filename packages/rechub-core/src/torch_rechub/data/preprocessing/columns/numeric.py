"""Numbers: clipped, filled, transformed, scaled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...._bounds import check_choice, check_number
from ....basic.features import DenseFeature
from ..cells import Cells, numbers
from ..statistics.exact_sum import Moments
from ..statistics.quantiles import Quantiles
from ..vocabulary import Vocabulary
from .base import Column, Encoder, Feature, Inputs, ReadAs, State

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Function = Callable[[Floats], Floats]

TRANSFORMS: Mapping[str, Function] = {"log1p": np.log1p, "sqrt": np.sqrt}
SCALES = ("standard", "minmax", "robust")
FILLS = ("mean", "median", "error")


@dataclass(frozen=True)
class Numeric(Column):
    """A column of numbers as one dense input: x → scale(transform(fill(clip(x)))).

    Scaling goes by all rows, those with a filled cell too, as a pipeline of scikit-learn's imputer,
    transformer and scaler does: "standard" subtracts the mean and divides by the standard deviation
    (of the population); "minmax" maps the range to [0, 1]; "robust" subtracts the median and
    divides by the distance of the quartiles. A constant column is only shifted.

    Args:
        column: Name of the raw column: numbers, or text that holds numbers.
        transform: "log1p", "sqrt", or a function of an array of float64; None leaves values as they
            are. A preprocessor with a function is loaded with ``functions={name: function}``.
        scale: "standard", "minmax", "robust", or None.
        missing: What fills missing cells (null, NaN, empty text): "mean" or "median" of the
            clipped values, a number, or "error".
        indicator: Whether to add the input "<name>_missing", 1 where the cell is missing, else 0.
        clip: The least and the largest value, before all else; None in either place is no limit.
        name: Name of the input; None means that of the raw column.

    Raises:
        ValueError: On fitting and encoding, a cell is no number, infinite, or outside the domain
            of the transformation. The message names column, row and remedy.

    Example:
        >>> from torch_rechub.data.preprocessing import Preprocessor
        >>> ages = Preprocessor([Numeric("age", scale="minmax", missing=0.0)])
        >>> ages.fit_transform({"age": [20, None, 40]})["age"]
        array([0.5, 0. , 1. ], dtype=float32)
    """

    transform: str | Function | None = field(default=None, kw_only=True)
    scale: str | None = field(default=None, kw_only=True)
    missing: str | float = field(default="mean", kw_only=True)
    indicator: bool = field(default=False, kw_only=True)
    clip: tuple[float | None, float | None] | None = field(default=None, kw_only=True)

    read_as: ClassVar[ReadAs] = "number"

    def check(self) -> None:
        """Check the arguments."""
        if not callable(self.transform):
            check_choice(TRANSFORMS, transform=self.transform)
        check_choice(SCALES, scale=self.scale)
        if isinstance(self.missing, str):
            check_choice((*FILLS, "a number"), missing=self.missing)
        else:
            check_number("(-inf, inf)", missing=self.missing)
        if self.clip is not None:
            low, high = self.clip
            check_number("(-inf, inf)", clip_low=low)
            check_number(f"[{-np.inf if low is None else low}, inf)", clip_high=high)

    def prepare(self, cells: Mapping[str, Cells]) -> "Numbers":
        """Parse the numbers of a block, and transform them."""
        own = cells[self.column]
        raw = numbers(own)
        missing = np.isnan(raw)
        if self.missing == "error" and missing.any():
            own.refuse("is missing", int(missing.argmax()), "fill or drop such rows first")
        if self.clip is not None:
            raw = np.clip(raw, *self.clip)
        present = raw[~missing] if missing.any() else raw
        transformed = self.transformed(present)
        bad = ~np.isfinite(transformed) | (np.abs(transformed) > np.finfo(np.float32).max)
        if bad.any():
            row = int(np.flatnonzero(~missing)[bad.argmax()])
            own.refuse(
                f"{raw[row]!r} gives {float(transformed[bad.argmax()])!r} under "
                f"{self.transform_name or 'single precision'}",
                row,
                "limit the values with clip=, such as clip=(0, None), or choose another transform",
            )
        return Numbers(missing, present, transformed)

    @property
    def transform_name(self) -> str | None:
        """Name of the transformation."""
        return self.transform.__name__ if callable(self.transform) else self.transform

    def transformed(self, values: Floats) -> Floats:
        """Return the transformation of values."""
        if self.transform is None:
            return values
        function = self.transform if callable(self.transform) else TRANSFORMS[self.transform]
        with np.errstate(all="ignore"):
            found = np.asarray(function(values), dtype=np.float64)
        if found.shape != values.shape:
            raise ValueError(
                f"the transform {self.transform_name!r} of column {self.column!r} returned shape "
                f"{found.shape} for {values.shape}: it must return one number for each"
            )
        return found

    def new_state(self) -> "NumericState":
        """Return the statistics of no cells."""
        return NumericState(self)

    def fitted(self, state: "NumericState", vocabulary: Vocabulary | None) -> "NumericEncoder":
        """Return the encoder with the fill, the shift and the scale."""
        return state.encoder()

    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> "NumericEncoder":
        """Return the saved encoder."""
        return NumericEncoder(self, **settings)

    def settings(self) -> dict[str, Any]:
        """Return the arguments; a function by its name."""
        return super().settings() | {"transform": self.transform_name}


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
    """The statistics that the settings of a numeric column need."""

    def __init__(self, column: Numeric) -> None:
        self.column = column
        self.n_rows = self.n_missing = 0
        self.low, self.high = np.inf, -np.inf  # of the clipped numbers
        self.t_low, self.t_high = np.inf, -np.inf  # of the transformed ones
        self.moments = Moments() if column.missing == "mean" else None
        self.quantiles = Quantiles() if column.missing == "median" else None
        self.t_moments = Moments() if column.scale == "standard" else None
        self.t_quantiles = Quantiles() if column.scale == "robust" else None

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
            (self.moments, prepared.present),
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
        for name in ("moments", "quantiles", "t_moments", "t_quantiles"):
            if getattr(self, name) is not None:
                getattr(self, name).merge(getattr(other, name))

    def encoder(self) -> "NumericEncoder":
        """Return the encoder of these statistics."""
        fill = self._fill()
        shift, scale = self._shift_and_scale(self.column.transformed(np.array([fill])).item())
        nothing = self.n_rows == self.n_missing
        return NumericEncoder(
            self.column,
            fill,
            shift,
            scale,
            self.n_rows,
            self.n_missing,
            None if nothing else self.low,
            None if nothing else self.high,
        )

    def _fill(self) -> float:
        if self.moments is not None:
            return self.moments.mean
        if self.quantiles is not None:
            return float(self.quantiles.at([0.5])[0])
        return float(self.column.missing) if self.column.missing != "error" else 0.0

    def _shift_and_scale(self, filled: float) -> tuple[float, float]:
        """Return what is subtracted and what is divided by, with the filled cells counted."""
        if self.t_moments is not None:
            if self.n_missing:
                every = Moments()
                every.merge(self.t_moments)
                every.add(np.array([filled]), self.n_missing)
                return every.mean, every.std or 1.0
            return self.t_moments.mean, self.t_moments.std or 1.0
        if self.column.scale == "minmax":
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


@dataclass(frozen=True, eq=False)
class NumericEncoder(Encoder):
    """A numeric column with its fill, shift and scale.

    Attributes:
        column: The column.
        fill: The number of missing cells, before the transformation.
        shift: Subtracted from transformed numbers.
        scale: What the difference is divided by.
        rows: Number of fitted rows.
        missing: Number of missing cells among them.
        low: The least of the numbers; None if all cells are missing.
        high: The largest.
    """

    column: Numeric
    fill: float
    shift: float
    scale: float
    rows: int
    missing: int
    low: float | None
    high: float | None

    def encode(self, prepared: Numbers) -> Inputs:
        """Return the numbers, and the indicator of missing ones; shape (N,) each."""
        values = prepared.transformed
        if len(values) < len(prepared.missing):
            values = np.empty(len(prepared.missing))
            values[~prepared.missing] = prepared.transformed
            values[prepared.missing] = self.column.transformed(np.array([self.fill])).item()
        if self.column.scale is not None:
            values = (values - self.shift) / self.scale
        inputs: Inputs = {self.column.input_name: values.astype(np.float32)}
        if self.column.indicator:
            inputs[f"{self.column.input_name}_missing"] = prepared.missing.astype(np.float32)
        return inputs

    def features(self, embed_dim: int | None) -> list[Feature]:
        """Return the features."""
        names = [self.column.input_name]
        if self.column.indicator:
            names.append(f"{names[0]}_missing")
        return [DenseFeature(name) for name in names]

    def facts(self) -> dict[str, Any]:
        """Return counts and range."""
        return {"rows": self.rows, "missing": self.missing, "low": self.low, "high": self.high}

    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return the fitted numbers."""
        names = ("fill", "shift", "scale", "rows", "missing", "low", "high")
        return {name: getattr(self, name) for name in names}, {}
