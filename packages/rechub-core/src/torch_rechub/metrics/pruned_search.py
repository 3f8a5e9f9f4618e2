"""Exact search of the best items on a CPU, about as fast as the matrix product.

`torch.topk` over all scores takes longer than the product itself. Here only scores above a bound of
each user are collected. The bound is a rank of the scores so far that is expected to be well below
the K-th best of all. The result is verified: a user whose K-th best score is not above the bound is
searched again without bounds, so a bad bound costs time and never an item.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .exact_search import best_items, first_k

Array = NDArray[Any]
_Value = TypeVar("_Value")
Best = tuple[Tensor, Tensor]
Pairs = tuple[Tensor, Tensor]

# powers of two: the first items set a bound; a tile of 512 users and 1024 items fits the cache
_FIRST, _TILE = 4096, 1024
_DEVIATIONS = 5.0  # of the number of top items among those so far, from its mean


def is_worthwhile(users: Tensor, items: Tensor, k: int) -> bool:
    """Whether pruning pays: enough users and items, on a CPU."""
    enough = len(users) >= 64 and len(items) >= max(4 * _FIRST, 64 * k)
    return enough and items.device.type == "cpu" and items.dtype in (torch.float32, torch.float64)


class PrunedSearch:
    """Searches a catalog for the best items of blocks of users.

    Args:
        items: (N, D).
        k: K.
    """

    def __init__(self, items: Tensor, k: int) -> None:
        stride = -(-len(items) // _FIRST)
        # every beginning of this order is a sample of the whole catalog
        self.order = torch.cat([torch.arange(i, len(items), stride) for i in range(stride)])
        self.place = torch.empty_like(self.order)
        self.place[self.order] = torch.arange(len(items))
        self.items, self.ordered = items, items[self.order]
        self.k = k

    def __call__(self, users: Tensor, seen: Pairs) -> Best:
        """Return scores and indices (U, K) of the best items of a block of users.

        Args:
            users: (U, D) or (U, J, D).
            seen: The excluded pairs (user, item).
        """
        found = _Candidates(len(users), self.k, users.dtype)
        self._collect(users, seen, found)
        scores, column, sure = found.first(self.k)
        index = self.order[torch.from_numpy(found.items).gather(1, column)]
        tied = ((scores[:, 1:] == scores[:, :-1]).any(dim=1) & sure).nonzero().squeeze(1)
        if len(tied):
            rows = tied.numpy()
            numbers, order = self.order[torch.from_numpy(found.items[rows])].sort(dim=1)
            values = torch.from_numpy(found.scores[rows]).gather(1, order)
            scores[tied, : self.k], column = first_k(values, self.k)
            index[tied, : self.k] = numbers.gather(1, column)
        scores, index = scores[:, : self.k], index[:, : self.k]
        again = (~sure).nonzero().squeeze(1)
        if len(again):
            pairs = _of_rows(seen, again, len(users))
            scores[again], index[again] = best_items(users[again], self.items, self.k, pairs)
        return scores, index

    def _collect(self, users: Tensor, seen: Pairs, found: "_Candidates") -> None:
        n, n_users = len(self.items), len(users)
        place, order = self.place[seen[1]].sort()
        row, column = seen[0][order].numpy(), place.numpy()
        starts = [0, *range(_FIRST, n, _TILE)]
        parts = np.searchsorted(column, [*starts, n]).tolist()
        refined = 2 * _FIRST
        scratch = torch.empty(n_users, _FIRST, dtype=users.dtype)
        tile = torch.empty(n_users, _TILE, dtype=users.dtype)
        for start, first, last in zip(starts, parts, parts[1:], strict=False):
            out = scratch if start == 0 else tile
            end = min(start + out.shape[1], n)
            _product(users, self.ordered[start:end], out[:, : end - start])
            out[:, end - start :] = -torch.inf
            scores = out.numpy()
            scores[row[first:last], column[first:last] - start] = -np.inf
            if start == 0:
                highest = out.view(n_users, 8, -1).amax(dim=1).numpy()
                found.bound = _below(highest, self._rank(end))
            found.collect(scores, start)
            if end >= refined and end < 0.7 * n:
                found.refine(self._rank(end))
                refined *= 2

    def _rank(self, n: int) -> int:
        """The rank among n items that is very likely below the K-th best of all."""
        expected = self.k * n / len(self.items)
        return int(expected + _DEVIATIONS * math.sqrt(expected) + 2)


class _Candidates:
    """The scores above the bound of each user, in rows with room for a few times K.

    Of NumPy: it finds the few scores above a bound in a third of the time that torch takes.

    Attributes:
        scores: (U, M), −∞ where there are none.
        items: (U, M).
        bound: (U, 1); all scores above it are here, unless there were more than M.
    """

    def __init__(self, n_users: int, k: int, dtype: torch.dtype) -> None:
        self.room = 2 * k + 16 * math.isqrt(k) + 128
        kind = torch.empty(0, dtype=dtype).numpy().dtype
        self.scores: Array = np.full((n_users, self.room), -np.inf, dtype=kind)
        self.items: Array = np.zeros((n_users, self.room), dtype=np.int64)
        self.bound: Array = np.full((n_users, 1), -np.inf, dtype=kind)
        self._is_above: Array = np.empty(n_users * _FIRST, dtype=np.bool_)
        self._start = np.arange(n_users) * self.room
        self._end = self._start.copy()

    def collect(self, scores: Array, first: int) -> None:
        """Add the scores (U, W) of items from number `first` on that are above the bound."""
        n_users, width = scores.shape
        is_above = self._is_above[: scores.size]
        np.greater(scores, self.bound, out=is_above.reshape(scores.shape))
        at = np.flatnonzero(is_above)
        user, item = at >> _log2(width), (at & (width - 1)) + first
        count = np.bincount(user, minlength=n_users)
        place = np.arange(len(user)) + (self._end - np.cumsum(count) + count)[user]
        self._end += count
        if (self._end > self._start + self.room).any():
            fits = place < (self._start + self.room)[user]
            place, at, item = place[fits], at[fits], item[fits]
        self.scores.reshape(-1)[place] = scores.reshape(-1)[at]
        self.items.reshape(-1)[place] = item

    def refine(self, rank: int) -> None:
        """Raise the bound to just below the score of a rank."""
        if (width := self._width()) >= rank:
            bound = _below(self.scores[:, :width], rank)
            self.bound = np.maximum(self.bound, bound)

    def first(self, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the k + 1 highest scores, their columns, and whether the first k are sure (U,)."""
        held = torch.from_numpy(self.scores)[:, : max(self._width(), k + 1)]
        scores, column = held.topk(k + 1, dim=1)
        in_room = torch.from_numpy(self._end <= self._start + self.room)
        return scores, column, (scores[:, k - 1] > torch.from_numpy(self.bound[:, 0])) & in_room

    def _width(self) -> int:
        return min(int((self._end - self._start).max()), self.room)


