"""Lists of recommended items as a frame of raw ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from ..metrics.retrieval import best_of
from .catalog import Catalog

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Lists = tuple[Ids, Ids]  # (indptr, indices)
Best = tuple[Array, Array]  # rows of items and their scores

MODEL, POPULARITY = "model", "popularity"
_PAIRS = 2**20  # scores of users and items at a time


@dataclass
class Recommended:
    """Collects the items of users, and returns them as one frame.

    Args:
        name: The column of users.
        users: Their raw ids, (U,).
        catalog: The items.
    """

    name: str
    users: Array
    catalog: Catalog
    _parts: list[tuple[Ids, Ids, Array, str]] = field(default_factory=list)

    def add(self, users: Ids, rows: Any, scores: Any, source: str = MODEL) -> None:
        """Add the items of some users.

        Args:
            users: The numbers of the users, (B,).
            rows: The rows of their items in the catalog, the best first, (B, K); −1 for none.
            scores: The scores, (B, K).
            source: The origin of the items.
        """
        rows, scores = np.asarray(rows), np.asarray(scores)
        there = rows >= 0
        owner = np.repeat(users, there.sum(axis=1))
        self._parts.append((owner, rows[there], scores[there], source))

    def add_popular(self, users: Ids, k: int, allowed: Array, seen: Lists) -> None:
        """Add the most popular items for users of whom the model knows nothing.

        Args:
            users: The numbers of the users, (B,).
            k: Number of items.
            allowed: The items that may be recommended, (N,).
            seen: The rows of items to exclude, for each of all U users.
        """
        indptr, rows = lists_of(seen, users)
        most = k + int(np.diff(indptr).max(initial=0))  # the first k that are left are among these
        popularity = self.catalog.popularity
        popular = np.flatnonzero(allowed)
        popular = popular[np.argsort(-popularity[popular], kind="stable")][:most]
        owner = np.repeat(np.arange(len(users)), np.diff(indptr))
        pairs = owner * len(allowed) + rows
        for part in np.array_split(np.arange(len(users)), max(1, len(users) * most // _PAIRS)):
            is_seen = np.isin(part[:, None] * len(allowed) + popular, pairs)
            first = np.argsort(is_seen, axis=1, kind="stable")[:, :k]
            found = np.where(np.take_along_axis(is_seen, first, axis=1), -1, popular[first])
            self.add(users[part], found, popularity[found], POPULARITY)

    def frame(self) -> pd.DataFrame:
        """Return the columns user, item, score, rank and source, in the order of users and ranks.

        The columns of user and item have their raw names.
        """
        none = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), MODEL)
        parts = self._parts or [none]
        owner, rows, scores = (np.concatenate([part[i] for part in parts]) for i in range(3))
        known = np.repeat([part[3] == MODEL for part in parts], [len(part[0]) for part in parts])
        order = np.argsort(owner, kind="stable")
        owner, rows = owner[order], rows[order]
        count = np.bincount(owner, minlength=len(self.users))
        table: pd.DataFrame = pd.DataFrame(
            {
                # taken from short columns, because pandas inspects each cell of an array of objects
                self.name: pd.Series(self.users).array.take(owner),
                self.catalog.item: self.catalog.column.take(rows),
                "score": scores[order],
                "rank": np.arange(len(owner)) - (np.cumsum(count) - count)[owner] + 1,
                "source": pd.Series([POPULARITY, MODEL]).array.take(known[order].astype(np.int64)),
            }
        )
        return table


def best_rows(scores: Tensor, k: int, seen: Lists | None = None) -> tuple[Array, Array]:
    """Return the K columns of the highest scores in each row, −1 for none, and their scores.

    Ties are broken by the lower column.

    Args:
        scores: (B, N); −inf excludes an item. They are overwritten.
        k: K.
        seen: The columns to exclude in each row, as (indptr, indices).
    """
    best = best_of(scores, k, seen)
    found = scores.gather(1, best.clamp(min=0))
    return best.cpu().numpy(), found.cpu().numpy()


def lists_of(lists: Lists, chosen: Ids) -> Lists:
    """Return the lists of some users, as (indptr, indices).

    Example:
        >>> lists_of((np.array([0, 2, 3]), np.array([7, 8, 9])), np.array([1]))
        (array([0, 1]), array([9]))
    """
    indptr, indices = lists
    parts = [indices[indptr[i] : indptr[i + 1]] for i in chosen.tolist()]
    return np.cumsum([0, *map(len, parts)]), np.concatenate([np.empty(0, np.int64), *parts])


def within(lists: Lists, column: Ids) -> Lists:
    """Return lists of rows of items as lists of columns, without those that have none.

    Args:
        lists: The lists, as (indptr, indices).
        column: The column of each row, (N,); −1 for none.

    Example:
        >>> within((np.array([0, 2, 3]), np.array([2, 0, 1])), np.array([-1, 0, 1]))
        (array([0, 1, 2]), array([1, 0]))
    """
    indptr, rows = lists
    there = column[rows] >= 0
    before = np.concatenate([[0], np.cumsum(there)])
    return before[indptr], column[rows][there]


def best_of_pairs(
    score: Callable[[Mapping[str, Array]], Tensor],
    users: Mapping[str, Array],
    items: Mapping[str, Array],
    k: int,
    seen: Lists,
    allowed: Array,
) -> Best:
    """Return the best items of users by the scores of all pairs, in blocks of users.

    Args:
        score: Returns the scores of pairs, (M,), from their inputs.
        users: The inputs of U users.
        items: The inputs of N items.
        k: The number of items.
        seen: The items to exclude for each user.
        allowed: The items that may be recommended, (N,).
    """
    n, n_users = len(allowed), len(next(iter(users.values())))
    excluded, found = torch.from_numpy(~allowed), []
    for part in np.array_split(np.arange(n_users), max(1, n_users * n // _PAIRS)):
        pairs = {name: np.repeat(values[part], n, axis=0) for name, values in users.items()}
        pairs |= {name: np.tile(values, len(part)) for name, values in items.items()}
        scores = score(pairs).reshape(len(part), n).masked_fill(excluded, -torch.inf)
        found.append(best_rows(scores, k, lists_of(seen, part)))
    best, values = (np.concatenate(side) for side in zip(*found, strict=True))
    return best, values
