"""`Interactions`: a log of users and items, from raw rows to the inputs of trainers."""

from collections.abc import Sequence
from typing import Any

from .columns import check_names
from .log import read_log
from .retrieving import Retrieving
from .splitting import Splitting


class Interactions(Retrieving, Splitting):
    """A log of interactions: filters, splits, histories, and tables of users and items.

    An object is immutable: a filter returns a new one that shares the columns. Rows are in the
    order of user, then time, then row of the data, so that of equal times the earlier row comes
    first.

    Args:
        data: A mapping of arrays, or a pandas, polars or Arrow table, one interaction per row: raw
            values, or ids that a `Preprocessor` has encoded.
        user: Column of the user, of any hashable values.
        item: Column of the item, of any hashable values.
        time: Column of the time: dates and times, or numbers in `time_unit`.
        label: Column of the label, such as a rating: numbers. None if each row is positive.
        attributes: Other columns to keep, of users, items or interactions. An array may have
            several numbers per row, (N, G).
        time_unit: The unit of a time in numbers: "s", "ms", "us" or "ns".

    Raises:
        KeyError: A column is missing.
        TypeError: `data` is not a table, a user or an item is not hashable, times or labels are not
            numbers or dates.
        UnknownChoiceError: `time_unit` has another value.
        ValueError: A user, an item or a time is missing, or a column occurs twice.

    Example:
        >>> log = {"user": ["u", "u", "v", "u"], "item": list("abac"), "time": [30, 10, 20, 20]}
        >>> data = Interactions(log, "user", "item", "time")
        >>> data
        Interactions(4 rows, 2 users, 3 items)
        >>> data["item"], data.rows
        (array(['b', 'c', 'a', 'a'], dtype=object), array([1, 3, 0, 2]))
        >>> data.k_core(user=2).leave_one_out()
        Split(train: 1 rows, validation: 1 rows, test: 1 rows; rule 'in_order')
        >>> data.encode()["item"]
        array([3, 4, 2, 2], dtype=int32)
    """

    def __init__(
        self,
        data: Any,
        user: str,
        item: str,
        time: str,
        label: str | None = None,
        attributes: Sequence[str] = (),
        *,
        time_unit: str = "s",
    ) -> None:
        others = check_names(attributes, "attributes")
        super().__init__(read_log(data, user, item, time, label, others, time_unit))