def in_threads(
    work: Callable[[_Value], object], values: Sequence[_Value], most: int | None = None
) -> None:
    """Call a function with each value, on as many threads as torch uses, or on fewer.

    Each thread runs its operations alone: they are many and small, so that several threads of torch
    would mostly wait for each other.
    """
    threads = torch.get_num_threads()
    n_threads = min(threads, len(values), threads if most is None else most)
    if n_threads <= 1:
        for value in values:
            work(value)
        return
    started = Barrier(n_threads + 1)

    def use_one_thread() -> None:
        torch.get_num_threads()  # or else the first operation sets the thread's number again
        torch.set_num_threads(1)
        started.wait()

    with ThreadPoolExecutor(n_threads, initializer=use_one_thread) as pool:
        done = [pool.submit(work, value) for value in values]
        started.wait()
        # the number of later threads was set too; that of the present ones does not change by it
        torch.set_num_threads(threads)
        for one in done:
            one.result()


def _product(users: Tensor, items: Tensor, out: Tensor) -> None:
    """Write max_j ⟨u_j, v_i⟩ to `out`."""
    if users.dim() == 2:
        torch.mm(users, items.T, out=out)
        return
    torch.mm(users[:, 0], items.T, out=out)
    for interest in users.unbind(dim=1)[1:]:
        torch.maximum(out, interest @ items.T, out=out)


def _below(scores: Array, rank: int) -> Array:
    """Return the largest numbers below the scores of a rank (U, 1)."""
    place = max(scores.shape[1] - rank, 0)
    lowest = np.partition(scores, place, axis=1)[:, place : place + 1]
    below: Array = np.nextafter(lowest, -np.inf, dtype=scores.dtype)
    return below


def _of_rows(pairs: Pairs, rows: Tensor, n: int) -> Pairs:
    """Return the pairs of some rows, which are numbered anew."""
    number = torch.full((n,), -1)
    number[rows] = torch.arange(len(rows))
    there = number[pairs[0]] >= 0
    return number[pairs[0][there]], pairs[1][there]


def _log2(power: int) -> int:
    return power.bit_length() - 1
