"""Negatives: never what they must not be, as often as they should be, and never without end."""

import random
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from torch_rechub.data.negative import (
    draw_others,
    draw_unseen,
    neg_sample,
    negative_sample,
    popularity,
)

COUNTS = {"hit": 80, "known": 15, "niche": 4, "rare": 1}
N = 40_000


@pytest.fixture(autouse=True)
def _seeds():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


def shares(drawn):
    return {item: n / len(drawn) for item, n in Counter(drawn.tolist()).items()}


def by_formula(method):
    """The probabilities, item by item."""
    weight = {
        0: lambda c, rank: 1,
        1: lambda c, rank: c**0.75,
        2: lambda c, rank: np.log(c + 1),
        3: lambda c, rank: np.log(rank + 2) - np.log(rank + 1),
    }[method]
    ranked = sorted(COUNTS, key=lambda item: -COUNTS[item])
    weights = {item: weight(COUNTS[item], ranked.index(item)) for item in COUNTS}
    return {item: w / sum(weights.values()) for item, w in weights.items()}


@pytest.mark.parametrize("method", [0, 1, 2, 3])
@pytest.mark.parametrize("order", [1, -1])
def test_items_are_drawn_as_often_as_the_method_says(method, order):
    counts = dict(list(COUNTS.items())[::order])
    drawn = negative_sample(counts, N, method)
    assert drawn.shape == (N,)
    assert shares(drawn) == pytest.approx(by_formula(method), abs=0.01)
    expected = [by_formula(method)[item] for item in counts]
    assert popularity(list(counts.values()), method) == pytest.approx(expected)


def test_by_rank_the_most_popular_item_is_drawn_most():
    drawn = Counter(negative_sample({1: 1000, 2: 10, 3: 1}, 300, method_id=3).tolist())
    assert drawn[1] > drawn[2] > drawn[3]


@pytest.mark.parametrize("method", [0, 1, 2, 3])
def test_more_negatives_than_items_are_no_failure(method):
    assert len(negative_sample({1: 5, 2: 3}, 100, method)) == 100
    assert len(negative_sample({1: 5, 2: 3}, 0, method)) == 0


def test_ids_keep_their_type():
    assert negative_sample({7: 2, 9: 1}, 5).dtype == np.int64
    assert set(negative_sample({"a": 1}, 3)) == {"a"}


def test_the_seed_of_numpy_decides():
    draws = []
    for seed in (1, 1, 2):
        np.random.seed(seed)  # noqa: NPY002
        draws.append(negative_sample(COUNTS, 50, 2).tolist())
    assert draws[0] == draws[1] != draws[2]
    assert negative_sample(COUNTS, 50, 2).tolist() != draws[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((COUNTS, 3, 4), "method must be 0, 1, 2 or 3, got 4"),
        ((COUNTS, -1), "ratio must be at least 0, got -1"),
        (({}, 3), "one above 0"),
        (({"a": 0, "b": 0}, 3, 1), "one above 0"),
        (({"a": -1, "b": 3}, 3, 0), "at least 0"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        negative_sample(*arguments)


# All but one


def test_all_others_keep_their_proportions():
    p = np.array([0.7, 0.2, 0.1])
    rng = np.random.default_rng(0)
    for i in range(3):
        others = draw_others(rng, p, np.full((N, 2), i))
        found = np.bincount(others.ravel(), minlength=3) / others.size
        expected = p / (1 - p[i])
        expected[i] = 0
        assert found == pytest.approx(expected, abs=0.01)
        assert found[i] == 0


def test_an_item_that_is_nearly_certain_is_avoided_at_the_first_try():
    p = np.array([1e-12, 1 - 2e-12, 1e-12])
    others = draw_others(np.random.default_rng(0), p, np.full(1000, 1))
    assert set(others) <= {0, 2}


def test_a_single_item_has_no_other():
    with pytest.raises(ValueError, match="one item only"):
        draw_others(np.random.default_rng(0), np.array([1.0]), np.array([0]))


# Outside a history


def test_unseen_items_are_equally_likely_and_no_others_drawn():
    seen = {0: [2, 5, 2, 6], 1: [1, 2, 3, 4, 6], 2: [6, 1]}
    user = np.repeat([0, 1, 2], [4, 5, 2])
    item = np.concatenate([seen[u] for u in range(3)])
    shuffled = np.random.default_rng(1).permutation(len(user))
    of_user = np.tile([2, 0, 1], N)
    drawn = draw_unseen(np.random.default_rng(0), user[shuffled], item[shuffled], 6, of_user, "abc")
    for u, items in seen.items():
        unseen = sorted(set(range(1, 7)) - set(items))
        expected = dict.fromkeys(unseen, 1 / len(unseen))
        assert shares(drawn[of_user == u]) == pytest.approx(expected, abs=0.01)


def test_a_user_who_has_seen_everything_is_named():
    user, item = np.array([0, 1, 1]), np.array([1, 1, 2])
    rng = np.random.default_rng(0)
    assert draw_unseen(rng, user, item, 2, np.array([0]), ["ann", "bob"]).tolist() == [2]
    with pytest.raises(ValueError, match="user bob has interacted with each of the 2 items"):
        draw_unseen(rng, user, item, 2, np.array([0, 1]), ["ann", "bob"])


@pytest.mark.parametrize(
    "clicks", [[1, 3, 4], (4, 1, 3, 3), {1, 3, 4, 99, 0, -7}, np.array([1, 3, 4])]
)
def test_one_negative_is_equally_likely_any_id_not_clicked(clicks):
    drawn = np.array([neg_sample(clicks, 6) for _ in range(4000)])
    assert shares(drawn) == pytest.approx({2: 1 / 3, 5: 1 / 3, 6: 1 / 3}, abs=0.03)
    assert isinstance(neg_sample(clicks, 6), int)


@pytest.mark.parametrize(("clicks", "size"), [([2, 1, 2, 3], 3), ([], 0)])
def test_a_history_of_everything_is_an_error_not_an_endless_loop(clicks, size):
    with pytest.raises(ValueError, match=f"every id from 1 to {size}"):
        neg_sample(clicks, size)


def test_the_seed_of_random_decides_one_negative():
    draws = []
    for seed in (1, 1, 2):
        random.seed(seed)
        draws.append([neg_sample([3], 1000) for _ in range(5)])
    assert draws[0] == draws[1] != draws[2]


def test_counts_come_as_a_dict_or_as_a_series():
    items = pd.Series(["a", "b", "b", "c"])
    found = []
    for counts in (items.value_counts(), items.value_counts().to_dict()):
        np.random.seed(3)  # noqa: NPY002 - the seed that scripts set
        found.append(negative_sample(counts, 20, method_id=1).tolist())
    assert found[0] == found[1]
    assert set(found[0]) == {"a", "b", "c"}
