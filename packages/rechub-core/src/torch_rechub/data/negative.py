"""Negative sampling: uniform, by popularity, or outside a history.

There is no rejection sampling: each draw is exact at the first try, so that no call can hang.
"""

import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._bounds import check_whole

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


def negative_sample(
    items_cnt_order: Mapping[Any, float] | pd.Series, ratio: int, method_id: int = 0
) -> npt.NDArray[Any]:
    """Draw items by popularity, with replacement.

    With c_i the count of item i, r_i its rank by count (0 for the most popular) and N the number of
    items, the probability of an item is

        method 0, uniform: p_i = 1 / N
        method 1, as word2vec: p_i ∝ c_i^0.75
        method 2, logarithmic: p_i ∝ log(c_i + 1)
        method 3, as RALM: p_i = (log(r_i + 2) - log(r_i + 1)) / log(N + 1)

    Reproducible under `numpy.random.seed`.

    Args:
        items_cnt_order: The count of each item: a dict, or a Series as of `value_counts`.
        ratio: Number of draws.
        method_id: One of the methods above.

    Returns:
        Array of shape (ratio,).

    Raises:
        ValueError: Unknown method, a negative ratio, or no count above 0.

    Example:
        >>> negative_sample({"a": 5, "b": 0}, ratio=3, method_id=1).tolist()
        ['a', 'a', 'a']

    Reference:
        Mikolov et al. "Distributed Representations of Words and Phrases and their
        Compositionality". NeurIPS 2013. arXiv 1310.4546. (Method 1.)
        Liu et al. "Real-time Attention Based Look-alike Model for Recommender System". KDD 2019.
        arXiv 1906.05022. (Method 3.)
    """
    check_whole(0, ratio=ratio)
    counts = dict(items_cnt_order.items())  # of a mapping, or of a Series of counts by item
    p = popularity(np.fromiter(counts.values(), dtype=np.float64, count=len(counts)), method_id)
    return np.array(list(counts))[draw(numpy_generator(), p, ratio)]


def popularity(counts: npt.ArrayLike, method_id: int) -> Floats:
    """Return the probability of each item by a method of `negative_sample`.

    Args:
        counts: The count of each item, shape (N,).
        method_id: 0 to 3.

    Returns:
        Array of shape (N,).

    Example:
        >>> popularity([1, 3], method_id=2).round(3)
        array([0.333, 0.667])
    """
    c = np.asarray(counts, dtype=np.float64)
    if method_id == 0:
        weight = np.ones_like(c)
    elif method_id == 1:
        weight = c**0.75
    elif method_id == 2:
        weight = np.log1p(c)
    elif method_id == 3:
        weight = np.empty_like(c)
        # log(r + 2) - log(r + 1) for r = 0, 1, …, from the most popular item on
        weight[np.argsort(-c, kind="stable")] = np.log1p(1 / np.arange(1, len(c) + 1))
    else:
        raise ValueError(f"the sampling method must be 0, 1, 2 or 3, got {method_id!r}")
    total = weight.sum()
    if not total > 0 or (c < 0).any():
        raise ValueError(f"counts must be at least 0, and one above 0, got {counts!r}")
    p: Floats = weight / total
    return p


BLOCK = 2**16  # draws at once


def draw(rng: np.random.Generator, p: Floats, size: int) -> Ids:
    """Draw positions 0 to N - 1 with replacement, each with its probability.

    Args:
        rng: Source of randomness.
        p: Probabilities, shape (N,).
        size: Number of draws.
    """
    share, other = _alias_table(p)
    drawn = np.empty(size, dtype=np.int64)
    for part in np.split(drawn, range(BLOCK, size, BLOCK)):  # in chunks that fit into the cache
        u = rng.random(len(part))
        u *= len(p)
        place = np.minimum(u.astype(np.int64), len(p) - 1)  # rounding may give N
        u -= place
        part[:] = np.where(u < share.take(place), place, other.take(place))
    return drawn


def _alias_table(p: Floats) -> tuple[Floats, Ids]:
    """Build the table of Walker's alias method, with which a draw takes constant time.

    Returns:
        The share of column i that belongs to i, shape (N,), and the alias for the rest, shape (N,).

    Reference:
        Walker, An Efficient Method for Generating Discrete Random Variables with General
        Distributions, ACM TOMS 1977; built as in Vose, IEEE TSE 1991.
    """
    share, other = p / p.sum() * len(p), np.arange(len(p))
    small, large = list(np.flatnonzero(share < 1)), list(np.flatnonzero(share >= 1))
    rest = share.tolist()
    while small and large:
        i, j = small.pop(), large[-1]
        other[i] = j
        rest[j] -= 1 - rest[i]
        share[i] = rest[i]
        if rest[j] < 1:
            small.append(large.pop())
    share[small + large] = 1.0  # the rest is 1 up to rounding
    return share, other


