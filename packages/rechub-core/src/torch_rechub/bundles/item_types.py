"""Cells of new items as the type of the catalog's columns."""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from .frames import plain

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_KINDS = {
    "string": "text",
    "integer": "whole numbers",
    "floating": "numbers",
    "mixed-integer-float": "numbers",
    "boolean": "true and false",
}


def typed_like(given: pd.Series, known: pd.Series, *, is_id: bool = False) -> pd.Series:
    """Return a column of new items as the type of the catalog's, without loss; see `_CONVERTERS`.

    Missing cells remain. Whole numbers become floats where a new cell has a fraction, except ids.

    Args:
        given: The new cells.
        known: The cells of the catalog's column.
        is_id: Whether the column has the raw ids of items.

    Raises:
        ValueError: A cell has another type; the message names column, row and value.

    Example:
        >>> typed_like(pd.Series([6002.0, "6003"]), pd.Series([6001]), is_id=True).tolist()
        [6002, 6003]
    """
    kind = _kind_of(known)
    same = given.dtype == known.dtype and given.dtype != object
    if kind is None or same or (kind == "text" and _kind_of(given) == kind):
        return given
    wanted = "numbers" if kind == "whole numbers" and not is_id else kind
    cells = [_converted(value, kind, wanted, row, given) for row, value in enumerate(given)]
    if kind in ("whole numbers", "true and false", "text") and not hasattr(known, "cat"):
        try:
            typed: pd.Series = pd.Series(cells, name=given.name, dtype=known.dtype)
            return typed
        except (OverflowError, TypeError, ValueError):  # missing cells, fractions, a small type
            pass
    dtype = object if kind == "lists" else None
    of_kind: pd.Series = pd.Series(cells, name=given.name, dtype=dtype)
    return of_kind


def _kind_of(column: pd.Series) -> str | None:
    """Return the kind of a column's cells; None for others, such as dates, and for no cells."""
    values: Any = column.cat.categories if hasattr(column, "cat") else column
    kind = _KINDS.get(pd.api.types.infer_dtype(values, skipna=True))
    if kind is None and column.dtype == object and len(there := column.dropna()):
        return "lists" if _is_list(there.iloc[0]) else None
    return kind


def _converted(value: Any, kind: str, wanted: str, row: int, column: pd.Series) -> Any:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return value
    for name in dict.fromkeys((kind, wanted)):
        found = _CONVERTERS[name](plain(value))
        if found is not None:
            return found
    raise ValueError(
        f"items has {plain(value)!r} in row {row} of column {column.name!r}, whose cells are "
        f"{wanted} in the bundle"
    )


def _whole(value: Any) -> int | None:
    if isinstance(value, str):  # as keys of ids, "07" is not 7
        short = re.fullmatch(r"-?\d{1,20}", value, re.ASCII) and str(int(value)) == value
        value = int(value) if short else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and -(2**63) <= value < 2**64 else None


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 2**53 or isinstance(value, float) else None


def _text(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number or isinstance(value, str) else None


def _truth(value: Any) -> bool | None:
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else None


def _list(value: Any) -> Any:
    return value if _is_list(value) else None


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) or getattr(value, "ndim", 0) == 1


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "whole numbers": _whole,
    "numbers": _number,
    "text": _text,
    "true and false": _truth,
    "lists": _list,
}
