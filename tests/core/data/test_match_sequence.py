"""Samples of matching: what a loop over users makes, negatives in each form, model inputs."""

import random
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from torch_rechub.data.match_sequence import gen_model_input, generate_seq_feature_match

KEYS = ("user", "item", "time")


@pytest.fixture(autouse=True)
def _seeds():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


def interactions(n_rows=120, n_users=9, n_items=40, seed=0):
    """Numbers for users and items, words for categories, times with ties; in no order."""
    rng = np.random.default_rng(seed)
    item = rng.integers(100, 100 + n_items, size=n_rows)
    frame = pd.DataFrame(
        {
            "user": rng.integers(n_users, size=n_rows),
            "item": item,
            "cate": [f"c{i % 5}" for i in item],
            "time": rng.integers(30, size=n_rows),
        }
    )
    frame.index = rng.permutation(n_rows)
    return frame


def targets(log, min_items=0):
    """The targets of training and test: (user, item, history, its categories)."""
    train, test = [], []
    for user in sorted(set(log["user"])):
        rows = [row for row in log.itertuples() if row.user == user]
        rows.sort(key=lambda row: row.time)  # stable
        if len(rows) < min_items:
            continue
        for t in range(1, len(rows)):
            past = rows[:t]
            sample = (user, rows[t].item, [r.item for r in past], [r.cate for r in past])
            (test if t == len(rows) - 1 else train).append(sample)
    return train, test


def samples(frame):
    """The rows of a frame as tuples (user, item, history, its categories)."""
    assert frame["histlen_item"].tolist() == [len(row) for row in frame["hist_item"]]
    return [
        (row["user"], row["item"], row["hist_item"].tolist(), row["hist_cate"].tolist())
        for row in frame.to_dict("records")
    ]


def same_in_some_order(one, other):
    assert len(one) > 1
    assert sorted(map(str, one)) == sorted(map(str, other))


def build(log, **options):
    return generate_seq_feature_match(log, *KEYS, ["cate"], **options)


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("min_item", [0, 13])
def test_the_last_interaction_is_for_testing_all_others_train(mode, min_item):
    log = interactions()
    neg_ratio = int(mode == 2)
    train, test = build(log, mode=mode, neg_ratio=neg_ratio, min_item=min_item)
    expected = targets(log, min_item)
    same_in_some_order(samples(train), expected[0])
    same_in_some_order(samples(test), expected[1])
    assert set(test.iloc[:, -1]) == {1}
    assert samples(train) != expected[0]  # shuffled
    assert samples(test) != expected[1]


def test_point_wise_every_target_is_joined_by_rows_of_label_0():
    log = interactions()
    train, test = build(log, neg_ratio=3)
    expected, _ = targets(log)
    positive, negative = train[train["label"] == 1], train[train["label"] == 0]
    same_in_some_order(samples(positive), expected)
    assert len(negative) == 3 * len(positive)
    without_items = [(user, past, kinds) for user, _, past, kinds in samples(negative)]
    same_in_some_order(without_items, [(u, p, k) for u, _, p, k in expected] * 3)
    item_of = {str((u, p)): i for u, i, p, _ in expected}
    assert all(item != item_of[str((u, p))] for u, item, p, _ in samples(negative))
    assert set(negative["item"]) <= set(log["item"])
    assert train["label"].tolist() != sorted(train["label"], reverse=True)
    assert set(test["label"]) == {1}


@pytest.mark.parametrize(("neg_ratio", "rows_of_each"), [(0, 1), (1, 1), (3, 3)])
def test_pair_wise_every_target_has_rows_with_one_negative_each(neg_ratio, rows_of_each):
    log = interactions()
    train, _ = build(log, mode=1, neg_ratio=neg_ratio)
    same_in_some_order(samples(train), targets(log)[0] * rows_of_each)
    assert train["neg_items"].dtype.kind == "i"
    assert (train["neg_items"] != train["item"]).all()
    assert set(train["neg_items"]) <= set(log["item"])


