"""Tables of users and items, popularity, and validation by retrieval."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..._bounds import check_whole
from .columns import check_names
from .leaks import members
from .log import Log
from .rows import Rows, cells, require_ids

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

_LOG = logging.getLogger("torch_rechub.data")


class Tables(Rows):
    """The tables of `Interactions`."""

    def items(self, attributes: Sequence[str] | None = None, *, before: Any = None) -> pd.DataFrame:
        """Return a table with one row for each item: its id or value, and its attributes.

        An attribute that changes has the value of the item's last row, in the order of time and of
        rows at equal times.

        Args:
            attributes: The columns; None means all attributes.
            before: Only rows before this time, as a cutoff of `by_time`, so that the table holds no
                later value; None means all rows.

        Returns:
            A frame sorted by the item.

        Raises:
            KeyError: A column is missing.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"u": [1, 2, 2], "i": [7, 7, 8], "t": [1, 3, 2], "price": [5, 6, 4]}
            >>> data = Interactions(log, "u", "i", "t", attributes=["price"])
            >>> data.items().to_dict("list"), data.items(before=3).to_dict("list")
            ({'i': [7, 8], 'price': [6, 4]}, {'i': [7, 8], 'price': [5, 4]})
        """
        return self._table(self._log.item_name, self._log.item, attributes, before)

    def users(self, attributes: Sequence[str] | None = None, *, before: Any = None) -> pd.DataFrame:
        """Return a table with one row for each user; see `items`.

        Args:
            attributes: The columns; None means all attributes.
            before: As in `items`.

        Raises:
            KeyError: A column is missing.
        """
        return self._table(self._log.user_name, self._log.user, attributes, before)

    def popularity(self, size: int | None = None) -> Ids:
        """Return the number of interactions of each item id, as the logQ correction takes it.

        `MatchTrainer(item_frequency={"item": split.train.popularity()})`.

        Args:
            size: Vocabulary size V; None means that of `sizes`.

        Returns:
            Array of shape (V,): the count of id i at position i.

        Raises:
            TypeError: Items are not ids: `encode` first.
            ValueError: An id is not below `size`.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"user": [1, 1, 2], "item": [3, 1, 3], "time": [1, 2, 3]}
            >>> Interactions(log, "user", "item", "time").popularity()
            array([0, 1, 0, 2])
        """
        name = self._log.item_name
        require_ids(self._log, name, "popularity")
        check_whole(1, size=size)
        size = self.sizes[name] if size is None else size
        ids = self[name]
        if ids.max(initial=0) >= size:
            raise ValueError(f"size must be above the largest item id, {ids.max()}, got {size}")
        return np.bincount(ids, minlength=size)

    def _table(
        self, name: str, code: Ids, attributes: Sequence[str] | None, before: Any
    ) -> pd.DataFrame:
        log, place = self._log, self._place
        names = log.attributes if attributes is None else check_names(attributes, "attributes")
        if before is not None:
            place = place[log.time[place] < log.moment(before)]
        last = edge_rows(log, code, place)
        last = last[last >= 0]
        columns = {column: cells(log.column(column, last)) for column in (name, *names)}
        found: pd.DataFrame = pd.DataFrame(columns)
        # unknown values share an id: the last of their rows stands for them
        found = found.iloc[np.lexsort((log.row[last], log.time[last]))]
        found = found.drop_duplicates(name, keep="last")
        try:
            found = found.sort_values(name)
        except TypeError:  # values without an order stay in that of their last rows
            _LOG.debug("the values of column %r have no order", name)
        found.index = pd.RangeIndex(len(found))
        return found


def edge_rows(log: Log, code: Ids, place: Ids, first: bool = False) -> Ids:
    """Return the place of the last row of each user or item, in the order of time and rows.

    Args:
        log: The log.
        code: The number of the user or item of each row of the log.
        place: The places of the rows to search.
        first: Whether to return the first row instead.

    Returns:
        A place for each number; −1 for those without a row.
    """
    in_time = log.in_time[members(log, place)[log.in_time]]
    in_time = in_time[::-1] if first else in_time
    found = np.full(int(code.max(initial=-1)) + 1, -1)
    found[code[in_time]] = in_time  # of repeated numbers the last assignment stays
    return found
