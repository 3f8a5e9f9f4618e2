"""Raw rows of any kind as pandas frames."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


def as_frame(rows: Any, name: str) -> pd.DataFrame:
    """Return rows as a frame with rows numbered from 0.

    Args:
        rows: A pandas, polars or Arrow table, a dict of columns, a list of dicts, or one dict of
            single values.
        name: The argument, for messages.

    Raises:
        TypeError: The rows are of another type.
        ValueError: The columns differ in length.

    Example:
        >>> as_frame([{"item": "a"}, {"item": "b"}], "items")["item"].tolist()
        ['a', 'b']
    """
    frame: pd.DataFrame
    if isinstance(rows, pd.DataFrame) or hasattr(rows, "to_pandas"):
        frame = rows if isinstance(rows, pd.DataFrame) else rows.to_pandas()
        frame = frame.reset_index(drop=True)
        return frame
    if isinstance(rows, Mapping) and any(map(_is_single, rows.values())):
        rows = [rows]
    if isinstance(rows, Mapping):
        columns = {key: list(values) for key, values in rows.items()}  # an array may have 2 axes
        sizes = {key: len(values) for key, values in columns.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"the columns of {name} differ in length: {sizes}")
        frame = pd.DataFrame(columns)
        return frame
    if isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        frame = pd.DataFrame(list(rows))
        return frame
    raise TypeError(
        f"{name} must be a table, a dict of columns or a list of dicts, got {type(rows).__name__}"
    )


def _is_single(value: Any) -> bool:
    return isinstance(value, str | bytes) or not hasattr(value, "__iter__")


def require_column(frame: pd.DataFrame, column: str, name: str) -> pd.Series:
    """Return a column of a frame.

    Raises:
        KeyError: There is no such column.
    """
    if column not in frame.columns:
        raise KeyError(f"{name} has no column {column!r}: its columns are {list(frame.columns)}")
    return frame[column]


def plain(value: Any) -> Any:
    """Return a value as a Python object where NumPy has a type of its own, for messages."""
    return value.item() if isinstance(value, np.generic) else value


def refuse_gaps(
    rows: Any, columns: Iterable[str | None], name: str, remedy: str = "give None for no value"
) -> None:
    """Refuse a list of dicts some of which lack a key that others have; other rows have no gaps.

    Raises:
        KeyError: The message has the row and the key.
    """
    if not (isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows)):
        return
    for column in columns:
        lacking = [i for i, row in enumerate(rows) if column not in row]
        if 0 < len(lacking) < len(rows):
            raise KeyError(f"row {lacking[0]} of {name} has no {column!r}; {remedy}")


def are_rows(items: Any) -> bool:
    """Return whether items are raw rows, not raw ids."""
    first = items[0] if isinstance(items, list) and items else None
    return isinstance(items, Mapping) or hasattr(items, "columns") or isinstance(first, Mapping)
