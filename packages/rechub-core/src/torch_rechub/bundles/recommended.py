"""Lists of recommended items as a frame of raw ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from ..metrics.pruned_search import in_threads
from ..metrics.retrieval import best_of
from .catalog import Catalog

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Lists = tuple[Ids, Ids]  # (indptr, indices)
Best = tuple[Array, Array]  # rows of items and their scores

MODEL, POPULARITY = "model", "popularity"
_PAIRS = 2**20  # scores of users and items at a time
_MANY = 2**16  # rows of a frame that several threads make
_NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class _Part:
    """The items of some users.

    Attributes:
        users: The numbers of the users, (B,).
        count: How many items each has, (B,).
        rows: The rows of the items, one user after the other.
        scores: Their scores.
        source: Their origin.
    """

    users: Ids
    count: Ids
    rows: Ids
    scores: Array
    source: str


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
    _parts: list[_Part] = field(default_factory=list)

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
        count = there.sum(axis=1)
        if not there.all():
            rows, scores = rows[there], scores[there]
        self._parts.append(_Part(users, count, rows.reshape(-1), scores.reshape(-1), source))

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
        count, rows, scores, sources = self._in_order()
        # taken from short columns, because pandas inspects each cell of an array of objects
        users, names = pd.Series(self.users).array, pd.Series([POPULARITY, MODEL]).array
        columns: dict[str, Callable[[], Any]] = {
            self.name: lambda: users.take(np.repeat(np.arange(len(count), dtype=np.int32), count)),
            self.catalog.item: lambda: self.catalog.column.take(rows),
            "score": lambda: scores,
            "rank": lambda: _ranks(count),
            "source": lambda: names.take(sources),
        }
        made = dict.fromkeys(columns)

        def make(name: str) -> None:
            made[name] = columns[name]()

        in_threads(make, list(columns), 1 if len(rows) < _MANY else None)
        table: pd.DataFrame = pd.DataFrame(made, copy=False)
        return table

    def _in_order(self) -> tuple[Ids, Ids, Array, Array]:
        """Return how many items each user has, (U,), and rows, scores and sources by user."""
        parts = self._parts
        count = np.zeros(len(self.users), dtype=np.int64)
        for part in parts:
            np.add.at(count, part.users, part.count)
        owner = np.concatenate([_NOBODY, *(part.users for part in parts)])
        sources = _joined([np.full(len(p.rows), p.source == MODEL, np.int8) for p in parts])
        rows, scores = _joined([p.rows for p in parts]), _joined([p.scores for p in parts])
        if (owner[1:] < owner[:-1]).any():
            counts = np.concatenate([part.count for part in parts])
            order = np.argsort(np.repeat(owner, counts), kind="stable")
            rows, scores, sources = rows[order], scores[order], sources[order]
        return count, rows, scores, sources


def _joined(parts: list[Array]) -> Array:
    """Return arrays one after the other; an empty one has a type too, but is not copied for it."""
    if not parts:
        return _NOBODY
    kind, there = np.result_type(*parts), [part for part in parts if len(part)]
    joined: Array = there[0] if len(there) == 1 else np.concatenate(there or parts)
    return joined.astype(kind, copy=False)


def _ranks(count: Ids) -> Ids:
    """Return the numbers from 1 to each count.

    Example:
        >>> _ranks(np.array([2, 0, 3]))
        array([1, 2, 1, 2, 3])
    """
    count = count[count > 0]
    ranks = np.ones(count.sum(), dtype=np.int64)
    ranks[np.cumsum(count)[:-1]] -= count[:-1]
    return np.cumsum(ranks, out=ranks)


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
    if np.array_equal(chosen, np.arange(len(indptr) - 1)):
        return lists
    length = indptr[chosen + 1] - indptr[chosen]
    found = np.append(0, np.cumsum(length))
    place = np.arange(found[-1]) + np.repeat(indptr[chosen] - found[:-1], length)
    return found, indices[place]


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
    columns = column[rows]
    there = columns >= 0
    if there.all():
        return indptr, columns
    return np.append(0, np.cumsum(there))[indptr], columns[there]


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
