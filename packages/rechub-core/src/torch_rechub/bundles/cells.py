"""Cells of raw rows that hold lists."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._extras import require
from .raw_ids import Ids, RawIds

_CELLS = {list, tuple, np.ndarray, type(None)}


class Lists(NamedTuple):
    """U lists, one after the other.

    Attributes:
        flat: Their values, (M,).
        start: Where each list begins, with M in the end, (U + 1,).
    """

    flat: RawIds
    start: Ids


def lists_of_cells(cells: Sequence[Any], name: str, nested: bool = False) -> Lists:
    """Return the lists of cells, an empty one of a missing cell.

    Args:
        cells: One for each of U users.
        name: The column, for messages.
        nested: Whether values may be lists themselves.

    Raises:
        TypeError: A cell holds no list, or lists in a list.

    Example:
        >>> lists_of_cells([[7, 8], None, [9]], "hist_item")
        Lists(flat=array([7, 8, 9]), start=array([0, 2, 2, 3]))
    """
    read = list_of_cell if nested else single_values
    return _in_bulk(cells) or joined([read(cell, name, row) for row, cell in enumerate(cells)])


def list_of_cell(cell: Any, name: str, row: int) -> list[Any]:
    """Return the list of a cell, an empty one of a missing cell.

    Raises:
        TypeError: The cell holds no list.
    """
    if cell is None or (isinstance(cell, float) and cell != cell):
        return []
    if isinstance(cell, str | bytes | Mapping) or not hasattr(cell, "__len__"):
        raise TypeError(f"{name} must hold lists, got {cell!r} in row {row} of users")
    return list(cell)


def single_values(cell: Any, name: str, row: int) -> list[Any]:
    """Return the list of a cell, whose values are no lists.

    Raises:
        TypeError: The cell holds no list, or lists in a list.
    """
    values = list_of_cell(cell, name, row)
    for value in values:
        if isinstance(value, list | tuple | Mapping | np.ndarray):
            raise TypeError(
                f"row {row} of {name} holds a {type(value).__name__} in a list, {value!r}: give "
                "one list of single values"
            )
    return values


def joined(lists: Sequence[list[Any]]) -> Lists:
    """Return lists, one after the other, with values as an array of objects."""
    values: npt.NDArray[Any] = np.empty(sum(map(len, lists)), dtype=object)
    values[:] = [value for part in lists for value in part]
    return Lists(values, np.cumsum([0, *map(len, lists)]))


def _in_bulk(cells: Sequence[Any]) -> Lists | None:
    """Return lists of texts or of whole numbers; None of others, which need a look at each value.

    Arrow reads bytes among texts as text, as a preprocessor does.
    """
    if not set(map(type, cells)) <= _CELLS:
        return None
    pa = require("pyarrow", "a bundle with items", "data")
    try:
        found = pa.array(cells)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return None
    if not pa.types.is_list(found.type):
        return None
    values, start = found.values, found.offsets.to_numpy().astype(np.int64)
    if pa.types.is_string(values.type):
        return Lists(values.cast(pa.large_string()), start)
    if pa.types.is_int64(values.type) and not values.null_count and _are_whole(cells):
        return Lists(values.to_numpy(), start)
    return None


def _are_whole(cells: Sequence[Any]) -> bool:
    """Return whether all values are whole numbers; Arrow reads bools of NumPy as such."""
    lists = [
        cell for cell in cells if cell is not None and getattr(cell, "dtype", None) != np.int64
    ]
    kinds = set(map(type, chain.from_iterable(lists)))
    return all(kind is int or issubclass(kind, np.integer) for kind in kinds)
