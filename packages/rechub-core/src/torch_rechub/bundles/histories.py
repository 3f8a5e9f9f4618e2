"""Raw users: a row for each one with a history, or a log of interactions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._bounds import check_choice
from ..data.histories import in_order
from ..data.interactions.columns import PER_SECOND, refuse_missing
from .cells import Lists, joined, lists_of_cells
from .errors import BundleError
from .frames import as_frame, refuse_gaps, require_column
from .moments import read_moments
from .raw_ids import Ids, RawIds, as_array, compact, keys_of

Array: TypeAlias = npt.NDArray[Any]

ROW = "row"
"""The name of users without a column of ids: their rows are numbered from 0."""


@dataclass(frozen=True, eq=False)
class RawHistories:
    """The histories of U users, M events in all.

    Attributes:
        name: The column of the users' ids, or `ROW`.
        users: The raw ids, (U,).
        frame: The raw columns of users, one row for each.
        ids: The raw ids of the items, oldest first, one user after the other, (M,).
        start: Where the history of each user begins, with M in the end, (U + 1,).
        times: The time of each event, (M,); None where none are read.
        per_second: How many units of time make a second.
        log: The log that histories were read of; None for rows of users.
        row: The row of each event in it, (M,).
    """

    name: str
    users: Array
    frame: pd.DataFrame
    ids: RawIds
    start: Ids
    times: Array | None = None
    per_second: int = 1
    log: pd.DataFrame | None = None
    row: Ids | None = None

    @cached_property
    def items(self) -> Array:
        """The raw ids of the items as an array of NumPy, (M,)."""
        return as_array(self.ids)

    def of_events(self, name: str) -> Array | None:
        """Return a column of events, (M,): of the log, or of the lists in `hist_<name>`.

        Args:
            name: The raw column; None is returned where there is no such column.

        Raises:
            TypeError: A cell is no list.
            ValueError: A list is not as long as that of the items.
        """
        if self.log is not None:
            return self.log[name].to_numpy()[self.row] if name in self.log.columns else None
        if f"hist_{name}" not in self.frame.columns:
            return None
        lists = lists_of_cells(list(self.frame[f"hist_{name}"]), f"hist_{name}", nested=True)
        counts, wanted = np.diff(lists.start), np.diff(self.start)
        if (wrong := counts != wanted).any():
            row = int(wrong.argmax())
            raise ValueError(
                f"row {row} of users has {wanted[row]} items, but {counts[row]} values in "
                f"hist_{name}"
            )
        return as_array(lists.flat)


@dataclass(frozen=True)
class HistoryForm:
    """The names of raw columns, and how times are read.

    Args:
        item: The column of items; histories are in `hist_<item>`.
        user: The column of users; None numbers rows.
        time: The column of times, in rows of users `hist_<time>`; None reads no times.
        time_unit: The unit of times that are numbers; see `Interactions`.

    Example:
        >>> form = HistoryForm("item", "user", "time")
        >>> log = {"user": ["u", "v", "u"], "item": ["a", "b", "c"], "time": [9, 1, 5]}
        >>> found = form.read(log)
        >>> found.users.tolist(), found.items.tolist(), found.start.tolist()
        (['u', 'v'], ['c', 'a', 'b'], [0, 2, 3])
        >>> form.read([{"user": "u", "hist_item": ["c", "a"], "hist_time": [5, 9]}]).items.tolist()
        ['c', 'a']
    """

    item: str
    user: str | None = None
    time: str | None = None
    time_unit: str = "s"

    def __post_init__(self) -> None:
        for name, column in (("item", self.item), ("user", self.user), ("time", self.time)):
            if (name == "item" or column is not None) and not (isinstance(column, str) and column):
                raise ValueError(f"{name} must be the name of a column, got {column!r}")
        check_choice(PER_SECOND, time_unit=self.time_unit)

    def read(
        self,
        users: Any,
        needs_history: bool = True,
        needs_times: bool = True,
        columns: Iterable[str] = (),
    ) -> RawHistories:
        """Read users.

        Args:
            users: Rows of users, with lists in `hist_<item>` and, if times are read, `hist_<time>`;
                or a log with the columns of user and item, and of time, if times are read. Without
                times the rows of a log are in the order of time. Times are numbers, dates, or text
                of ISO 8601.
            needs_history: Whether rows of users must have a history.
            needs_times: Whether they must have its times.
            columns: Other raw columns that are read of users.

        Raises:
            KeyError: A column is missing, or one of several dicts lacks a key.
            TypeError: A history is no list.
            ValueError: The histories of items and times differ in length, times descend, or a log
                lacks a value; see `read_moments`.
        """
        frame = as_frame(users, "users")
        history, times = f"hist_{self.item}", f"hist_{self.time}"
        if not len(frame) and not len(frame.columns):  # nobody
            frame = pd.DataFrame(columns=[*filter(None, [self.user]), history, times])
        if history not in frame.columns and self.item in frame.columns:
            refuse_gaps(users, [self.user, self.item, self.time], "users")
            return self._of_log(frame)
        if history in frame.columns or not needs_history:
            remedy = "give [] for a user without history"
            refuse_gaps(users, [history, times], "users", remedy)
            refuse_gaps(users, [self.user, *columns], "users")
            return self._of_rows(frame, history, needs_times)
        raise KeyError(
            f"users has neither {history!r}, a list of items for each user, nor {self.item!r}, as "
            f"a log has: its columns are {list(frame.columns)}"
        )

    def _of_rows(self, frame: pd.DataFrame, history: str, needs_times: bool) -> RawHistories:
        cells = list(frame[history]) if history in frame.columns else [()] * len(frame)
        lists = lists_of_cells(cells, history)
        known = self.user is not None and self.user in frame.columns
        ids = frame[self.user].to_numpy() if known else np.arange(len(frame))
        needs_times |= f"hist_{self.time}" in frame.columns
        times, per_second = self._times_of_rows(frame, lists.start) if needs_times else (None, 1)
        if times is not None:
            self._check_order(times, lists.start)
        name = str(self.user) if known else ROW
        return RawHistories(name, ids, frame, *lists, times, per_second)

    def _times_of_rows(self, frame: pd.DataFrame, start: Ids) -> tuple[Array | None, int]:
        if self.time is None:
            return None, 1
        name = f"hist_{self.time}"
        column = require_column(frame, name, "users")
        lists = lists_of_cells(list(column), name)
        counts, wanted = np.diff(lists.start), np.diff(start)
        if (wrong := counts != wanted).any():
            row = int(wrong.argmax())
            raise ValueError(f"row {row} of users has {wanted[row]} items, but {counts[row]} times")
        owner = np.repeat(np.arange(len(counts)), counts)
        values = as_array(lists.flat)
        moments = pd.Series(values.tolist() if values.dtype == object else values, dtype=None)
        return read_moments(moments, name, self.time_unit, owner)

    def _check_order(self, times: Array, start: Ids) -> None:
        falls = np.diff(times) < 0
        falls[start[1:-1][(start[1:-1] > 0) & (start[1:-1] < len(times))] - 1] = False
        if falls.any():
            row = int(np.searchsorted(start, int(falls.argmax()), side="right")) - 1
            raise ValueError(
                f"the times of hist_{self.time} descend in row {row} of users: the oldest event is "
                "the first"
            )

    def _of_log(self, frame: pd.DataFrame) -> RawHistories:
        if self.user is None:
            raise KeyError(
                f"users is a log, with one {self.item!r} in each row, but the bundle was saved "
                "without user=, the column of users: give a list of items in each row"
            )
        names = [self.user, self.item, *([] if self.time is None else [self.time])]
        columns = {name: require_column(frame, name, "users") for name in names}
        refuse_missing(columns, names)
        codes, values = pd.factorize(columns[self.user])
        moments, per_second = pd.Series(np.arange(len(frame))), 1
        if self.time is not None:
            found, per_second = read_moments(columns[self.time], self.time, self.time_unit)
            moments = pd.Series(found)
        order = in_order(codes.astype(np.int64), pd.Index(values), moments)
        start = np.searchsorted(order.user, np.arange(len(values) + 1))
        last = frame.iloc[order.row[start[1:] - 1]].reset_index(drop=True)
        times = None if self.time is None else moments.to_numpy()[order.row]
        items = compact(columns[self.item].to_numpy()[order.row])
        ids = last[self.user].to_numpy()
        return RawHistories(self.user, ids, last, items, start, times, per_second, frame, order.row)

    def moments(self, now: Any, given: RawHistories) -> Array | None:
        """Return the time of each user's request in the unit of the histories, (U,).

        Args:
            now: A time as in the data, or one for each user; None gives None.
            given: The histories.

        Raises:
            ValueError: No times are read, or there is not one for each user.
        """
        if now is None:
            return None
        if given.times is None:
            raise ValueError("now is a time, but the bundle was saved without time=: leave it out")
        single = isinstance(now, str) or not hasattr(now, "__len__")
        column = pd.Series([now] * len(given.users) if single else list(now))
        if len(column) != len(given.users):
            raise ValueError(f"now has {len(column)} times for {len(given.users)} users")
        found, per_second = read_moments(column, "now", self.time_unit)
        if per_second == given.per_second:
            return found
        return np.asarray(found * (given.per_second / per_second))

    def write(self, folder: Path) -> dict[str, Any]:
        """Return the settings; there are no files."""
        names = {"item": self.item, "user": self.user, "time": self.time}
        return {**names, "time_unit": self.time_unit}

    @classmethod
    def read_part(cls, settings: Mapping[str, Any]) -> "HistoryForm":
        """Return the form of saved settings.

        Raises:
            BundleError: They are not as written.
        """
        try:
            return cls(**settings)
        except (TypeError, ValueError) as error:
            raise BundleError(f"the settings of histories are not as written: {error}") from error


def seen_rows(
    given: RawHistories, rows_of: Any, exclude_seen: bool, more: Any = None
) -> tuple[Ids, Ids]:
    """Return the items to exclude for each user, as (indptr, rows of items).

    Args:
        given: The histories.
        rows_of: A function of raw ids to rows of items, −1 for no item.
        exclude_seen: Whether the items of histories are excluded.
        more: Additional raw ids: a list for each user, or a dict of lists by raw id of the user.

    Raises:
        ValueError: There is not one list for each user.
    """
    parts: list[tuple[Ids, Ids]] = []
    if exclude_seen:
        parts.append((rows_of(given.ids), given.start))
    if more is not None:
        lists = _lists_of(given, more)
        parts.append((rows_of(lists.flat), lists.start))
    if len(parts) == 1:
        rows, start = parts[0]
    else:
        n = len(given.users)
        none = np.empty(0, dtype=np.int64)
        owner = np.concatenate([none, *(np.repeat(np.arange(n), np.diff(s)) for _, s in parts)])
        order = np.argsort(owner, kind="stable")
        rows = np.concatenate([none, *(of_part for of_part, _ in parts)])[order]
        start = np.searchsorted(owner[order], np.arange(n + 1))
    known = rows >= 0
    if known.all():
        return start, rows
    return np.append(0, np.cumsum(known))[start], rows[known]


def _lists_of(given: RawHistories, more: Any) -> Lists:
    if isinstance(more, Mapping):
        by_key = dict(zip(keys_of(list(more)), more.values(), strict=True))
        return joined([list(by_key.get(key, ())) for key in keys_of(given.users)])
    lists = lists_of_cells(list(more), "seen")
    if len(lists.start) - 1 != len(given.users):
        raise ValueError(f"seen has {len(lists.start) - 1} lists for {len(given.users)} users")
    return lists
