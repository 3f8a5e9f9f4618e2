"""Lists of recommended items: popular ones without those seen, in one frame of raw ids."""

import numpy as np

from torch_rechub.bundles.catalog import Catalog
from torch_rechub.bundles.recommended import Recommended


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
