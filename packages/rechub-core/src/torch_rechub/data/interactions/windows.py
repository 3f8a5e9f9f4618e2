"""The past of each target: slices of one array of earlier rows, padded when they are read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._errors import UnknownChoiceError
from ..histories import padded
from .leaks import check_past
from .log import Log

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

SECONDS = ("since_previous", "until_request", "until_last")


@dataclass(frozen=True, eq=False)
class Windows:
    """The history of N targets: the rows `past[start:stop]` of each.

    Attributes:
        log: The log.
        target: The place of each target, shape (N,).
        past: The places that histories may come from, ascending, shape (M,).
        start: Where each history begins in `past`, shape (N,).
        stop: Where it ends, shape (N,).
        available: Number of rows of its user before each target in `past`, shape (N,).
        width: The longest history, L.
    """

    log: Log
    target: Ids
    past: Ids
    start: Ids
    stop: Ids
    available: Ids
    width: int

    def take(self, index: Any) -> "Windows":
        """Return the histories of some of the targets."""
        chosen = (self.target[index], self.past, self.start[index], self.stop[index])
        return Windows(self.log, *chosen, self.available[index], self.width)

    def column(self, name: str) -> Array:
        """Return a column of the histories (N, L), padded with 0 on the left."""
        return self._padded(self.log.column(name, self.past))

    def next_column(self, name: str) -> Array:
        """Return a column of the row after each row of a history (N, L), the target's in the end.

        The targets must be in `past`.
        """
        return padded(
            self.log.column(name, self.past), self.start + 1, self.stop - self.start, self.width
        )

    def seconds(self, kind: str) -> Ids:
        """Return whole seconds, rounded down, of each row of the histories (N, L); 0 for padding.

        Args:
            kind: "since_previous", from the user's previous row in `past`, 0 for the first one;
                "until_request", until the target; "until_last", until the last row of the history.

        Raises:
            UnknownChoiceError: The kind is unknown.
        """
        log, time = self.log, self.log.time[self.past]
        if kind == "since_previous":
            gaps = np.zeros(len(time), dtype=np.int64)
            gaps[1:] = log.seconds(time[:-1], time[1:]) * (np.diff(log.user[self.past]) == 0)
            return self._padded(gaps)
        if kind not in SECONDS:
            raise UnknownChoiceError(f"seconds must be of {list(SECONDS)}, got {kind!r}")
        end = log.time[self.target]
        if kind == "until_last":
            last = self.past[np.maximum(self.stop - 1, 0)] if len(self.past) else self.target
            end = np.where(self.stop > self.start, log.time[last], end)
        found = log.seconds(self._padded(time), end[:, None])
        np.copyto(found, 0, where=self.padding())
        return found

    def padding(self) -> npt.NDArray[np.bool_]:
        """Return the mask of padding (N, L)."""
        mask: npt.NDArray[np.bool_] = (
            np.arange(self.width) < self.width - (self.stop - self.start)[:, None]
        )
        return mask

    def check(self, ties: str) -> None:
        """Raise LeakError unless the first and the last row of each history are of its past.

        `past` ascends, so that all rows between them are.
        """
        is_empty = self.stop == self.start
        ends = np.full((len(self.target), 2), -1)
        if len(self.past):
            ends[:, 0] = self.past[np.minimum(self.start, len(self.past) - 1)]
            ends[:, 1] = self.past[self.stop - 1]
        ends[is_empty] = -1
        check_past(self.log, self.target, ends, self.past, ties)

    def _padded(self, values: Array) -> Array:
        return padded(values, self.start, self.stop - self.start, self.width)


def windows_before(log: Log, target: Ids, past: Ids, width: int, ties: str) -> Windows:
    """Return the last `width` rows of the user before each target.

    Args:
        log: The log.
        target: The place of each target, shape (N,).
        past: The places that histories may come from, ascending.
        width: L.
        ties: "row_order": rows at the time of the target are before it if their row is; "exclude":
            they are not.

    Raises:
        UnknownChoiceError: `ties` has another value.
        LeakError: A history would hold a row that is not of its past.
    """
    if ties not in ("row_order", "exclude"):
        raise UnknownChoiceError(f"ties must be 'row_order' or 'exclude', got {ties!r}")
    is_past = np.zeros(len(log.row) + 1, dtype=np.int64)
    is_past[past + 1] = 1
    n_before = np.cumsum(is_past)  # at a place: the rows of the past before it
    stop = n_before[target if ties == "row_order" else log.tie_start[target]]
    first = n_before[log.start[target]]
    start = np.maximum(first, stop - width)
    found = Windows(log, target, past, start, stop, stop - first, width)
    found.check(ties)
    return found


def spans(start: Ids, length: Ids) -> Ids:
    """Return the numbers start, …, start + length - 1 of each span, one span after the other.

    Example:
        >>> spans(np.array([5, 0]), np.array([2, 3]))
        array([5, 6, 0, 1, 2])
    """
    begin = np.repeat(start - (np.cumsum(length) - length), length)
    return begin + np.arange(len(begin))


def distinct(numbers: Ids) -> Ids:
    """Return the distinct numbers from 0, ascending, as `np.unique`, which may hash and be slow.

    Example:
        >>> distinct(np.array([3, 0, 3]))
        array([0, 3])
    """
    ascending = np.sort(numbers)
    return ascending[np.diff(ascending, prepend=-1) > 0]
