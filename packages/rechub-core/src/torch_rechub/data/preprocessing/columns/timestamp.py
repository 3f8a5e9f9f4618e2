"""Moments as parts of the calendar: the hour, the weekday and so on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...._bounds import check_choice, check_whole
from ....basic.features import DenseFeature, SparseFeature
from ..cells import Cells
from ..moments_of_time import UNITS, moments
from ..vocabulary import FIRST, UNKNOWN, Vocabulary
from .base import Column, Encoder, Feature, Inputs, ReadAs, State, check_bool
from .saved_settings import check_saved

if TYPE_CHECKING:
    import pyarrow as pa

Ints = npt.NDArray[np.int64]

# how many values each part has
PARTS: Mapping[str, int] = {
    "minute": 60,
    "hour": 24,
    "weekday": 7,
    "weekend": 2,
    "day": 31,
    "dayofyear": 366,
    "month": 12,
    "quarter": 4,
}


@dataclass(frozen=True)
class Timestamp(Column):
    """A column of moments as parts of the calendar, one input for each: "<name>_<part>".

    A part is an id, 2 + its value from 0 (hour 0 to 23, weekday 0 for Monday, day, month and
    quarter from 0), and 1 where the cell is missing. With `cyclical`, it is two dense inputs,
    "<name>_<part>_sin" and "<name>_<part>_cos", the angle 2π value / period; both are 0 where the
    cell is missing.

    Args:
        column: Name of the raw column: dates and times, numbers since 1970, or text.
        parts: Parts: minute, hour, weekday, weekend, day, dayofyear, month, quarter.
        cyclical: Whether parts are sine and cosine instead of ids.
        unit: Unit of numbers: "s", "ms", "us" or "ns".
        format: Format of text, as of `datetime.strptime`; None means ISO 8601.
        timezone: Zone of the calendar, such as "Asia/Shanghai"; moments without a zone are in it.
            Numbers count from 1970 in UTC.
        embed_dim: Width of embeddings; None means that of `Preprocessor.features`.
        name: Prefix of names of inputs; None means the name of the raw column.

    Raises:
        ValueError: On fitting and encoding, a cell is no moment, or only some have a zone.

    Example:
        >>> from torch_rechub.data.preprocessing import Preprocessor
        >>> times = Preprocessor([Timestamp("time", parts=("hour", "weekday"))])
        >>> encoded = times.fit_transform({"time": ["2024-01-01T05:30:00", None]})
        >>> encoded["time_hour"], encoded["time_weekday"]
        (array([7, 1], dtype=int32), array([2, 1], dtype=int32))
    """

    parts: Sequence[str] = field(default=("hour", "weekday"), kw_only=True)
    cyclical: bool = field(default=False, kw_only=True)
    unit: str = field(default="s", kw_only=True)
    format: str | None = field(default=None, kw_only=True)
    timezone: str = field(default="UTC", kw_only=True)
    embed_dim: int | None = field(default=None, kw_only=True)

    read_as: ClassVar[ReadAs] = "text"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        ends = ("_sin", "_cos") if self.cyclical else ("",)
        return tuple(f"{self.input_name}_{part}{end}" for part in self.parts for end in ends)

    def check(self) -> None:
        """Check the arguments."""
        if isinstance(self.parts, str) or not len(self.parts):
            raise ValueError(f"parts must be a list such as ('hour',), got {self.parts!r}")
        for part in self.parts:
            check_choice(PARTS, parts=part)
        check_choice(UNITS, unit=self.unit)
        check_bool(cyclical=self.cyclical)
        if self.format is not None and not isinstance(self.format, str):
            raise ValueError(f"format must be a text such as '%d/%m/%Y', got {self.format!r}")
        check_whole(1, embed_dim=self.embed_dim)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, TypeError) as error:
            raise ValueError(
                f"timezone must be a name such as 'Asia/Shanghai', got {self.timezone!r}"
            ) from error

    def prepare(self, cells: Mapping[str, Cells]) -> pd.DatetimeIndex:
        """Parse the moments of a block, in the zone of the calendar."""
        return moments(cells[self.column], self.unit, self.format, self.timezone)

    def new_state(self) -> "TimestampState":
        """Return the statistics of no cells."""
        return TimestampState()

    def fitted(self, state: "TimestampState", vocabulary: Vocabulary | None) -> "TimestampEncoder":
        """Return the encoder."""
        low, high = (None if m is None else m.isoformat() for m in (state.low, state.high))
        return TimestampEncoder(self, state.n_rows, state.n_missing, low, high)

    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> "TimestampEncoder":
        """Return the saved encoder."""
        check_saved(settings, others=("low", "high"))
        for moment in (settings["low"], settings["high"]):
            if moment is not None:
                pd.Timestamp(moment)  # raises ValueError if it is none
        return TimestampEncoder(self, **settings)

    def settings(self) -> dict[str, Any]:
        """Return the arguments."""
        return super().settings() | {"parts": list(self.parts)}


class TimestampState(State):
    """Counts and range."""

    def __init__(self) -> None:
        self.n_rows = self.n_missing = 0
        self.low: pd.Timestamp | None = None
        self.high: pd.Timestamp | None = None

    def observe(self, prepared: pd.DatetimeIndex) -> None:
        """Add the cells of a block."""
        present = prepared.dropna()
        self.n_rows += len(prepared)
        self.n_missing += len(prepared) - len(present)
        if len(present):
            self._widen(present.min(), present.max())

    def _widen(self, low: pd.Timestamp | None, high: pd.Timestamp | None) -> None:
        lows = [moment for moment in (self.low, low) if moment is not None]
        highs = [moment for moment in (self.high, high) if moment is not None]
        self.low, self.high = min(lows, default=None), max(highs, default=None)

    def merge(self, other: "TimestampState") -> None:
        """Add the statistics of another."""
        self.n_rows += other.n_rows
        self.n_missing += other.n_missing
        self._widen(other.low, other.high)


@dataclass(frozen=True, eq=False)
class TimestampEncoder(Encoder):
    """A column of moments with its counts and range."""

    column: Timestamp
    rows: int
    missing: int
    low: str | None
    high: str | None

    def encode(self, prepared: pd.DatetimeIndex) -> Inputs:
        """Return the parts, shape (N,) each."""
        missing = np.asarray(prepared.isna())
        inputs: Inputs = {}
        for part in self.column.parts:
            name = f"{self.column.input_name}_{part}"
            value = _value_of(part, prepared, missing)
            if self.column.cyclical:
                angle = 2 * np.pi * value / PARTS[part]
                for function in (np.sin, np.cos):
                    found = np.where(missing, 0, function(angle)).astype(np.float32)
                    inputs[f"{name}_{function.__name__}"] = found
            else:
                inputs[name] = np.where(missing, UNKNOWN, FIRST + value).astype(np.int32)
        return inputs

    def features(self, embed_dim: int | None) -> list[Feature]:
        """Return the features of the parts."""
        found: list[Feature] = []
        for part in self.column.parts:
            name = f"{self.column.input_name}_{part}"
            if self.column.cyclical:
                found += [DenseFeature(f"{name}_sin"), DenseFeature(f"{name}_cos")]
            else:
                dim = self.column.embed_dim or embed_dim
                found.append(SparseFeature(name, FIRST + PARTS[part], dim))
        return found

    def facts(self) -> dict[str, Any]:
        """Return counts and range."""
        return {"rows": self.rows, "missing": self.missing, "low": self.low, "high": self.high}

    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return counts and range."""
        names = ("rows", "missing", "low", "high")
        return {name: getattr(self, name) for name in names}, {}


def _value_of(part: str, moments: pd.DatetimeIndex, missing: npt.NDArray[np.bool_]) -> Ints:
    """Return a part from 0; 0 where the moment is missing."""
    if part == "weekend":
        found = np.asarray(moments.day_of_week) >= 5
    else:
        first = 1 if part in ("day", "dayofyear", "month", "quarter") else 0
        attribute = {"weekday": "day_of_week", "dayofyear": "day_of_year"}.get(part, part)
        found = np.asarray(getattr(moments, attribute)) - first
    return np.where(missing, 0, found).astype(np.int64)
