"""Retrieval: users with their histories, the catalog, relevant and seen items."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._bounds import check_whole, refuse_none
from .rows import Rows
from .sampling import Sampling
from .tables import Tables, edge_rows
from .vocabulary import UNKNOWN
from .windows import distinct, spans, windows_before

_LOG = logging.getLogger("torch_rechub.data")

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Lists = tuple[Ids, Ids]


class Retrieving(Sampling, Tables):
    """The data of `Interactions` for validation and test by retrieval."""

    def retrieval(
        self,
        max_length: int = 50,
        *,
        attributes: Sequence[str] = (),
        context: Sequence[str] = (),
        ties: str = "row_order",
        positives: float | None = None,
        exclude_seen: bool = True,
        catalog: Rows | None = None,
        min_history: int = 1,
    ) -> dict[str, Any]:
        """Return the arguments of `RetrievalData`: `RetrievalData(**split.test.retrieval(), k=10)`.

        A user is asked once, at the user's first row of these interactions, for all items of the
        user's rows here. The history is that of `samples`. Under the rule "by_user" no user has one
        then: take `split.test.leave_one_out().test.retrieval(catalog=data)`.

        Args:
            max_length: Length L of histories.
            attributes: Columns of items: of the catalog as `<name>`, of histories as
                `hist_<name>`. One that changes has the value of the item's last row of earlier
                parts, or else of its first row in the split.
            context: Other columns of the user's first row.
            ties: As in `samples`.
            positives: As in `samples`; filter the targets by `positives()` before.
            exclude_seen: Whether all items of the user's past are excluded, those before the last L
                too. A relevant item among them counts as missed, with a warning; trainers'
                `evaluate_topk(exclude_seen=True)` counts it alike.
            catalog: Interactions whose items are the catalog; None means all parts of the split.
                Unknown items are no candidates, and a warning gives the number of relevant ones.
            min_history: Users with fewer rows in their past are left out, with a warning.

        Returns:
            `users`: `<user>` (U,), `hist_<item>` (U, L) and the columns above; `items`: `<item>`
            (N,) ascending, and attributes; `relevant` and `seen`: rows of `items` for each user, as
            (indptr, indices); `seen` is None if nothing is excluded.

        Raises:
            KeyError: A column is missing.
            TypeError: As in `samples`.
            ValueError: As in `samples`, or the catalog is of another log.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"user": [1, 1, 1], "item": [7, 8, 9], "time": [1, 2, 3]}
            >>> split = Interactions(log, "user", "item", "time").leave_one_out()
            >>> found = split.test.retrieval(max_length=2)
            >>> found["users"]["hist_item"], found["items"]["item"]
            (array([[7, 8]]), array([7, 8, 9]))
            >>> found["relevant"], found["seen"]
            ((array([0, 1]), array([2])), (array([0, 2]), array([0, 1])))
        """
        refuse_none(max_length=max_length, min_history=min_history)
        check_whole(1, max_length=max_length)
        check_whole(0, min_history=min_history)
        log, past = self._log, self._past
        if positives is not None:
            past = past[self._is_positive(past, positives)]
        user = log.user[self._place]
        first = np.flatnonzero(np.diff(user, prepend=-1))
        length = np.diff(first, append=len(user))
        windows = windows_before(log, self._place[first], past, max_length, ties)
        kept = windows.available >= min_history
        _warn_of_users(kept, min_history)
        windows, first, length = windows.take(kept), first[kept], length[kept]

        users, names = self._inputs(windows, attributes, context, ())
        for name in (log.item_name, *names):
            del users[name]  # those of the target
        items, position = self._catalog(catalog, names)
        sizes = len(length), len(items[log.item_name])
        targets = position[log.item[self._place[spans(first, length)]]]
        relevant, seen = _pairs(targets, length, sizes[1]), None
        if exclude_seen:
            of_past = windows.past[spans(windows.stop - windows.available, windows.available)]
            seen = _pairs(position[log.item[of_past]], windows.available, sizes[1])
        _warn_of_targets(targets, relevant, seen)
        lists: dict[str, Lists | None] = {"relevant": _lists(relevant, *sizes)}
        lists["seen"] = None if seen is None else _lists(seen, *sizes)
        return {"users": users, "items": items, **lists}

    def _catalog(self, chosen: Rows | None, names: tuple[str, ...]) -> tuple[dict[str, Array], Ids]:
        """Return the columns of the catalog, and the row there of each item's number, or −1."""
        log = self._log
        if chosen is not None and chosen._log.item is not log.item:
            raise ValueError("catalog must be a selection of the same log, such as split.train")
        place = self._whole if chosen is None else chosen._place
        code = np.flatnonzero(np.bincount(log.item[place], minlength=1))
        ids = log.entities[log.item_name]
        if log.item_name in log.sizes:
            code = code[ids[code] != UNKNOWN]
        catalog, index, row = np.unique(ids[code], return_index=True, return_inverse=True)
        position = np.full(log.n_items, -1)
        position[code] = row
        items = {log.item_name: catalog}
        if names:
            last = edge_rows(log, log.item, self._earlier)
            place = np.where(last < 0, edge_rows(log, log.item, self._whole, first=True), last)
            items |= {name: log.column(name, place[code[index]]) for name in names}
        return items, position


def _pairs(position: Ids, length: Ids, n_items: int) -> Ids:
    """Return the distinct pairs u · n_items + i of the items of each user; −1 is left out.

    Args:
        position: The rows of the items in the catalog, one user after the other.
        length: Number of items of each user.
        n_items: Size of the catalog.
    """
    owner = np.repeat(np.arange(len(length)), length)
    known = position >= 0
    return distinct(owner[known] * n_items + position[known])


def _lists(pairs: Ids, n_users: int, n_items: int) -> Lists:
    """Return pairs as (indptr, indices)."""
    owner, item = np.divmod(pairs, max(n_items, 1))
    return np.searchsorted(owner, np.arange(n_users + 1)), item


def _warn_of_users(kept: npt.NDArray[np.bool_], min_history: int) -> None:
    """Warn of users that are left out."""
    if not kept.all():
        _LOG.warning(
            "%d of %d users have fewer than %d earlier rows, and are left out: min_history=0 takes "
            "them",
            len(kept) - int(kept.sum()),
            len(kept),
            min_history,
        )


def _warn_of_targets(targets: Ids, relevant: Ids, seen: Ids | None) -> None:
    """Warn of targets that cannot be retrieved."""
    n_unknown = int((targets < 0).sum())
    if n_unknown:
        _LOG.warning(
            "%d of %d relevant items are not in the catalog, such as items without a training row: "
            "they are left out of the metrics",
            n_unknown,
            len(targets),
        )
    n_both = 0 if seen is None else int(np.isin(relevant, seen).sum())
    if n_both:
        _LOG.warning(
            "%d of %d relevant items are in the user's past and excluded, so they count as missed: "
            "filter with drop_duplicates() before the split, or give exclude_seen=False",
            n_both,
            len(relevant),
        )
