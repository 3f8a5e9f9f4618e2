"""Ids of items: integers or strings, unique."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Id: TypeAlias = int | str


def as_ids(values: Any, n: int | None = None) -> list[Id]:
    """Convert ids to Python integers or strings.

    Args:
        values: A sequence, an array, a tensor or a column.
        n: The number of ids wanted; None means any.

    Raises:
        ValueError: There are more or fewer, or an integer is negative or above 2⁶³ − 1.
        TypeError: Ids are neither all integers nor all strings.

    Example:
        >>> as_ids(np.array([3, 1]))
        [3, 1]
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"ids must be a sequence of ids, got {values!r}")
    found = values.tolist() if hasattr(values, "tolist") else list(values)
    ids = [_plain(i) for i in (found if isinstance(found, list) else [found])]
    if n is not None and len(ids) != n:
        raise ValueError(f"there are {len(ids)} ids for {n} embeddings: give one for each")
    first = type(ids[0]) if ids else int
    wrong = next((i for i in ids if type(i) is not first or first not in (int, str)), None)
    if wrong is not None or (ids and first not in (int, str)):
        raise TypeError(f"ids must be all integers or all strings, got {wrong!r}")
    if first is int and ids and (min(ids) < 0 or max(ids) >= 2**63):
        bad = next(i for i in ids if not 0 <= i < 2**63)
        raise ValueError(
            f"an integer id must be at least 0 and below 2**63, got {bad}: use strings"
        )
    return ids


def _plain(value: Any) -> Any:
    """Return a NumPy, torch or Arrow scalar as a Python one."""
    if hasattr(value, "as_py"):
        return value.as_py()
    value = value.item() if hasattr(value, "item") else value
    return str(value) if isinstance(value, str) else value


def row_of_each(ids: Sequence[Id], there: NDArray[np.bool_] | None = None) -> dict[Id, int]:
    """Return the row of each id.

    Raises:
        ValueError: An id occurs twice.
    """
    rows = range(len(ids)) if there is None else np.flatnonzero(there).tolist()
    table: dict[Id, int] = {}
    for row in rows:
        if table.setdefault(ids[row], row) != row:
            raise ValueError(
                f"id {ids[row]!r} occurs twice, at positions {table[ids[row]]} and {row}: ids must "
                "be unique"
            )
    return table


def id_table(ids: Sequence[Id]) -> NDArray[Any]:
    """Return an array that gives the ids of rows: −1, or None for strings, for row −1.

    Example:
        >>> id_table(["a", "b"])[[[1, -1]]]
        array([['b', None]], dtype=object)
    """
    strings = bool(ids) and isinstance(ids[0], str)
    kind, nothing = (object, None) if strings else (np.int64, -1)
    return np.array([*ids, nothing], dtype=kind)
