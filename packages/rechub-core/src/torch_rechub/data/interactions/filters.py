"""Filters of interactions; each returns a new object."""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..._bounds import check_number, check_whole, refuse_none
from ..._errors import UnknownChoiceError
from .rows import Rows

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
F = TypeVar("F", bound="Filters")


class Filters(Rows):
    """The filters of `Interactions`."""

    def k_core(
        self: F, k: int | None = None, *, user: int | None = None, item: int | None = None
    ) -> F:
        """Return the largest selection in which each user and each item has enough interactions.

        Users and items with fewer are removed until no other falls below the limit.

        Args:
            k: The least number of interactions of a user and of an item.
            user: The least number of a user, in place of `k`.
            item: The least number of an item, in place of `k`.

        Raises:
            TypeError: No number is given.
            ValueError: A number is below 1.
        """
        limits = _limits(k, user, item)
        place = self._place
        while True:
            kept = self._frequent(place, *limits)
            if kept.all():
                return self._at(place)
            place = place[kept]

    def min_count(self: F, *, user: int = 1, item: int = 1) -> F:
        """Return the interactions of frequent users and items, counted once, before any is removed.

        Unlike `k_core`, a user may keep fewer interactions than the limit afterwards, because some
        of the user's items were removed.

        Args:
            user: The least number of interactions of a user.
            item: The least number of interactions of an item.

        Raises:
            ValueError: A number is below 1.
        """
        refuse_none(user=user, item=item)
        check_whole(1, user=user, item=item)
        return self._at(self._place[self._frequent(self._place, user, item)])

    def drop_duplicates(self: F, keep: str = "first", *, same_time: bool = False) -> F:
        """Return one interaction of each user with each item.

        Args:
            keep: "first" or "last" in the order of time, and of rows at equal times.
            same_time: Whether only interactions of a user with an item at one time are duplicates.

        Raises:
            UnknownChoiceError: `keep` has another value.
        """
        if keep not in ("first", "last"):
            raise UnknownChoiceError(f"keep must be 'first' or 'last', got {keep!r}")
        log, place = self._log, self._place
        # stable, so that the interactions of a pair stay in the order of time and rows
        order = place[np.lexsort((log.item[place], log.user[place]))]
        differs = np.diff(log.user[order]) != 0
        differs |= np.diff(log.item[order]) != 0
        if same_time:
            differs |= np.diff(log.time[order]) != 0
        kept = np.ones(len(order), dtype=bool)
        if keep == "first":
            kept[1:] = differs
        else:
            kept[:-1] = differs
        return self._at(np.sort(order[kept]))

    def positives(self: F, threshold: float) -> F:
        """Return the interactions with a label of at least `threshold`.

        Raises:
            TypeError: The threshold is not a number.
            ValueError: There is no label column, or a label is missing.
        """
        return self._at(self._place[self._is_positive(self._place, threshold)])

    def between(self: F, start: Any = None, stop: Any = None) -> F:
        """Return the interactions with start ≤ time < stop.

        Args:
            start: The earliest time, as a cutoff of `by_time`; None means no limit.
            stop: The first time that is excluded; None means no limit.
        """
        time = self._log.time[self._place]
        kept = np.ones(len(time), dtype=bool)
        if start is not None:
            kept &= time >= self._log.moment(start)
        if stop is not None:
            kept &= time < self._log.moment(stop)
        return self._at(self._place[kept])

    def _frequent(self, place: Ids, user: int, item: int) -> Mask:
        of_user, of_item = self._log.user[place], self._log.item[place]
        enough: Mask = np.bincount(of_user)[of_user] >= user
        enough &= np.bincount(of_item)[of_item] >= item
        return enough

    def _is_positive(self, place: Ids, threshold: float) -> Mask:
        refuse_none(threshold=threshold)
        check_number("(-inf, inf)", threshold=threshold)
        name = self._log.label_name
        if name is None:
            raise ValueError(
                "there is no label column, so every row is positive: name it, as in "
                "Interactions(data, user, item, time, label='rating')"
            )
        labels = self._log.column(name, place)
        missing = np.isnan(labels)
        if missing.any():
            row = int(self._log.row[place[missing]].min())
            raise ValueError(
                f"the label column {name!r} has {int(missing.sum())} missing values, first in row "
                f"{row}: drop those rows first"
            )
        positive: Mask = labels >= threshold
        return positive


def _limits(k: int | None, user: int | None, item: int | None) -> tuple[int, int]:
    if k is None and user is None and item is None:
        raise TypeError("k_core needs a number: k_core(5), or k_core(user=5, item=5)")
    check_whole(1, k=k, user=user, item=item)
    least = 1 if k is None else k
    return least if user is None else user, least if item is None else item