def draw_others(rng: np.random.Generator, p: Floats, avoid: Ids) -> Ids:
    """Draw a different position for each given one, with the renormalized probabilities.

        p(j | i) = p_j / (1 - p_i)  for j ≠ i

    Args:
        rng: Source of randomness.
        p: Probabilities, shape (N,).
        avoid: The positions i that must not be drawn, of any shape.

    Returns:
        Positions j, of the shape of `avoid`.

    Raises:
        ValueError: There is no other position.
    """
    if len(p) < 2 and avoid.size:
        raise ValueError("there is one item only, so that no other can be drawn as a negative")
    up_to = np.cumsum(p)
    # draw from [0, 1 − p_i), then skip the interval of i
    below = (up_to - p)[avoid]
    u = rng.random(avoid.shape) * (up_to[-1] - p[avoid])
    other = _places(up_to, np.where(u < below, u, u + p[avoid]))
    return np.where(other == avoid, (avoid + 1) % len(p), other)  # rounding may give i


def _places(up_to: Floats, u: Floats) -> Ids:
    place = np.searchsorted(up_to, u, side="right")
    return np.minimum(place, len(up_to) - 1)  # rounding may give N


def draw_unseen(
    rng: np.random.Generator,
    user: Ids,
    item: Ids,
    n_items: int,
    of_user: Ids,
    user_ids: Any,
) -> Ids:
    """Draw an item for each user, uniformly from those without an interaction.

    Args:
        rng: The random generator.
        user: Users 0 to U - 1 of the interactions, shape (N,).
        item: Items 1 to `n_items` of the interactions, shape (N,).
        n_items: Number of items.
        of_user: The users to draw for, shape (M,).
        user_ids: The id of each of the U users, for messages.

    Returns:
        Items, shape (M,).

    Raises:
        ValueError: A user has interacted with every item.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> user, item = np.array([0, 0, 1]), np.array([1, 3, 2])
        >>> draw_unseen(rng, user, item, n_items=3, of_user=np.array([0, 0]), user_ids="ab")
        array([2, 2])
    """
    pair = np.sort(user * (n_items + 1) + item)
    pair = pair[np.diff(pair, prepend=-1) > 0]
    user, item = np.divmod(pair, n_items + 1)
    first = np.searchsorted(user, np.arange(len(user_ids) + 1))
    n_unseen = n_items - np.diff(first)[of_user]
    if not n_unseen.all():
        raise ValueError(
            f"user {user_ids[of_user[n_unseen == 0][0]]} has interacted with each of the {n_items} "
            "items, so that none is left for a negative sample: drop the user's rows"
        )
    # The k-th seen item has item - 1 - k unseen ones below it. The r-th unseen item (from 0)
    # therefore lies above just those seen items that have at most r unseen ones below them.
    unseen_below = item - 1 - (np.arange(len(item)) - first[user])
    r = rng.integers(n_unseen)
    key = user * (n_items + 1) + unseen_below
    seen_below = np.searchsorted(key, of_user * (n_items + 1) + r, side="right") - first[of_user]
    return r + 1 + seen_below


def neg_sample(click_hist: Iterable[int], item_size: int) -> int:
    """Draw an id from 1 to `item_size`, uniformly from those not in a history.

    Reproducible under `random.seed`.

    Args:
        click_hist: The ids not to draw.
        item_size: The largest id.

    Raises:
        ValueError: The history leaves no id.

    Example:
        >>> neg_sample([1, 2, 4], item_size=4)
        3
    """
    seen = sorted({int(i) for i in click_hist if 1 <= i <= item_size})
    if len(seen) >= item_size:
        raise ValueError(f"the history holds every id from 1 to {item_size}: none is left to draw")
    drawn = 1 + random.randrange(item_size - len(seen))
    for clicked in seen:
        drawn += clicked <= drawn
    return drawn


def numpy_generator() -> np.random.Generator:
    """Return a NumPy generator seeded by `numpy.random.seed`."""
    return np.random.default_rng(np.random.randint(2**63 - 1, dtype=np.int64))  # noqa: NPY002


def python_generator() -> np.random.Generator:
    """Return a NumPy generator seeded by `random.seed`."""
    return np.random.default_rng(random.getrandbits(64))
