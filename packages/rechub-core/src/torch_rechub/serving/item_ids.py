"""The ids of the rows of an index, and the rows whose items were removed."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._ids import Id, as_ids, id_table, row_of_each

Rows: TypeAlias = NDArray[np.int64]
Found: TypeAlias = Tensor | NDArray[Any]


class ItemIds:
    """The ids of the rows of an index; a row keeps its number when other items are removed.

    Args:
        n: The number of rows.
        ids: The id of each row, unique: integers of at least 0, or strings. None means that items
            are known by numbers, counted from 0 in the order in which they are added.

    Raises:
        ValueError: There is not one id for each row, an id occurs twice, or is negative.
        TypeError: Ids are neither all integers nor all strings.

    Example:
        >>> items = ItemIds(2, ["a", "b"])
        >>> items.remove(items.rows_of(["a"]))
        >>> items.found(np.array([[1, -1]]))
        array([['b', None]], dtype=object)
    """

    def __init__(self, n: int, ids: Any = None) -> None:
        self.numbered = ids is None
        self.rows_are_ids = ids is None
        self.next = n  # the number of the next item, if they are numbered
        self.of_rows: list[Id] = list(range(n)) if ids is None else as_ids(ids, n)
        self.there = np.ones(n, dtype=np.bool_)
        self._rows: dict[Id, int] | None = None
        self._looked_up: NDArray[Any] | None = None
        if ids is not None:
            self._rows = row_of_each(self.of_rows)

    def __len__(self) -> int:
        """The number of items; removed ones are not counted."""
        return int(self.there.sum())

    @property
    def n_rows(self) -> int:
        """The number of rows, with those of removed items."""
        return len(self.there)

    @property
    def are_strings(self) -> bool:
        """Whether the ids are strings."""
        return bool(self.of_rows) and isinstance(self.of_rows[0], str)

    def rows_of(self, ids: Any) -> Rows:
        """Return the rows of items.

        Raises:
            KeyError: An item is not in the index.
        """
        rows = self.known_rows(ids)
        if (rows < 0).any():
            wrong = as_ids(ids)[int(np.argmax(rows < 0))]
            raise KeyError(f"item {wrong!r} is not in the index, which has {len(self)} items")
        return rows

    def known_rows(self, ids: Any) -> Rows:
        """Return the rows of items; −1 for ids that are not in the index."""
        table = self._table()
        return np.array([table.get(i, -1) for i in as_ids(ids)], dtype=np.int64).reshape(-1)

    def checked(self, n: int, ids: Any) -> list[Id]:
        """Return the ids of n items to add.

        Raises:
            ValueError: An id is in the index already, occurs twice, or ids are missing.
            TypeError: The ids of the index have another type.
        """
        if self.numbered:
            if ids is not None:
                raise ValueError("the index was built without ids: build it with ids=")
            return list(range(self.next, self.next + n))
        if ids is None:
            raise ValueError("the index knows its items by ids: give ids=, one for each item")
        new = as_ids(ids, n)
        if new and self.of_rows and isinstance(new[0], str) != self.are_strings:
            raise TypeError(f"ids must be {_kind(self.of_rows[0])} as before, got {new[0]!r}")
        row_of_each(new)
        table = self._table()
        if (known := next((i for i in new if i in table), None)) is not None:
            raise ValueError(f"item {known!r} is in the index already: use update")
        return new

    def append(self, new: Sequence[Id]) -> None:
        """Append rows of `checked` ids."""
        self.next += len(new)
        self._append(new)

    def replace(self, rows: Rows) -> None:
        """Remove rows and append as many of the same ids."""
        self.remove(rows)
        self.rows_are_ids = False
        self._append([self.of_rows[row] for row in rows.tolist()])

    def remove(self, rows: Rows) -> None:
        """Mark rows as removed."""
        self.there[rows] = False
        table = self._table()
        for row in rows.tolist():
            table.pop(self.of_rows[row], None)

    def keep(self, rows: Rows) -> None:
        """Drop all rows but these, which are numbered anew."""
        self.of_rows = [self.of_rows[row] for row in rows.tolist()]
        self.there = np.ones(len(rows), dtype=np.bool_)
        self.rows_are_ids = False
        self._rows = self._looked_up = None

    def found(self, rows: Rows) -> Found:
        """Return the ids of rows (B, K); see `BaseIndexer.query`."""
        if self.rows_are_ids:
            return torch.from_numpy(rows)
        if self._looked_up is None:
            self._looked_up = id_table(self.of_rows)
        ids: NDArray[Any] = self._looked_up[rows]
        return torch.from_numpy(ids) if self.numbered else ids

    def as_json(self) -> dict[str, Any] | None:
        """Return the ids in JSON; None if they are the numbers of the rows."""
        removed = np.flatnonzero(~self.there).tolist()
        if self.rows_are_ids and not removed:
            return None
        ids = {"ids": self.of_rows, "numbered": self.numbered, "next": self.next}
        return {**ids, "removed": removed}

    @classmethod
    def from_json(cls, n: int, record: Any) -> "ItemIds":
        """Return the ids of an index of n rows that `as_json` gave.

        Raises:
            ValueError: The record is not that of an index of n rows.
        """
        try:
            return cls._of_record(n, record)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise ValueError(f"these are not the ids of an index of {n} rows ({error})") from error

    @classmethod
    def _of_record(cls, n: int, record: Any) -> "ItemIds":
        numbered, following = record["numbered"], record["next"]
        if type(numbered) is not bool or type(following) is not int or following < 0:
            raise ValueError("numbered or next is wrong")
        items = cls(0)
        items.numbered, items.next, items.rows_are_ids = numbered, following, False
        items.of_rows, items.there = as_ids(record["ids"], n), np.ones(n, dtype=np.bool_)
        removed = record["removed"]
        if any(type(row) is not int or not 0 <= row < n for row in removed):
            raise ValueError("a removed row is not there")
        items.there[removed] = False
        items._rows = row_of_each(items.of_rows, items.there)
        return items

    def _append(self, new: Sequence[Id]) -> None:
        start, table = self.n_rows, self._table()
        table.update(zip(new, range(start, start + len(new)), strict=True))
        self.of_rows.extend(new)
        self.there = np.append(self.there, np.ones(len(new), dtype=np.bool_))
        self._looked_up = None

    def _table(self) -> dict[Id, int]:
        if self._rows is None:
            self._rows = row_of_each(self.of_rows, self.there)
        return self._rows


def _kind(value: Id) -> str:
    return "strings" if isinstance(value, str) else "integers"
