"""Cells that are not numbers: missing ones become NaN, others are refused with the remedy."""

from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from ..basic.layers.values import plural

Array = npt.NDArray[Any]

_EXACT = 2**53  # from here on, float64 cannot represent every integer
_TEXTS = 1000  # number of cells that are tested for numbers stored as text


def to_numbers(cells: Array, name: str) -> Array:
    """Convert an array of objects to numbers; missing cells become NaN.

    Args:
        cells: Objects, texts or dates, (N, …).
        name: The name of the column, for messages.

    Raises:
        TypeError: Cells hold text, empty text, dates or other objects; the message names the first
            row, the number of missing cells and the remedy.
        ValueError: A whole number is not exact in the result.

    Example:
        >>> to_numbers(np.array([3, None, 5], dtype=object), "item")
        array([ 3., nan,  5.])
    """
    missing = _is_missing(cells)
    kinds = _types(cells[~missing])
    if cells.dtype == object and all(issubclass(kind, Real | Decimal) for kind in kinds):
        numbers = _as_numbers(cells, missing, name)
        if not missing.any():
            return numbers.reshape(cells.shape)
        if numbers.dtype.kind in "iu" and numbers.size and np.abs(numbers).max() >= _EXACT:
            raise ValueError(f"column {name!r} has {_missing(missing)}: {_FILL}")
        column = np.full(cells.shape, np.nan)
        column[~missing] = numbers
        return column
    raise TypeError(f"column {name!r} {_description(cells, missing)}")


def refuse_beyond_int64(numbers: Array, name: str) -> None:
    """Refuse unsigned numbers beyond int64, which would become negative.

    Raises:
        ValueError: There are such values; the message names the column, their number, the first row
            and the remedy.
    """
    if numbers.size and int(numbers.max()) >= 2**63:
        raise _beyond_int64(numbers >= 2**63, int(numbers[numbers >= 2**63][0]), name)


def refuse_missing_rows(rows: list[Any], name: str) -> None:
    """Refuse None, NaN or NA in a column of lists.

    Raises:
        ValueError: There are such rows; the message names the column, their number, the first row
            and the remedy.
    """
    lists = np.array([hasattr(row, "__len__") and not isinstance(row, str) for row in rows])
    if not lists.any() or lists.all():
        return
    cells = np.empty(int((~lists).sum()), dtype=object)
    cells[:] = [row for row, is_list in zip(rows, lists, strict=True) if not is_list]
    if _is_missing(cells).all():
        raise ValueError(
            f"column {name!r} has {plural(len(cells), 'missing list')}, first in row "
            f"{_first(~lists)}: fill them with lists of the id of padding, or drop those rows"
        )


_FILL = (
    "fill missing values, such as with pandas' fillna (in a column of ids, by an id of their own), "
    "or drop those rows"
)


def _is_missing(cells: Array) -> npt.NDArray[np.bool_]:
    """Return the mask of cells that are None, NaN, NaT or pandas' NA."""
    if cells.dtype.kind in "mM":
        return np.isnat(cells)
    if cells.dtype != object:
        return np.zeros(cells.shape, dtype=bool)
    import pandas as pd  # imported here, as most tables do not need it

    return np.asarray(pd.isna(cells), dtype=bool)


def _types(cells: Array) -> set[type]:
    return set(map(type, cells.tolist()))


def _as_numbers(cells: Array, missing: npt.NDArray[np.bool_], name: str) -> Array:
    """Convert the cells that are not missing to numbers, integers exactly.

    Raises:
        ValueError: A whole number is beyond int64.
    """
    present = cells[~missing].tolist()
    numbers = np.asarray(present)
    if numbers.dtype.kind in "iub":
        return numbers
    beyond = [isinstance(cell, int) and not -(2**63) <= cell < 2**63 for cell in cells.flat]
    if any(beyond):
        raise _beyond_int64(np.reshape(beyond, cells.shape), cells.flat[beyond.index(True)], name)
    return np.asarray(present, dtype=np.float64)


def _beyond_int64(beyond: Array, first: int, name: str) -> ValueError:
    return ValueError(
        f"column {name!r} has {plural(int(beyond.sum()), 'whole number')} beyond int64, first "
        f"{first} in row {_first(beyond)}: map ids to 0 and up (pandas' factorize), or convert "
        "what is no id to float64"
    )


def _description(cells: Array, missing: npt.NDArray[np.bool_]) -> str:
    """The end of a message: the type of cells that are not numbers, and the remedy."""
    holes = [_missing(missing)] if missing.any() else []
    kinds = _types(cells[~missing])
    if any(issubclass(kind, str) for kind in kinds):
        return _of_text(cells, holes)
    if cells.dtype.kind in "mM" or (kinds and all(hasattr(t, "isoformat") for t in kinds)):
        note = f" ({holes[0]})" if holes else ""
        return (
            f"holds dates and times, not numbers{note}: map its values to numbers first, such as "
            "the hour, the weekday, or seconds since a fixed day"
        )
    first = f"{type(cells[~missing].flat[0]).__name__} in row {_first(~missing)}"
    return (
        f"holds other objects, not numbers ({'; '.join([first, *holes])}): map its values to "
        "numbers first"
    )


def _of_text(cells: Array, holes: list[str]) -> str:
    """The end of a message about a column that holds text."""
    text = np.array([isinstance(cell, str) for cell in cells.flat]).reshape(cells.shape)
    blank = np.array([isinstance(cell, str) and not cell.strip() for cell in cells.flat])
    blank = blank.reshape(cells.shape)
    words = text & ~blank
    details = [f"{str(cells[words][0])!r} in row {_first(words)}"] if words.any() else []
    if blank.any():
        details.append(f"{plural(int(blank.sum()), 'empty text')}, first in row {_first(blank)}")
    if _are_numbers(cells[words][:_TEXTS]):
        remedy = f"convert it first (pandas.to_numeric with errors='coerce'), then {_FILL}"
    else:
        remedy = (
            "map its values to ids from 0 first (pandas' factorize, scikit-learn's "
            "OrdinalEncoder), and missing ones to an id of their own"
        )
    return f"holds text, not numbers ({'; '.join(details + holes)}): {remedy}"


def _are_numbers(texts: Iterable[str]) -> bool:
    try:
        return all(float(text) is not None for text in texts)
    except ValueError:
        return False


def _missing(missing: npt.NDArray[np.bool_]) -> str:
    return f"{plural(int(missing.sum()), 'missing value')}, first in row {_first(missing)}"


def _first(mask: npt.NDArray[np.bool_]) -> int:
    return int(mask.nonzero()[0][0])


__all__ = ["refuse_beyond_int64", "refuse_missing_rows", "to_numbers"]
