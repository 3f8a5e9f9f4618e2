"""Lists of recommended items: popular ones without those seen, in one frame of raw ids."""

from itertools import pairwise

import numpy as np
import pytest

from torch_rechub.bundles import recommended
from torch_rechub.bundles.catalog import Catalog
from torch_rechub.bundles.recommended import Recommended, lists_of, within


def test_popular_items_are_those_of_a_sorted_list_without_the_ones_seen():
    rng = np.random.default_rng(0)
    n_items, n_users, k = 9, 20, 3
    names = [f"i{i}" for i in range(n_items)]
    popularity = rng.integers(0, 4, n_items)  # with ties, in the order of items
    allowed = rng.random(n_items) < 0.8
    lists = [rng.choice(n_items, rng.integers(0, n_items)) for _ in range(n_users)]
    seen = np.cumsum([0, *map(len, lists)]), np.concatenate(lists)
    users = np.array([2, 3, 7, 11, 19])

    found = Recommended(
        "user", np.arange(n_users) * 10, Catalog("item", {"item": names}, popularity)
    )
    found.add_popular(users, k, allowed, seen)
    frame = found.frame()

    expected = []
    for user in users:
        left = [i for i in range(n_items) if allowed[i] and i not in lists[user]]
        best = sorted(left, key=lambda i: -popularity[i])[:k]
        expected += [(user * 10, names[i], popularity[i], r + 1) for r, i in enumerate(best)]
    columns = ["user", "item", "score", "rank"]
    assert list(frame[columns].itertuples(index=False, name=None)) == expected
    assert set(frame.source) == {"popularity"}


def test_no_users_have_an_empty_frame():
    found = Recommended("user", np.empty(0, int), Catalog("item", {"item": ["a"]}))
    found.add_popular(np.empty(0, int), 3, np.ones(1, bool), (np.zeros(1, int), np.empty(0, int)))
    assert list(found.frame()) == ["user", "item", "score", "rank", "source"]
    assert len(found.frame()) == 0


@pytest.mark.parametrize("many", [0, 2**16])  # with and without several threads
@pytest.mark.parametrize("names", [np.arange(7) * 3, np.array([f"u{i}" for i in range(7)], object)])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_of_users_in_any_order_become_one_frame(monkeypatch, many, names, parts):
    monkeypatch.setattr(recommended, "_MANY", many)
    rng = np.random.default_rng(parts)
    items = [f"i{i}" for i in range(9)]
    found = Recommended("user", names, Catalog("item", {"item": items}))
    expected = []
    for number, users in enumerate(np.array_split(rng.permutation(7), parts)):
        rows = rng.integers(-1, 9, (len(users), 4))
        rows[-1] = -1  # a user without items
        scores = rng.random(rows.shape, dtype=np.float32)
        source = recommended.POPULARITY if number == 1 else recommended.MODEL
        found.add(users, rows, scores, source)
        for user, of_rows, of_scores in zip(users, rows.tolist(), scores, strict=True):
            there = [(r, s) for r, s in zip(of_rows, of_scores, strict=True) if r >= 0]
            expected += [(user, items[r], s, n + 1, source) for n, (r, s) in enumerate(there)]
    expected.sort(key=lambda row: (row[0], row[3]))
    expected = [(names[user], *rest) for user, *rest in expected]
    frame = found.frame()
    assert list(frame.itertuples(index=False, name=None)) == expected
    assert frame.score.dtype == np.float32


@pytest.mark.parametrize("seed", range(5))
def test_lists_of_chosen_users_are_their_slices(seed):
    rng = np.random.default_rng(seed)
    lists = [rng.integers(0, 6, rng.integers(0, 4)).tolist() for _ in range(8)]
    indptr, flat = np.cumsum([0, *map(len, lists)]), np.concatenate(lists).astype(np.int64)
    for chosen in (rng.permutation(8)[:5], np.arange(8), np.empty(0, np.int64)):
        start, found = lists_of((indptr, flat), chosen)
        assert [found[a:b].tolist() for a, b in pairwise(start)] == [lists[user] for user in chosen]
    for column in (np.array([3, -1, 0, -1, 1, 2]), np.arange(6)[::-1]):
        start, found = within((indptr, flat), column)
        assert [found[a:b].tolist() for a, b in pairwise(start)] == [
            [int(column[row]) for row in of_user if column[row] >= 0] for of_user in lists
        ]
