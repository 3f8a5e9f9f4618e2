"""Numbers: clipped, filled, transformed, scaled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...._bounds import check_choice, check_number
from ....basic.features import DenseFeature
from ..cells import Cells
from ..numeric_cells import numbers
from ..vocabulary import Vocabulary
from .base import Column, Encoder, Feature, Inputs, ReadAs, check_bool, plain
from .numeric_statistics import Numbers, NumericState
from .saved_settings import check_saved

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
        missing: The fill of missing cells (null, NaN, empty text): "mean" or "median" of the
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

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        name = self.input_name
        return (name, f"{name}_missing") if self.indicator else (name,)

    def check(self) -> None:
        """Check the arguments."""
        if callable(self.transform):
            self._check_function(self.transform)
        else:
            check_choice(TRANSFORMS, transform=self.transform)
        check_choice(SCALES, scale=self.scale)
        if isinstance(self.missing, str):
            check_choice((*FILLS, "a number"), missing=self.missing)
        else:
            check_number("(-inf, inf)", missing=self.missing)
        check_bool(indicator=self.indicator)
        if self.clip is not None:
            if isinstance(self.clip, str) or len(self.clip) != 2:
                raise ValueError(f"clip must be a pair such as (0, None), got {self.clip!r}")
            low, high = self.clip
            check_number("(-inf, inf)", clip_low=low, clip_high=high)
            if low is not None:
                check_number(f"[{low}, inf)", clip_high=high)

    def _check_function(self, function: Any) -> None:
        """Refuse a function without a name, or with that of another: it is saved by name."""
        name = getattr(function, "__name__", None)
        if not name:
            raise ValueError(
                f"the transform of column {self.column!r} has no name: define it with def"
            )
        if name in TRANSFORMS and function is not TRANSFORMS[name]:
            raise ValueError(
                f"the transform of column {self.column!r} is called {name!r}, which is a transform "
                "of this library: give it another name"
            )

    def prepare(self, cells: Mapping[str, Cells]) -> Numbers:
        """Parse the numbers of a block, and transform them."""
        own = cells[self.column]
        raw = numbers(own)
        missing = np.isnan(raw)
        if self.missing == "error" and missing.any():
            own.refuse("is missing", int(missing.argmax()), "fill or drop such rows first")
        if self.clip is not None and self.clip != (None, None):
            raw = np.clip(raw, *self.clip)
        present = raw[~missing] if missing.any() else raw
        transformed = self.transformed(present)
        bad = ~np.isfinite(transformed) | (np.abs(transformed) > np.finfo(np.float32).max)
        if bad.any():
            row = int(np.flatnonzero(~missing)[bad.argmax()])
            own.refuse(
                f"{float(raw[row])!r} gives {float(transformed[bad.argmax()])!r} under "
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

    def new_state(self) -> NumericState:
        """Return the statistics of no cells."""
        return NumericState(self.missing, self.scale)

    def fitted(self, state: NumericState, vocabulary: Vocabulary | None) -> "NumericEncoder":
        """Return the encoder with the fill, the shift and the scale."""
        fill = state.fill()
        filled = self.transformed(np.array([fill])).item()
        if self.missing != "error" and not np.isfinite(filled):
            raise ValueError(
                f"column {self.column!r}: missing cells are filled with {fill!r}, which gives "
                f"{filled!r} under {self.transform_name}: choose another missing="
            )
        shift, scale = state.shift_and_scale(filled)
        counts = (state.n_rows, state.n_missing)
        return NumericEncoder(self, fill, shift, scale, *counts, *state.range)

    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> "NumericEncoder":
        """Return the saved encoder."""
        check_saved(settings, numbers=("fill", "shift", "scale"), optional=("low", "high"))
        if not settings["scale"] > 0:
            raise ValueError(f"the fitted scale must be above 0, got {settings['scale']!r}")
        return NumericEncoder(self, **settings)

    def settings(self) -> dict[str, Any]:
        """Return the arguments; a function by its name."""
        clip = None if self.clip is None else [plain(bound) for bound in self.clip]
        return super().settings() | {"transform": self.transform_name, "clip": clip}


@dataclass(frozen=True, eq=False)
class NumericEncoder(Encoder):
    """A numeric column with its fill, shift and scale.

    Attributes:
        column: The column.
        fill: The number of missing cells, before the transformation.
        shift: Subtracted from transformed numbers.
        scale: The divisor of the difference.
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
        return [DenseFeature(name) for name in self.column.outputs]

    def facts(self) -> dict[str, Any]:
        """Return counts and range."""
        return {"rows": self.rows, "missing": self.missing, "low": self.low, "high": self.high}

    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return the fitted numbers."""
        names = ("fill", "shift", "scale", "rows", "missing", "low", "high")
        return {name: getattr(self, name) for name in names}, {}
