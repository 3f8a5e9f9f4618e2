"""Cells of raw rows that hold lists."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


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


def joined(lists: list[list[Any]]) -> npt.NDArray[Any]:
    """Return the values of lists, one after the other, as an array of objects."""
    values: npt.NDArray[Any] = np.empty(sum(map(len, lists)), dtype=object)
    values[:] = [value for part in lists for value in part]
    return values
