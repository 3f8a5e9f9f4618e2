"""Cells as moments: dates and times, numbers since 1970, text."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from .cells import MISSING, Cells, distinct
from .numeric_cells import numbers

if TYPE_CHECKING:
    import pyarrow as pa

Mask = npt.NDArray[np.bool_]

UNITS = ("s", "ms", "us", "ns")

_DIGITS = r"^-?[0-9]+(\.[0-9]+)?$"
_ZONE = r"([Zz]|[+-][0-9]{2}:?[0-9]{2})$"


def moments(cells: Cells, unit: str, form: str | None, timezone: str) -> pd.DatetimeIndex:
    """Parse cells as moments, in a time zone; missing cells are NaT.

    Args:
        cells: Dates and times; numbers, or text of digits, since 1970 in UTC; or text.
        unit: The unit of numbers: "s", "ms", "us" or "ns".
        form: The format of text; None means ISO 8601.
        timezone: The zone of the result, and of moments without a zone.

    Raises:
        ValueError: A cell is no moment, or only some texts have a zone; the message names column,
            row and remedy.

    Example:
        >>> import pyarrow as pa
        >>> cells = Cells(pa.array(["2024-01-01T12:00:00+00:00", ""]), "time")
        >>> moments(cells, "s", None, "Asia/Shanghai")[0].isoformat()
        '2024-01-01T20:00:00+08:00'
    """
    import pyarrow as pa

    array = cells.array
    kind = array.type
    if pa.types.is_dictionary(kind) and not _is_text(kind.value_type):
        return moments(cells.with_array(array.dictionary_decode()), unit, form, timezone)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        whole = array.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        index = pd.DatetimeIndex(whole.to_pandas())
        return _in_zone(index if index.tz is not None else _located(index, timezone), timezone)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        return _in_zone(_since_1970(cells, unit), timezone)
    found = distinct(cells)
    texts = cells.with_values(found.values, found.codes)
    of_value = _in_zone(_of_text(texts, unit, form, timezone), timezone)
    with_missing = of_value.append(pd.DatetimeIndex([pd.NaT], tz=timezone))
    place = np.where(found.codes == MISSING, len(of_value), found.codes)
    taken: pd.DatetimeIndex = with_missing.take(place)
    return taken


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _in_zone(index: pd.DatetimeIndex, timezone: str) -> pd.DatetimeIndex:
    converted: pd.DatetimeIndex = index.tz_convert(timezone)
    return converted


def _since_1970(cells: Cells, unit: str) -> pd.DatetimeIndex:
    import pyarrow as pa

    values = numbers(cells)
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    # at most 6.2e10 seconds before 1970 and 8e10 after, the years 1 to 4505
    beyond = (values / per_second > 8e10) | (values / per_second < -6.2e10)
    if beyond.any():
        row = int(beyond.argmax())
        cells.refuse(
            f"{float(values[row])!r} {unit} since 1970 is no moment",
            row,
            'give the unit, such as unit="ms"',
        )
    missing = np.isnan(values)
    if pa.types.is_integer(cells.array.type):  # float64 does not hold all nanoseconds
        ints = cells.array.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    else:
        ints = np.where(missing, 0, np.floor(values * (10**6 / per_second))).astype(np.int64)
        per_second = 10**6
    # the microsecond before, so that no moment passes into the next hour
    coarse = per_second <= 10**6
    microseconds = ints * (10**6 // per_second) if coarse else ints // (per_second // 10**6)
    whole = np.where(missing, np.iinfo(np.int64).min, microseconds)
    return _located(pd.DatetimeIndex(whole.view("datetime64[us]")), "UTC")


def _of_text(cells: Cells, unit: str, form: str | None, timezone: str) -> pd.DatetimeIndex:
    """Parse distinct texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = cells.array.cast(pa.large_string())
    digits = pc.match_substring_regex(texts, _DIGITS).to_numpy(zero_copy_only=False)
    if form is None and digits.all():
        return _since_1970(cells.with_array(_digits(texts)), unit)
    if form is None and digits.any():
        number = int(digits.argmax())
        cells.refuse(
            f"{texts[number].as_py()!r} is a number, but other rows are dates",
            number,
            "give all rows one form, or the format of text, such as format='%Y%m%d'",
        )
    zoned = pc.match_substring_regex(texts, _ZONE).to_numpy(zero_copy_only=False)
    zoned &= pc.match_substring_regex(texts, "[:T]").to_numpy(zero_copy_only=False)
    values = texts.to_pylist()
    if form is None and zoned.any() and not zoned.all():
        bare = int(np.argmin(zoned))
        cells.refuse(
            f"{values[bare]!r} has no time zone, but other rows have",
            bare,
            "give all rows one, or none",
        )
    try:
        index = _parsed(values, form, zoned)
    except (ValueError, OverflowError):
        for number, value in enumerate(values):
            try:
                _parsed([value], form, zoned[number : number + 1])
            except (ValueError, OverflowError) as error:
                cells.refuse(
                    f"{value[:60]!r} is no moment in {form or 'ISO 8601'}",
                    number,
                    f"give its format, such as format='%d/%m/%Y %H:%M' ({type(error).__name__})",
                )
        raise
    return index if index.tz is not None else _located(index, timezone)


def _parsed(values: list[str], form: str | None, zoned: Mask) -> pd.DatetimeIndex:
    utc = _zoned(form, zoned)
    parsed: pd.DatetimeIndex = pd.DatetimeIndex(
        pd.to_datetime(values, format=form or "ISO8601", utc=utc)
    )
    return parsed


def _zoned(form: str | None, zoned: Mask) -> bool:
    """Whether texts have zones."""
    return "%z" in form if form else bool(len(zoned)) and bool(zoned.all())


def _located(index: pd.DatetimeIndex, timezone: str) -> pd.DatetimeIndex:
    """Read moments without a zone as local times.

    An hour that occurs twice when clocks are set back is read as the second; one that does not
    exist when they are set forward, as the moment after.
    """
    ambiguous = np.zeros(len(index), dtype=bool)  # False is standard time
    found: pd.DatetimeIndex = index.tz_localize(
        timezone, ambiguous=ambiguous, nonexistent="shift_forward"
    )
    return found


def _digits(texts: "pa.Array") -> "pa.Array":
    """Convert texts of digits to int64 if they are whole numbers."""
    import pyarrow as pa

    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return texts
