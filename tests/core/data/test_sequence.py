"""Samples of ranking: what a loop over users and their interactions makes, and fair negatives."""

import random
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from torch_rechub.data.sequence import create_seq_features, generate_seq_feature
from torch_rechub.data.table import df_to_dict

RENAMED = {"user": "user_id", "item": "item_id", "cate": "cate_id"}


def interactions(n_rows=120, n_users=9, n_items=40, seed=0):
    """Words for ids and times with ties, in no order; every item has one category."""
    rng = np.random.default_rng(seed)
    item = rng.integers(n_items, size=n_rows)
    frame = pd.DataFrame(
        {
            "user": [f"u{u}" for u in rng.integers(n_users, size=n_rows)],
            "item": [f"i{i:02}" for i in item],
            "cate": [f"c{i % 5}" for i in item],
            "time": rng.integers(30, size=n_rows),
            "price": rng.random(n_rows),
        }
    )
    frame.index = rng.permutation(n_rows)
    return frame


def codes(column):
    """Each value's id: its place among the sorted distinct ones, from 1."""
    return {value: i for i, value in enumerate(sorted(set(column)), start=1)}


def positives(log, max_len, min_items=0):
    """The positive samples of each part: (user, history, its categories, target, its category)."""
    user, item, cate = codes(log["user"]), codes(log["item"]), codes(log["cate"])
    parts = {"train": [], "val": [], "test": []}
    for name in sorted(user):
        rows = [row for row in log.itertuples() if row.user == name]
        rows.sort(key=lambda row: row.time)  # stable
        if len(rows) < min_items:
            continue
        items, cates = [item[row.item] for row in rows], [cate[row.cate] for row in rows]
        for t in range(1, len(rows)):
            past, kinds = items[:t][-max_len:], cates[:t][-max_len:]
            filling = [0] * (max_len - len(past))
            sample = (user[name], past + filling, kinds + filling, items[t], cates[t])
            part = {1: "test", 2: "val"}.get(len(rows) - t, "train")
            parts[part].append(sample)
    return list(parts.values())


def samples(frame, names):
    """The rows of a frame as tuples (user, history, its categories, target, its category)."""
    return [
        (
            row[names[0]],
            row[names[1]].tolist(),
            row[names[2]].tolist(),
            row[names[3]],
            row[names[4]],
        )
        for row in frame.to_dict("records")
    ]


GENERATED = ("user", "hist_item", "hist_cate", "target_item", "target_cate")
CREATED = ("user_id", "history_item", "history_cate", "target_item", "target_cate")


def generate(log, **options):
    return generate_seq_feature(log, "user", "item", "time", ["cate"], **options), GENERATED


def create(log, min_item=0, **options):
    names, log.columns = log.columns, log.columns.map(lambda name: RENAMED.get(name, name))
    try:
        return create_seq_features(log, drop_short=min_item, **options), CREATED
    finally:
        log.columns = names


BUILDERS = pytest.mark.parametrize("build", [generate, create])


@BUILDERS
@pytest.mark.parametrize("max_len", [1, 3, 50])
@pytest.mark.parametrize("min_item", [0, 13])
def test_every_interaction_after_the_first_is_a_positive_of_one_part(build, max_len, min_item):
    log = interactions()
    frames, names = build(log, max_len=max_len, min_item=min_item, shuffle=False)
    expected = positives(log, max_len, min_item)
    assert all(expected)
    for frame, part in zip(frames, expected, strict=True):
        assert frame["label"].tolist() == [1, 0] * len(part)
        assert samples(frame[frame["label"] == 1], names) == part


