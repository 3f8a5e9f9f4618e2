"""The leak check: of the parts of a split, and of histories."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from .log import Log

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

RULES = ("by_time", "in_order", "by_user", "random")


class LeakError(ValueError):
    """Rows of validation or test leak into training or into histories."""


def check_rule(log: Log, parts: Mapping[str, Ids], rule: str) -> None:
    """Check the parts of a split by its rule; see `Split`.

    Args:
        log: The log.
        parts: The places of each part, ascending, the earliest part first.
        rule: One of RULES.

    Raises:
        LeakError: Names the first row that leaks.
    """
    for earlier, later in combinations(parts, 2):
        both = parts[later][members(log, parts[earlier])[parts[later]]]
        if len(both):
            raise LeakError(
                f"row {log.row[both[0]]} is in both {earlier} and {later}: the parts of a split "
                f"must be disjoint, and have {len(both)} rows in common"
            )
    for earlier, later in combinations(parts, 2):
        if rule != "random" and len(parts[earlier]) and len(parts[later]):
            _CHECKS[rule](log, earlier, parts[earlier], later, parts[later])


def members(log: Log, *places: Ids) -> npt.NDArray[np.bool_]:
    """Return the mask of the places of a log, (N,), that are in one of the lists."""
    mask = np.zeros(len(log.row), dtype=bool)
    for place in places:
        mask[place] = True
    return mask


def _by_time(log: Log, earlier: str, a: Ids, later: str, b: Ids) -> None:
    last, first = a[np.argmax(log.time[a])], b[np.argmin(log.time[b])]
    if log.time[first] <= log.time[last]:
        raise LeakError(
            f"row {log.row[first]} of {later} (time {_time(log, first)}) is not later than row "
            f"{log.row[last]} of {earlier} (time {_time(log, last)}): split at a time, with "
            "by_time(cutoffs=…)"
        )


def _in_order(log: Log, earlier: str, a: Ids, later: str, b: Ids) -> None:
    last = np.full(log.n_users, -1)
    last[log.user[a]] = a  # places ascend, and the last assignment stays
    wrong = b[b < last[log.user[b]]]
    if len(wrong):
        other = last[log.user[wrong[0]]]
        raise LeakError(
            f"row {log.row[wrong[0]]} of {later} (time {_time(log, wrong[0])}) comes before row "
            f"{log.row[other]} of {earlier} (time {_time(log, other)}) of the same user, "
            f"{_user(log, other)!r}: {len(wrong)} rows of {later} leak, see leave_one_out"
        )


def _by_user(log: Log, earlier: str, a: Ids, later: str, b: Ids) -> None:
    both = np.intersect1d(log.user[a], log.user[b])
    if len(both):
        user = log.entities[log.user_name][both[0]]
        raise LeakError(
            f"user {user!r} has rows in {earlier} and in {later}, with {len(both) - 1} other "
            "users: split by users, with by_user()"
        )


_CHECKS = {"by_time": _by_time, "in_order": _in_order, "by_user": _by_user}


def check_past(log: Log, target: Ids, history: Ids, past: Ids, ties: str) -> None:
    """Check that histories hold rows of the past only.

    Args:
        log: The log.
        target: The place of each target, shape (N,).
        history: The places of its history, −1 for padding, shape (N, L).
        past: The places that histories may come from.
        ties: "row_order" or "exclude"; see `Interactions.samples`.

    Raises:
        LeakError: A row of a history is of another user, not before its target, or in a part that
            histories must not read.
    """
    limit = target if ties == "row_order" else log.tie_start[target]
    row, column = np.nonzero(history >= 0)
    place, user = history[row, column], log.user[target[row]]
    allowed = members(log, past)
    complaints = {
        "is of another user": log.user[place] != user,
        "is not before the target": place >= limit[row],
        "is in a part that the history must not read": ~allowed[place],
    }
    for complaint, wrong in complaints.items():
        if wrong.any():
            i = int(wrong.argmax())
            raise LeakError(
                f"row {log.row[place[i]]} (time {_time(log, place[i])}) in the history of row "
                f"{log.row[target[row[i]]]} (time {_time(log, target[row[i]])}) {complaint}; "
                f"{int(wrong.sum())} rows of histories leak"
            )


def _time(log: Log, place: Any) -> Any:
    return log.columns[log.time_name][place]


def _user(log: Log, place: Any) -> Any:
    return log.entities[log.user_name][log.user[place]]