def test_list_wise_every_target_has_a_list_of_negatives():
    log = interactions()
    train, _ = build(log, mode=2, neg_ratio=4)
    same_in_some_order(samples(train), targets(log)[0])
    negatives = np.stack(train["neg_items"])
    assert negatives.shape == (len(train), 4)
    assert (negatives != train["item"].to_numpy()[:, None]).all()
    assert set(negatives.ravel()) <= set(log["item"])


@pytest.mark.parametrize("method", [0, 1, 2, 3])
def test_negatives_are_as_popular_as_the_method_says(method):
    """Of three items, one is the target: the shares of the other two are as their weights."""
    counts = {"a": 900, "b": 90, "c": 10}
    rng = np.random.default_rng(0)
    items = rng.permutation(np.repeat(list(counts), list(counts.values())))
    log = pd.DataFrame({"user": 1, "item": items, "time": range(1000)})
    train, _ = generate_seq_feature_match(log, *KEYS, sample_method=method, mode=2, neg_ratio=40)
    against_a = np.concatenate(train.loc[train["item"] == "a", "neg_items"].tolist())
    b, c = (
        {0: 1, 1: count**0.75, 2: np.log(count + 1), 3: np.log((rank + 2) / (rank + 1))}[method]
        for rank, count in ((1, counts["b"]), (2, counts["c"]))
    )
    assert Counter(against_a)["b"] / len(against_a) == pytest.approx(b / (b + c), abs=0.01)


def test_columns_and_their_order():
    log = interactions()
    for mode, last in ((0, "label"), (1, "neg_items"), (2, "neg_items")):
        for frame in build(log, mode=mode, neg_ratio=2):
            assert list(frame) == ["user", "item", "hist_item", "histlen_item", "hist_cate", last]
            assert isinstance(frame.index, pd.RangeIndex)
        for frame in generate_seq_feature_match(log, *KEYS, mode=mode, neg_ratio=2):
            assert list(frame) == ["user", "item", "hist_item", "histlen_item", last]


def test_the_callers_frame_stays_as_it_is():
    log = interactions()
    before = log.copy()
    build(log)
    pd.testing.assert_frame_equal(log, before)


def test_histories_are_views_so_that_long_ones_cost_no_more():
    n = 5000
    log = pd.DataFrame({"user": 1, "item": np.arange(n), "time": np.arange(n)})
    train, _ = generate_seq_feature_match(log, *KEYS)
    histories = train["hist_item"].tolist()
    assert sum(map(len, histories)) > 12_000_000
    bases = {id(h.base) for h in histories}
    assert len(bases) == 1
    assert not histories[0].flags.writeable


@pytest.mark.parametrize(("mode", "last"), [(0, "label"), (1, "neg_items"), (2, "neg_items")])
def test_users_too_short_for_training_give_empty_frames(mode, last):
    log = pd.DataFrame({"user": [1, 1, 2], "item": [5, 6, 7], "time": [2, 1, 3]})
    columns = ["user", "item", "hist_item", "histlen_item", last]
    train, test = generate_seq_feature_match(log, *KEYS, mode=mode, neg_ratio=2)
    assert train.empty
    assert list(train) == columns
    assert test.to_dict("list") == {
        "user": [1], "item": [5], "hist_item": [[6]], "histlen_item": [1], last: [1]
    }  # fmt: skip
    for frame in generate_seq_feature_match(log[:0], *KEYS, mode=mode, neg_ratio=2):
        assert frame.empty
        assert list(frame) == columns


def test_ids_may_be_words():
    log = pd.DataFrame({"user": list("xxx"), "item": ["b", "a", "c"], "time": [3, 1, 2]})
    train, test = generate_seq_feature_match(log, *KEYS, mode=2, neg_ratio=1)
    assert train[["user", "item"]].to_numpy().tolist() == [["x", "c"]]
    assert test["hist_item"][0].tolist() == ["a", "c"]