@BUILDERS
def test_each_negative_shares_all_but_the_target_and_was_never_chosen(build):
    log = interactions()
    frames, (user, history, kinds, target, kind) = build(log, shuffle=False)
    user_ids, item_ids, kind_ids = codes(log["user"]), codes(log["item"]), codes(log["cate"])
    chosen = {(user_ids[u], item_ids[i]) for u, i in zip(log["user"], log["item"])}
    kind_of = {item_ids[i]: kind_ids[c] for i, c in zip(log["item"], log["cate"])}
    for frame in frames:
        rows = frame.to_dict("records")
        for positive, negative in zip(rows[::2], rows[1::2], strict=True):
            assert negative[user] == positive[user]
            assert negative[history].tolist() == positive[history].tolist()
            assert negative[kinds].tolist() == positive[kinds].tolist()
            assert (negative[user], negative[target]) not in chosen
            assert kind_of[negative[target]] == negative[kind]


@BUILDERS
def test_negatives_are_equally_likely_all_items_that_are_left(build):
    n = 3000
    log = pd.DataFrame(
        {
            "user": ["u"] * n + ["other"] * 3,
            "item": ["a", "c"] * (n // 2) + ["b", "d", "e"],
            "cate": "x",
            "time": range(n + 3),
        }
    )
    (train, _, _), (user, _, _, target, _) = build(log)
    counts = Counter(train[(train["label"] == 0) & (train[user] == 2)][target])
    assert set(counts) == {2, 4, 5}
    assert min(counts.values()) > 0.9 * (n - 3) / 3


@BUILDERS
def test_no_sample_is_in_two_parts(build):
    (train, val, test), names = build(interactions())
    seen = [{str(sample) for sample in samples(frame, names)} for frame in (train, val, test)]
    assert seen[0] & seen[1] == seen[0] & seen[2] == seen[1] & seen[2] == set()


@BUILDERS
def test_a_user_longer_than_the_history_keeps_its_most_recent_interactions(build):
    log = pd.DataFrame({"user": "u", "item": range(10), "cate": 0, "time": range(10)})
    log.loc[10] = ["v", 10, 0, 0]
    (train, val, test), (_, history, *_) = build(log, max_len=4)
    assert test[history][0].tolist() == [6, 7, 8, 9]
    assert val[history][0].tolist() == [5, 6, 7, 8]
    assert len(train) == 2 * 7


@BUILDERS
def test_the_frame_gets_the_ids_too_as_scripts_read_vocabulary_sizes_from_it(build):
    log = interactions()
    before = log.copy()
    (train, val, test), (user, _, _, item, cate) = build(log)
    for name in before:
        assert log[name].tolist() == [codes(before[name])[value] for value in before[name]]
    for name, column in (("user", user), ("item", item), ("cate", cate)):
        assert max(f[column].max() for f in (train, val, test)) <= log[name].max()
    again = log.copy()
    build(again)
    pd.testing.assert_frame_equal(again, log)


@BUILDERS
def test_on_request_it_stays_as_it_is(build):
    log = interactions()
    log["tags"] = [["a", "b"]] * len(log)
    before = log.copy()
    build(log, inplace=False)
    pd.testing.assert_frame_equal(log, before)


@BUILDERS
def test_a_frame_that_cannot_get_ids_is_refused_and_stays_as_it_is(build):
    log = interactions()
    log["tags"] = [["a", "b"]] * len(log)
    before = log.copy()
    with pytest.raises(TypeError, match=r"'tags' cannot be .*inplace=False"):
        build(log)
    pd.testing.assert_frame_equal(log, before)


@BUILDERS
def test_shuffled_samples_are_the_same_in_another_order(build):
    log = interactions()
    random.seed(3)
    ordered, names = build(log, shuffle=False)
    random.seed(3)
    shuffled, _ = build(log, shuffle=True)
    for one, other in zip(ordered, shuffled, strict=True):
        one, other = (list(zip(f["label"], samples(f, names))) for f in (one, other))
        assert one != other
        assert sorted(map(str, one)) == sorted(map(str, other))


@BUILDERS
def test_the_seed_of_random_decides(build):
    drawn = []
    for seed in (1, 1, 2):
        random.seed(seed)
        drawn.append(samples(build(interactions())[0][0], build(interactions())[1]))
    assert drawn[0] == drawn[1] != drawn[2]


def test_columns_and_their_order():
    log = interactions()
    frames = generate_seq_feature(log, "user", "item", "time", ["cate", "price"])
    for frame in frames:
        assert list(frame) == [
            *("label", "target_item", "user", "hist_item"),
            *("hist_cate", "target_cate", "hist_price", "target_price"),
        ]
    assert list(generate_seq_feature(log, "user", "item", "time")[0]) == [
        *("label", "target_item", "user", "hist_item")
    ]
    for frame in create(log)[0]:
        assert list(frame) == [
            *("user_id", "history_item", "history_cate", "target_item", "target_cate", "label")
        ]


def test_frames_become_arrays_for_a_loader():
    train, _, _ = generate_seq_feature(interactions(), "user", "item", "time", ["cate"], max_len=7)
    x = df_to_dict(train)
    assert {column.shape for column in x.values()} == {(len(train),), (len(train), 7)}
    assert all(column.dtype.kind == "i" and column.flags.writeable for column in x.values())
    assert x["hist_item"].tolist() == [row.tolist() for row in train["hist_item"]]


def test_an_attribute_that_varies_counts_as_in_the_last_row_of_its_item():
    log = pd.DataFrame({"user": [1, 1, 1, 2], "item": [5, 6, 5, 7], "time": [3, 1, 2, 0]})
    log["price"] = [10, 20, 30, 40]
    _, _, test = generate_seq_feature(log, "user", "item", "time", ["price"], shuffle=False)
    positive = test.to_dict("records")[0]
    assert (positive["target_item"], positive["target_price"]) == (1, 3)
    assert positive["hist_price"][:2].tolist() == [2, 3]


def test_a_history_cannot_be_changed_by_accident():
    _, _, test = generate_seq_feature(interactions(), "user", "item", "time")
    with pytest.raises(ValueError, match="read-only"):
        test["hist_item"][0][0] = 9


def test_short_users_and_an_empty_log():
    log = pd.DataFrame({"user": [1, 2, 2, 3, 3, 3], "item": [1, 2, 3, 4, 5, 6], "time": range(6)})
    train, val, test = generate_seq_feature(log, "user", "item", "time", shuffle=False)
    assert train.empty
    assert val["user"].tolist() == [3, 3]
    assert test["user"].tolist() == [2, 2, 3, 3]
    for frame in generate_seq_feature(log[:0], "user", "item", "time"):
        assert frame.empty
        assert list(frame) == ["label", "target_item", "user", "hist_item"]


def test_a_user_with_every_item_is_an_error_not_an_endless_loop():
    log = pd.DataFrame({"user": ["ann", "bob", "bob"], "item": [1, 1, 2], "time": [1, 2, 3]})
    with pytest.raises(ValueError, match="user bob has interacted with each of the 2 items"):
        generate_seq_feature(log, "user", "item", "time")
    train, val, test = generate_seq_feature(log, "user", "item", "time", min_item=3)
    assert train.empty
    assert val.empty
    assert test.empty


@pytest.mark.parametrize("name", ["user", "item", "time"])
def test_missing_values_are_refused_with_the_remedy(name):
    log = interactions()
    log.loc[5, name] = None
    with pytest.raises(ValueError, match=rf"column '{name}' has 1 missing values: .*dropna"):
        generate_seq_feature(log, "user", "item", "time")


def test_bad_arguments_are_refused():
    log = interactions()
    with pytest.raises(KeyError, match="no column 'movie'"):
        generate_seq_feature(log, "user", "movie", "time")
    with pytest.raises(KeyError, match="no column 'brand'"):
        generate_seq_feature(log, "user", "item", "time", ["brand"])
    with pytest.raises(ValueError, match="max_len must be at least 1, got 0"):
        generate_seq_feature(log, "user", "item", "time", max_len=0)
    with pytest.raises(ValueError, match="columns of the item and of its category"):
        create_seq_features(log, ["item_id"])


def test_other_columns_of_item_and_category():
    log = interactions().rename(columns={"user": "user_id"})
    train, _, _ = create_seq_features(log, ["item", "cate"], shuffle=False, drop_short=0)
    assert samples(train, CREATED)[::2] == positives(interactions(), 50)[0]
