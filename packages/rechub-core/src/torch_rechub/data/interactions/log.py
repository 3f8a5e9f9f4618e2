"""A log of interactions in columns, sorted once by user, time and row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..histories import in_order, rows_by_time
from ..origin import HasDigest
from .columns import factorize, read_columns, refuse_missing, to_moments, to_values

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """N interactions sorted by user, then by time; ties stay in the order of the data.

    A *place* is a position in this order. Filters and splits are sets of places, so that they
    neither sort nor copy the columns again.

    Attributes:
        user_name: Column of the user.
        item_name: Column of the item.
        time_name: Column of the time.
        label_name: Column of the label, or None.
        row: Row of each interaction in the data, shape (N,).
        user: Number of its user, from 0, shape (N,).
        item: Number of its item, from 0, shape (N,).
        start: Place of its user's first interaction, shape (N,).
        time: Its time, int64 or float64, shape (N,).
        per_second: How many units of time make a second.
        entities: The value, or the id, of each user and of each item, by the name of the column.
        columns: The time as given, the label and the attributes, of N rows each.
        sizes: The vocabulary size of each encoded column.
        vocabularies: The values of columns encoded by values; the value at i has the id i + 2.
        fitted: The digest of the preprocessor that encoded columns, if one did.
    """

    user_name: str
    item_name: str
    time_name: str
    label_name: str | None
    row: Ids
    user: Ids
    item: Ids
    start: Ids
    time: Array
    per_second: int
    entities: dict[str, Array]
    columns: dict[str, Array]
    sizes: dict[str, int] = field(default_factory=dict)
    vocabularies: dict[str, Array] = field(default_factory=dict)
    fitted: HasDigest | None = None

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of the attributes."""
        others = (self.time_name, self.label_name)
        return tuple(name for name in self.columns if name not in others)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns: user, item, time, label, attributes."""
        return (self.user_name, self.item_name, *self.columns)

    @property
    def n_users(self) -> int:
        """Number of users of the whole log."""
        return len(self.entities[self.user_name])

    @property
    def n_items(self) -> int:
        """Number of items of the whole log."""
        return len(self.entities[self.item_name])

    @cached_property
    def tie_start(self) -> Ids:
        """Place of the first interaction of the same user at the same time, shape (N,)."""
        place = np.arange(len(self.row))
        is_first = np.ones(len(place), dtype=bool)
        is_first[1:] = (np.diff(self.time) != 0) | (np.diff(self.user) != 0)
        first: Ids = np.maximum.accumulate(np.where(is_first, place, 0))
        return first

    @cached_property
    def in_time(self) -> Ids:
        """All places in the order of time, and of rows at equal times, shape (N,)."""
        place_of = np.empty(len(self.row), dtype=np.int64)
        place_of[self.row] = np.arange(len(self.row))
        return place_of[rows_by_time(pd.Series(self.time[place_of]))]

    def column(self, name: str, place: Ids) -> Array:
        """Return the values of a column at places, as a new array.

        Raises:
            KeyError: There is no such column.
        """
        if name in self.entities:
            code = self.user if name == self.user_name else self.item
            return self.entities[name].take(code.take(place))
        if name not in self.columns:
            raise KeyError(f"there is no column {name!r}: the columns are {list(self.names)}")
        return self.columns[name].take(place, axis=0)

    def seconds(self, earlier: Array, later: Array) -> Ids:
        """Return the time between moments in whole seconds, rounded down."""
        whole: Ids = np.floor_divide(later - earlier, self.per_second).astype(np.int64, copy=False)
        return whole

    def moment(self, cutoff: Any) -> Any:
        """Convert a time given by the caller to the numbers of `time`.

        Args:
            cutoff: A number in the unit of the column; for dates and times, anything that
                `pandas.Timestamp` reads, in UTC if it has no zone.

        Raises:
            TypeError: The column holds numbers, but the cutoff is none.
        """
        times = self.columns[self.time_name]
        if times.dtype.kind not in "M":
            if isinstance(cutoff, bool) or not isinstance(cutoff, int | float | np.number):
                raise TypeError(
                    f"column {self.time_name!r} holds numbers: give a number for a time, "
                    f"got {cutoff!r}"
                )
            return cutoff
        stamp = pd.Timestamp(cutoff)
        stamp = stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)
        return int(stamp.as_unit("ns").value) * self.per_second // 10**9


def read_log(
    data: Any,
    user: str,
    item: str,
    time: str,
    label: str | None,
    attributes: Sequence[str],
    time_unit: str,
) -> Log:
    """Read and sort a log; see `Interactions` for the arguments and errors."""
    others = [*([] if label is None else [label]), *attributes]
    columns = read_columns(data, [user, item, time, *others], attributes)
    refuse_missing(columns, [user, item, time])
    users, user_values = factorize(columns[user], user)
    items, item_values = factorize(columns[item], item)
    moments, per_second = to_moments(columns[time], time, time_unit)
    order = in_order(users, pd.Index(user_values, tupleize_cols=False), moments)
    kept = {name: to_values(columns[name], name) for name in others}
    if label is not None and kept[label].dtype.kind not in "if":
        raise TypeError(
            f"the label column {label!r} holds {columns[label].dtype}, not numbers: convert it "
            "first, such as with pandas.to_numeric"
        )
    times = moments.to_numpy()
    is_date = columns[time].dtype.kind not in "iuf"
    shown = times.view(f"datetime64[{_unit(per_second)}]") if is_date else times
    return Log(
        user_name=user,
        item_name=item,
        time_name=time,
        label_name=label,
        row=order.row,
        user=order.user,
        item=items[order.row],
        start=order.start,
        time=times[order.row],
        per_second=per_second,
        entities={user: user_values, item: item_values},
        columns={name: column[order.row] for name, column in {time: shown, **kept}.items()},
    )


def _unit(per_second: int) -> str:
    return {1: "s", 10**3: "ms", 10**6: "us", 10**9: "ns"}[per_second]
