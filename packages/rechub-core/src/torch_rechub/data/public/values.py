"""Values that need more than a parser of numbers: times, lists, choices and derived columns."""

import json
from typing import Any

import pandas as pd

from .layout import JSON_LIST, Column, FaultError, Table


def finish(frame: pd.DataFrame, table: Table, line: int) -> pd.DataFrame:
    """Convert the text of times, lists and choices, and compute derived columns.

    Args:
        frame: A block, whose columns of these types are text or lists.
        table: The layout.
        line: The number of the block's first line.

    Raises:
        FaultError: A value is not of the type.
    """
    convert = {"time": _times, "list": _lists, "choice": _choices}
    for column in table.stored:
        if column.type in convert and column.name in frame:
            try:
                frame[column.name] = convert[column.type](frame[column.name], column)
            except _BadValueError as error:
                raise FaultError(line + error.row, str(error)) from None
    if table.change is not None:
        try:
            frame = table.change(frame)
        except FaultError as error:
            raise FaultError(line + error.line, error.reason) from None
    return frame


class _BadValueError(ValueError):
    def __init__(self, row: int, column: Column, value: Any, expected: str) -> None:
        super().__init__(f"column {column.name!r} has {str(value)[:80]!r}, expected {expected}")
        self.row = row


def _first(mask: "pd.Series[bool]") -> int:
    return int(mask.to_numpy().argmax())


def _times(texts: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    """Seconds since 1970 of times in UTC, or without a time zone."""
    times = pd.to_datetime(texts, format=column.form, errors="coerce", utc=True)
    wrong = times.isna()
    if wrong.any():
        row = _first(wrong)
        raise _BadValueError(row, column, texts.iloc[row], f"a time of the form {column.form}")
    seconds: pd.Series[Any] = times.dt.tz_localize(None).astype("datetime64[s]").astype("int64")
    return seconds


def _lists(texts: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    """Tuples; of a missing value, the empty one."""
    tuples: list[tuple[Any, ...]] = []
    for row, text in enumerate(texts):
        if isinstance(text, (list, tuple)):
            tuples.append(tuple(text))
        elif not isinstance(text, str):
            tuples.append(())
        elif column.form == JSON_LIST:
            tuples.append(_json_list(text, column, row))
        else:
            tuples.append(tuple(part.strip() for part in text.split(column.form)))
    return pd.Series(tuples, index=texts.index, dtype=object)


def _json_list(text: str, column: Column, row: int) -> tuple[Any, ...]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list):
        raise _BadValueError(row, column, text, "a list such as [27, 9]")
    return tuple(values)


def _choices(texts: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    places = texts.map({choice: place for place, choice in enumerate(column.choices)})
    if places.isna().any():
        row = _first(places.isna())
        raise _BadValueError(row, column, texts.iloc[row], " or ".join(map(repr, column.choices)))
    return places.astype("int64")
