"""Negatives of samples: drawn uniformly or by popularity, outside a user's items on request."""

import copy
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..._bounds import check_whole, refuse_none
from ..._errors import UnknownChoiceError
from ..negative import draw, draw_others, draw_unseen, popularity
from .tables import edge_rows
from .vocabulary import UNKNOWN
from .windows import Windows, distinct, spans

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
N = TypeVar("N", bound="NegativeSampling")

METHODS = ("uniform", "word2vec", "log", "ralm")  # methods 0 to 3 of `negative_sample`


class NegativeSampling:
    """The negatives of `Samples`."""

    _columns: dict[str, Array]
    _windows: Windows
    _attributes: tuple[str, ...]
    _in_steps: bool
    y: Array | None
    rows: Ids

    def with_negatives(
        self: N,
        n: int | None = None,
        method: str = "uniform",
        *,
        avoid: str = "target",
        seed: int = 0,
    ) -> N:
        """Return the samples with a column `neg_<item>` of items that are not the target.

        They are drawn with replacement from the items of the rows that histories may come from; for
        a part of a split these are those of earlier parts, so that training draws no item that only
        occurs in the test. Call it in each epoch, with another seed, for new negatives.

        Args:
            n: Negatives per row; None means one, without a dimension of its own.
            method: "uniform", or by popularity: "word2vec", "log" or "ralm"; see
                `negative_sample`.
            avoid: "target", or "user": no item of the user's interactions in the rows above and in
                these samples. Those of a later part may be drawn: to avoid them would tell the
                model of the future.
            seed: Seed of the draws.

        Returns:
            Samples with `neg_<item>` and `neg_<attribute>`: (N,) or (N, n); for pieces one for each
            step, (N, L), 0 for padding.

        Raises:
            UnknownChoiceError: `method` or `avoid` has another value.
            ValueError: n is below 1, or given for pieces; or there is no item to draw.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"user": [1, 1, 2], "item": [7, 8, 9], "time": [1, 2, 3]}
            >>> x = Interactions(log, "user", "item", "time").samples()
            >>> x.with_negatives(3, avoid="user")["neg_item"]
            array([[9, 9, 9]])
        """
        check_whole(1, n=n)
        windows = self._windows
        if not self._in_steps:
            target = windows.target if n is None else np.repeat(windows.target, n)
            shape = (len(windows.target),) if n is None else (len(windows.target), n)
            return self._with(Drawing(windows).draw(target, method, avoid, seed).reshape(shape))
        if n is not None:
            raise ValueError(f"pieces have one negative for each step: leave out n, got {n}")
        length = windows.stop - windows.start
        outside = windows.padding()
        steps = windows.past[spans(windows.start + 1, length)]
        code = np.full(outside.shape, -1)
        code[~outside] = Drawing(windows).draw(steps, method, avoid, seed)
        return self._with(code)

    def with_negative_rows(
        self: N, n: int, method: str = "uniform", *, avoid: str = "target", seed: int = 0
    ) -> N:
        """Return each sample with label 1, followed by n rows with a negative and label 0.

        Args:
            n: Negatives per sample.
            method: As in `with_negatives`.
            avoid: As in `with_negatives`.
            seed: As in `with_negatives`.

        Returns:
            Samples of N (n + 1) rows; attributes of items are those of the negatives.

        Raises:
            UnknownChoiceError: As in `with_negatives`.
            ValueError: As in `with_negatives`, or the samples are pieces.
        """
        refuse_none(n=n)
        check_whole(1, n=n)
        if self._in_steps:
            raise ValueError("pieces have a target at each step: take samples() for rows")
        windows, log = self._windows, self._windows.log
        code = Drawing(windows).draw(np.repeat(windows.target, n), method, avoid, seed)
        row = np.repeat(np.arange(len(windows.target)), n + 1)
        is_negative = np.arange(len(row)) % (n + 1) > 0
        new = copy.copy(self)
        new._columns = {k: np.repeat(column, n + 1, axis=0) for k, column in self._columns.items()}
        for name, values in self._of_items(code).items():
            new._columns[name][is_negative] = values
        new._windows = windows.take(row)
        new.y, new.rows = 1 - is_negative.astype(np.int64), log.row[new._windows.target]
        return new

    def _with(self: N, code: Ids) -> N:
        """Return samples with the columns of negative items; −1 is padding."""
        new = copy.copy(self)
        columns = {f"neg_{name}": values for name, values in self._of_items(code).items()}
        new._columns = {**self._columns, **columns}
        return new

    def _of_items(self, code: Ids) -> dict[str, Array]:
        """Return the ids and attributes of items; 0 for −1."""
        log, found = self._windows.log, {}
        found[log.item_name] = log.entities[log.item_name].take(code)
        last = edge_rows(log, log.item, self._windows.past) if self._attributes else code
        for name in self._attributes:
            found[name] = log.column(name, last.take(code))
        for values in found.values():
            values[code < 0] = 0
        return found


