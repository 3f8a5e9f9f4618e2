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
from typing import TypeVar

import torch
from torch import Tensor

from .exact_search import best_items, first_k

_Value = TypeVar("_Value")
Best = tuple[Tensor, Tensor]
Pairs = tuple[Tensor, Tensor]

# powers of two: the first items set a bound; a tile of 512 users and 1024 items fits the cache
_FIRST, _TILE, _GROUP = 4096, 1024, 16
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
        index = self.order[found.items.gather(1, column)]
        tied = ((scores[:, 1:] == scores[:, :-1]).any(dim=1) & sure).nonzero().squeeze(1)
        if len(tied):
            numbers, order = self.order[found.items[tied]].sort(dim=1)
            scores[tied, : self.k], column = first_k(found.scores[tied].gather(1, order), self.k)
            index[tied, : self.k] = numbers.gather(1, column)
        scores, index = scores[:, : self.k], index[:, : self.k]
        again = (~sure).nonzero().squeeze(1)
        if len(again):
            pairs = _of_rows(seen, again, len(users))
            scores[again], index[again] = best_items(users[again], self.items, self.k, pairs)
        return scores, index

    def _collect(self, users: Tensor, seen: Pairs, found: "_Candidates") -> None:
        n = len(self.items)
        row, place = seen[0], self.place[seen[1]]
        place, order = place.sort()
        row = row[order]
        refined = 2 * _FIRST
        scratch = torch.empty(len(users), _FIRST, dtype=users.dtype)
        tile = torch.empty(len(users), _TILE, dtype=users.dtype)
        for start in [0, *range(_FIRST, n, _TILE)]:
            out = scratch if start == 0 else tile
            end = min(start + out.shape[1], n)
            _product(users, self.ordered[start:end], out[:, : end - start])
            out[:, end - start :] = -torch.inf
            first, last = torch.searchsorted(place, torch.tensor([start, end])).tolist()
            out[row[first:last], place[first:last] - start] = -torch.inf
            if start == 0:
                found.bound = _below(out.view(len(out), 8, -1).amax(dim=1), self._rank(end))
            found.collect(out, start)
            if end >= refined and end < 0.7 * n:
                found.refine(self._rank(end))
                refined *= 2

    def _rank(self, n: int) -> int:
        """The rank among n items that is very likely below the K-th best of all."""
        expected = self.k * n / len(self.items)
        return int(expected + _DEVIATIONS * math.sqrt(expected) + 2)


class _Candidates:
    """The scores above the bound of each user, in rows with room for a few times K.

    Attributes:
        scores: (U, M), −∞ where there are none.
        items: (U, M).
        bound: (U, 1); all scores above it are here, unless there were more than M.
    """

    def __init__(self, n_users: int, k: int, dtype: torch.dtype) -> None:
        self.room = 2 * k + 16 * math.isqrt(k) + 128
        self.scores = torch.full((n_users, self.room), -torch.inf, dtype=dtype)
        self.items = torch.zeros((n_users, self.room), dtype=torch.long)
        self.bound = torch.full((n_users, 1), -torch.inf, dtype=dtype)
        self.start = torch.arange(n_users) * self.room
        self.end = self.start.clone()

    def collect(self, scores: Tensor, first: int) -> None:
        """Add the scores (U, W) of items from number `first` on that are above the bound."""
        n_users, width = scores.shape
        step = width // _GROUP
        # a group is every step-th item, so that the maximum runs over contiguous memory
        groups = (scores.view(n_users, _GROUP, step).amax(dim=1) > self.bound).view(-1).nonzero()
        user = groups >> _log2(step)
        at = groups + user * (width - step) + torch.arange(0, width, step)
        values = scores.view(-1)[at]
        hit = (values > self.bound[user.squeeze(1)]).view(-1).nonzero().squeeze(1)
        values, at = values.view(-1)[hit], at.view(-1)[hit]
        user, item = at >> _log2(width), (at & (width - 1)) + first
        count = torch.bincount(user, minlength=n_users)
        place = torch.arange(len(user)) + (self.end - count.cumsum(0) + count)[user]
        self.end += count
        if (self.end > self.start + self.room).any():
            fits = place < (self.start + self.room)[user]
            place, values, item = place[fits], values[fits], item[fits]
        self.scores.view(-1)[place], self.items.view(-1)[place] = values, item

    def refine(self, rank: int) -> None:
        """Raise the bound to just below the score of a rank."""
        if (width := self._width()) >= rank:
            bound = _below(self.scores[:, :width], rank)
            self.bound = torch.maximum(self.bound, bound)

    def first(self, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the k + 1 highest scores, their columns, and whether the first k are sure (U,)."""
        scores, column = self.scores[:, : max(self._width(), k + 1)].topk(k + 1, dim=1)
        sure = (scores[:, k - 1] > self.bound[:, 0]) & (self.end <= self.start + self.room)
        return scores, column, sure

    def _width(self) -> int:
        return min(int((self.end - self.start).max()), self.room)


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


def _below(scores: Tensor, rank: int) -> Tensor:
    """Return the largest numbers below the scores of a rank (U, 1)."""
    bound = scores.topk(min(rank, scores.shape[1]), dim=1).values[:, -1:]
    return bound.nextafter(torch.full_like(bound, -torch.inf))


def _of_rows(pairs: Pairs, rows: Tensor, n: int) -> Pairs:
    """Return the pairs of some rows, which are numbered anew."""
    number = torch.full((n,), -1)
    number[rows] = torch.arange(len(rows))
    there = number[pairs[0]] >= 0
    return number[pairs[0][there]], pairs[1][there]


def _log2(power: int) -> int:
    return power.bit_length() - 1
