"""Times of raw users as numbers: dates, text of ISO 8601, or numbers of a unit."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.interactions.columns import PER_SECOND, refuse_missing, to_moments

Array = npt.NDArray[Any]

_YEAR_FIRST = r"\s*\d{4}[-/]?\d"  # not "now", which pandas reads too, nor a bare number
_LATEST = int(pd.Timestamp("2200-01-01").timestamp())


def read_moments(column: pd.Series, name: str, unit: str, rows: Any = None) -> tuple[Array, int]:
    """Return times as numbers, and how many make a second.

    Args:
        column: Numbers, dates and times, or text of ISO 8601, as JSON has it, (N,).
        name: The name of the column, for messages.
        unit: The unit of numbers.
        rows: The row of each value, (N,), for messages; None numbers them.

    Raises:
        TypeError: The times are of another type.
        ValueError: A value is missing, a text is not of ISO 8601, or a number lies after the year
            2200, such as milliseconds that are read as seconds.

    Example:
        >>> read_moments(pd.Series(["1970-01-02", "1970-01-01T00:00:01Z"]), "time", "s")[0].tolist()
        [86400000000, 1000000]
    """
    if not len(column):
        return np.empty(0, dtype=np.int64), 1
    refuse_missing({name: column}, [name])
    rows = np.arange(len(column)) if rows is None else rows
    if all(isinstance(value, str) for value in column):
        column = _of_text(column, name, rows)
    moments, per_second = to_moments(column, name, unit)
    if pd.api.types.is_numeric_dtype(column.dtype):
        _refuse_late(moments, name, unit, rows)
    return moments.to_numpy(), per_second


def _of_text(column: pd.Series, name: str, rows: Any) -> pd.Series:
    times = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    wrong = times.isna() | ~column.str.match(_YEAR_FIRST)
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        raise ValueError(
            f"column {name!r} holds {column.iloc[at]!r} in row {rows[at]}, which is no time of ISO "
            "8601: give text such as '2026-01-31T18:30:00Z', or a column of dates and times "
            "(pandas.to_datetime with the format= of the text)"
        )
    return times


def _refuse_late(moments: pd.Series, name: str, unit: str, rows: Any) -> None:
    late = moments.to_numpy() > _LATEST * PER_SECOND[unit]
    if late.any():
        at = int(late.argmax())
        raise ValueError(
            f"column {name!r} holds {moments.iloc[at]} in row {rows[at]}, which is after the year "
            f"2200 in the unit {unit!r} that the bundle was saved with: give times in that unit, "
            "or save the bundle with the time_unit= of its times"
        )
