"""Splits partition the rows, follow their rule, and repeat with their seed."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.interactions.random_log import in_order, interactions, random_log

LOG = random_log()
RECORDS, DATA = in_order(LOG), interactions(LOG)

SPLITS = {
    "random": lambda data, seed: data.random((0.7, 0.1, 0.2), seed),
    "two shares": lambda data, seed: data.random((0.7, 0.3), seed),
    "by_user": lambda data, seed: data.by_user((0.5, 0.3, 0.2), seed),
    "by_time": lambda data, seed: data.by_time(shares=(0.6, 0.2, 0.2)),
    "cutoffs": lambda data, seed: data.by_time(cutoffs=(900, 1800)),
    "one cutoff": lambda data, seed: data.by_time(cutoffs=[1234.5]),
    "leave_one_out": lambda data, seed: data.leave_one_out(),
    "leave_two_out": lambda data, seed: data.leave_one_out(2),
    "k_folds": lambda data, seed: data.k_folds(4, seed)[1],
}


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 999), n_rows=st.integers(20, 90))
def test_parts_are_a_partition_and_repeat_with_their_seed(name, seed, n_rows):
    data = interactions(random_log(n_rows, seed=seed)).positives(2)
    parts = [part.rows.tolist() for part in SPLITS[name](data, seed)]
    assert sorted(chain.from_iterable(parts)) == sorted(data.rows.tolist())
    assert parts == [part.rows.tolist() for part in SPLITS[name](data, seed)]


@pytest.mark.parametrize("name", ["random", "by_user", "k_folds"])
def test_another_seed_gives_another_split(name):
    first, second = (SPLITS[name](DATA, seed).test.rows.tolist() for seed in (0, 1))
    assert first != second


def test_a_random_split_has_the_shares():
    sizes = [len(part) for part in DATA.random((0.7, 0.1, 0.2))]
    assert sizes == [112, 16, 32]
    assert [len(part) for part in DATA.random((0.7, 0.3))] == [112, 0, 48]


def test_users_are_in_one_part_with_all_their_rows():
    split = DATA.by_user((0.5, 0.25, 0.25))
    users = [set(part["user"]) for part in split]
    n_users = LOG["user"].nunique()
    assert sum(map(len, users)) == n_users == len(set.union(*users))
    assert [len(u) for u in users[1:]] == [round(n_users * 0.25)] * 2
    assert min(len(u) for u in users) > 0


def test_cutoffs_belong_to_the_later_part():
    train, validation, test = DATA.by_time(cutoffs=(900, 1800))
    for part, low, high in ((train, 0, 900), (validation, 900, 1800), (test, 1800, 9999)):
        assert part.rows.tolist() == [r["row"] for r in RECORDS if low <= r["time"] < high]
        assert len(part) > 0
    assert 900 in validation["time"]


def test_cutoffs_of_dates_are_dates_in_any_zone():
    log = LOG.assign(time=pd.Timestamp("2024-01-01") + pd.to_timedelta(LOG["time"], "s"))
    expected = [part.rows.tolist() for part in DATA.by_time(cutoffs=(900, 1800))]
    for cutoffs in (
        ("2024-01-01 00:15", "2024-01-01 00:30"),
        (pd.Timestamp("2024-01-01 08:15+08:00"), np.datetime64("2024-01-01T00:30:00")),
    ):
        split = interactions(log).by_time(cutoffs=cutoffs)
        assert [part.rows.tolist() for part in split] == expected


def test_shares_of_time_leave_equal_times_together():
    train, validation, test = DATA.by_time(shares=(0.6, 0.2, 0.2))
    times = sorted(LOG["time"])
    first, second = times[96], times[128]  # 0.6 and 0.8 of 160 rows
    assert train.rows.tolist() == [r["row"] for r in RECORDS if r["time"] < first]
    assert test.rows.tolist() == [r["row"] for r in RECORDS if r["time"] >= second]
    assert len(validation) > 0


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_last_rows_of_each_user_are_left_out(k):
    expected = {"train": [], "validation": [], "test": []}
    for user in sorted(set(LOG["user"])):
        own = [r["row"] for r in RECORDS if r["user"] == user]
        expected["test"] += own[-k:]
        expected["validation"] += own[-2 * k : -k]
        expected["train"] += own[: -2 * k]
    split = DATA.leave_one_out(k)
    assert {name: part.rows.tolist() for name, part in split.parts().items()} == expected


def test_each_row_is_in_the_test_of_one_fold():
    splits = DATA.k_folds(7, seed=3)
    tests = [split.test.rows.tolist() for split in splits]
    assert sorted(chain.from_iterable(tests)) == list(range(160))
    assert {len(test) for test in tests} == {22, 23}
    assert all(len(split.validation) == 0 for split in splits)


@pytest.mark.parametrize(
    ("split", "error", "message"),
    [
        (lambda: DATA.random((0.5, 0.4)), ValueError, r"must add up to 1, got \(0.5, 0.4\)"),
        (lambda: DATA.random((1.2, -0.2)), ValueError, "shares must be at least 0 and at most 1"),
        (lambda: DATA.random([1.0]), ValueError, r"shares must be two .* or three"),
        (lambda: DATA.by_time(), TypeError, "either cutoffs or shares"),
        (lambda: DATA.by_time([9], [0.5, 0.5]), TypeError, "either cutoffs or shares"),
        (lambda: DATA.by_time(cutoffs=[5, 4]), ValueError, r"cutoffs must ascend, got \[5, 4\]"),
        (lambda: DATA.by_time(cutoffs=[1, 2, 3]), ValueError, "one or two times, got 3"),
        (lambda: DATA.by_time(cutoffs="2024"), TypeError, "a list of one or two times"),
        (lambda: DATA.by_time(cutoffs=["2024"]), TypeError, "'time' holds numbers"),
        (lambda: DATA.leave_one_out(0), ValueError, "k must be at least 1, got 0"),
        (lambda: DATA.k_folds(1), ValueError, "k must be at least 2, got 1"),
        (lambda: DATA.k_folds(161), ValueError, "at most the number of rows, 160, got 161"),
        (
            lambda: interactions(LOG.assign(time=7)).by_time(shares=(0.9, 0.1)),
            ValueError,
            "the time 7 is that of more rows than the share of training",
        ),
    ],
)
def test_impossible_splits_are_refused(split, error, message):
    with pytest.raises(error, match=message):
        split()