class Drawing:
    """Draws items for targets.

    Args:
        windows: The histories, whose `past` has the items to draw from.
    """

    def __init__(self, windows: Windows) -> None:
        log, past = windows.log, windows.past
        self.log, self.target, self.past = log, windows.target, past
        count = np.bincount(log.item[past], minlength=log.n_items)
        if log.item_name in log.sizes:
            count[log.entities[log.item_name] == UNKNOWN] = 0
        self.items = np.flatnonzero(count)
        self.count = count[self.items]

    def draw(self, target: Ids, method: str, avoid: str, seed: int) -> Ids:
        """Return the number of an item for each target place (M,); see `with_negatives`."""
        if method not in METHODS:
            raise UnknownChoiceError(f"method must be one of {list(METHODS)}, got {method!r}")
        if avoid not in ("target", "user"):
            raise UnknownChoiceError(f"avoid must be 'target' or 'user', got {avoid!r}")
        if not len(target):
            return np.empty(0, dtype=np.int64)
        if not len(self.items):
            raise ValueError("there is no item to draw: histories may come from no row")
        rng, p = np.random.default_rng(seed), popularity(self.count, METHODS.index(method))
        if avoid == "user":
            return self.items[self._outside(rng, p, target, method)]
        position = np.full(self.log.n_items, -1)
        position[self.items] = np.arange(len(self.items))
        own = position[self.log.item[target]]
        place = draw(rng, p, len(target))
        clash = place == own
        place[clash] = draw_others(rng, p, own[clash])
        return self.items[place]

    def _outside(self, rng: np.random.Generator, p: Floats, target: Ids, method: str) -> Ids:
        """Draw positions of items without an interaction of the target's user."""
        log, n = self.log, len(self.items)
        position = np.full(log.n_items, -1)
        position[self.items] = np.arange(n)
        seen = np.concatenate([self.past, self.target])
        seen = seen[position[log.item[seen]] >= 0]
        user, item = log.user[seen], position[log.item[seen]]
        owner, names = log.user[target], log.entities[log.user_name]
        place = draw_unseen(rng, user, item + 1, n, owner, names) - 1
        if method == "uniform":
            return place
        pair = distinct(user * n + item)
        weighted = draw_outside(rng, p, pair, owner)
        # rounding may give a seen item; the uniform draw is then as good
        return np.where(np.isin(owner * n + weighted, pair), place, weighted)


def draw_outside(rng: np.random.Generator, p: Floats, pair: Ids, owner: Ids) -> Ids:
    """Draw an item for each user, with the renormalized probabilities of the unseen ones.

        p(j | u) = p_j / (1 − Σ_{i seen by u} p_i)  for j not seen by u

    Args:
        rng: The random generator.
        p: Probabilities of the n items, shape (n,).
        pair: Seen items, u · n + i, ascending and distinct.
        owner: The users u to draw for, shape (M,), each with an unseen item.

    Returns:
        Items, shape (M,); but for rounding none is seen.

    Example:
        >>> p = np.array([0.5, 0.25, 0.25])
        >>> draw_outside(np.random.default_rng(0), p, pair=np.array([0, 2]), owner=np.array([0]))
        array([1])
    """
    n = len(p)
    up_to = np.cumsum(p)
    user, item = np.divmod(pair, n)
    edges = np.searchsorted(user, [owner, owner + 1])
    mass = np.concatenate([[0.0], np.cumsum(p[item])])  # of the seen items before each pair
    low, high = edges
    origin = mass[low]
    r = rng.random(len(owner)) * (up_to[-1] - (mass[high] - origin))
    # the number of seen items with at most r of unseen mass below them, by bisection
    while (low < high).any():
        middle = np.minimum((low + high) // 2, max(len(pair) - 1, 0))
        below = up_to[item[middle]] - p[item[middle]] - (mass[middle] - origin)
        is_left = (below <= r) & (low < high)
        high = np.where(is_left | (low >= high), high, middle)
        low = np.where(is_left, middle + 1, low)
    place: Ids = np.searchsorted(up_to, r + (mass[low] - origin), side="right")
    return np.minimum(place, n - 1)
