"""Rows as dicts, such as those of a request, as columns."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def is_rows(data: Any, of_lists: Collection[str] = ()) -> bool:
    """Whether data are a list of dicts of cells, rather than of dicts of columns.

    Args:
        data: Any data.
        of_lists: The columns whose cells are lists.

    Example:
        >>> is_rows([{"city": "Paris", "tags": ["x"]}]), is_rows([{"city": ["Paris", "Rome"]}])
        (True, False)
        >>> is_rows([{"tags": ["x", "y"]}], of_lists=["tags"])
        True
    """
    return (
        isinstance(data, Sequence)
        and not isinstance(data, str | bytes)
        and len(data) > 0
        and all(isinstance(row, Mapping) for row in data)
        and any(
            not _is_list(cell) or (name in of_lists and not all(map(_is_list_or_missing, cell)))
            for row in data
            for name, cell in row.items()
        )
    )


def _is_list(cell: Any) -> bool:
    return hasattr(cell, "__len__") and not isinstance(cell, str | bytes)


def _is_list_or_missing(cell: Any) -> bool:
    return _is_list(cell) or cell is None or cell != cell


def columns_of_rows(rows: Rows, names: Iterable[str]) -> dict[str, list[Any]]:
    """Return the columns of some names.

    Args:
        rows: The rows; keys of other names are ignored.
        names: The names.

    Raises:
        KeyError: A row lacks a key.
        TypeError: A row is no dict.

    Example:
        >>> columns_of_rows([{"city": "Paris", "id": 1}, {"city": None}], ["city"])
        {'city': ['Paris', None]}
    """
    try:
        return {name: [row[name] for row in rows] for name in names}
    except (KeyError, TypeError, IndexError):
        for number, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise TypeError(
                    f"row {number} of the list is {type(row).__name__}, not a dict of cells"
                ) from None
            for name in names:
                if name not in row:
                    raise KeyError(
                        f"row {number} has no {name!r}, its keys are {list(row)[:20]}: "
                        "give None where a value is missing"
                    ) from None
        raise


class RowCells:
    """The cells of N rows by column, read when they are asked for.

    Args:
        rows: The rows.

    Example:
        >>> cells = RowCells([{"city": "Paris", "id": 1}, {"city": None, "id": 2}])
        >>> cells["city"], cells.by_row(["id", "city"])
        (['Paris', None], [1, 'Paris', 2, None])
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._columns: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def __getitem__(self, name: str) -> list[Any]:
        """Return the cells of a column, (N,)."""
        if name not in self._columns:
            self._columns[name] = [row[name] for row in self._rows]
        return self._columns[name]

    def kind(self, name: str) -> type[Any]:
        """Return the type of the first cell of a column."""
        return type(self._rows[0][name])

    def by_row(self, names: Sequence[str]) -> list[Any]:
        """Return the cells of C columns, one row after the other, (N · C,).

        The values of a row are next to each other in memory, so that this order is the fastest.
        """
        if len(names) == 1:
            return self[names[0]]
        return list(chain.from_iterable(map(itemgetter(*names), self._rows)))