def test_the_seeds_of_numpy_and_random_decide():
    def drawn(numpy_seed, python_seed):
        np.random.seed(numpy_seed)  # noqa: NPY002
        random.seed(python_seed)
        train, _ = build(interactions(), mode=1)
        negatives = sorted(map(str, zip(samples(train), train["neg_items"])))
        return samples(train), negatives

    first, again, other_order, other_negatives = (
        drawn(*seeds) for seeds in ((1, 1), (1, 1), (1, 2), (2, 1))
    )
    assert first == again
    assert first[0] != other_order[0]
    assert first[1] == other_order[1]
    assert first[0] == other_negatives[0]
    assert first[1] != other_negatives[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": 3}, "mode must be 0, 1 or 2, got 3"),
        ({"mode": 2}, "neg_ratio must be at least 1, got 0"),
        ({"neg_ratio": -1}, "neg_ratio must be at least 0, got -1"),
        ({"sample_method": 4}, "method must be 0, 1, 2 or 3, got 4"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(interactions(), **options)


def test_bad_logs_are_refused():
    log = interactions()
    with pytest.raises(KeyError, match="no column 'brand'"):
        generate_seq_feature_match(log, *KEYS, ["brand"])
    with pytest.raises(ValueError, match="column 'user' has 120 missing"):
        build(log.assign(user=None))
    with pytest.raises(ValueError, match="one item only"):
        build(log.assign(item=7), neg_ratio=1)


# Inputs of a model

PROFILE = {
    "user": pd.DataFrame({"user": range(9), "age": np.arange(9) * 10}),
    "item": pd.DataFrame(
        {
            "item": range(100, 140),
            "price": np.arange(40) / 4,
            "tag_words": [[i, i + 1, i + 2][: i % 4] for i in range(40)],
        }
    ),
}


def padded(row, length, where, cut):
    row = list(row)[-length:] if cut == "pre" else list(row)[:length]
    filling = [0] * (length - len(row))
    return filling + row if where == "pre" else row + filling


@pytest.mark.parametrize("where", ["pre", "post"])
@pytest.mark.parametrize("cut", ["pre", "post"])
def test_inputs_are_the_samples_joined_with_profiles_and_padded(where, cut):
    train, _ = generate_seq_feature_match(interactions(), *KEYS, mode=2, neg_ratio=3)
    profiles = (PROFILE["user"].sample(frac=1), "user", PROFILE["item"].sample(frac=1), "item")
    x = gen_model_input(train, *profiles, 5, where, cut)
    assert list(x) == [
        *("user", "item", "hist_item", "histlen_item", "neg_items"),
        *("age", "price", "tag_words"),
    ]
    for i, row in enumerate(train.to_dict("records")):
        assert x["user"][i] == row["user"]
        assert x["item"][i] == row["item"]
        assert x["histlen_item"][i] == row["histlen_item"]
        assert x["neg_items"][i].tolist() == row["neg_items"].tolist()
        assert x["age"][i] == row["user"] * 10
        assert x["price"][i] == (row["item"] - 100) / 4
        assert x["hist_item"][i].tolist() == padded(row["hist_item"], 5, where, cut)
        words = PROFILE["item"]["tag_words"][row["item"] - 100]
        assert x["tag_words"][i].tolist() == padded(words, 5, where, cut)
    assert {column.dtype for name, column in x.items() if name != "price"} == {np.dtype("int64")}


def test_inputs_of_lists_as_a_script_may_have_them():
    df = pd.DataFrame({"user": [3, 1], "item": [101, 100], "hist_item": [[4, 5, 6], []]}, [8, 8])
    x = gen_model_input(df, PROFILE["user"], "user", PROFILE["item"], "item", 2)
    assert x["hist_item"].tolist() == [[5, 6], [0, 0]]
    assert x["age"].tolist() == [30, 10]


def test_a_sample_without_a_profile_is_named_not_filled_with_nan():
    df = pd.DataFrame({"user": [3, 77], "item": [101, 100]})
    with pytest.raises(ValueError, match="no row for user 77"):
        gen_model_input(df, PROFILE["user"], "user", PROFILE["item"], "item", 2)


def test_two_profiles_of_one_item_are_refused_with_the_remedy():
    df = pd.DataFrame({"user": [3], "item": [101]})
    twice = pd.concat([PROFILE["item"], PROFILE["item"][1:2]])
    message = re.escape("several rows for item 101: keep one of each, with drop_duplicates('item')")
    with pytest.raises(ValueError, match=message):
        gen_model_input(df, PROFILE["user"], "user", twice, "item", 2)
