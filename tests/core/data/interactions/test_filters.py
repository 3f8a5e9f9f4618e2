"""Filters against loops over records; each returns a new object."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.interactions.random_log import (
    in_order,
    interactions,
    naive_core,
    random_log,
    rows,
)

LOG = random_log()
RECORDS, DATA = in_order(LOG), interactions(LOG)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 999), user=st.integers(1, 6), item=st.integers(1, 8))
def test_the_core_is_that_of_repeated_removal(seed, user, item):
    log = random_log(80, seed=seed)
    found = interactions(log).k_core(user=user, item=item)
    assert found.rows.tolist() == rows(naive_core(in_order(log), user, item))


def test_one_number_of_the_core_is_for_users_and_items():
    assert DATA.k_core(4).rows.tolist() == rows(naive_core(RECORDS, 4, 4))
    assert DATA.k_core(4, item=9).rows.tolist() == rows(naive_core(RECORDS, 4, 9))
    assert 0 < len(DATA.k_core(4)) < len(DATA)
    with pytest.raises(TypeError, match="k_core needs a number"):
        DATA.k_core()
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        DATA.k_core(0)


def test_counts_are_taken_once():
    users, items = (Counter(LOG[name]) for name in ("user", "item"))
    kept = [r for r in RECORDS if users[r["user"]] >= 9 and items[r["item"]] >= 11]
    found = DATA.min_count(user=9, item=11)
    assert found.rows.tolist() == rows(kept)
    assert len(found) > len(DATA.k_core(user=9, item=11))
    with pytest.raises(ValueError, match="item must be at least 1, got 0"):
        DATA.min_count(item=0)


@pytest.mark.parametrize("keep", ["first", "last"])
@pytest.mark.parametrize("same_time", [False, True])
def test_duplicates_are_those_of_pandas(keep, same_time):
    by_time = LOG.sort_values("time", kind="stable")
    names = ["user", "item", "time"] if same_time else ["user", "item"]
    kept = set(by_time.drop_duplicates(names, keep=keep).index)
    found = DATA.drop_duplicates(keep, same_time=same_time)
    assert found.rows.tolist() == [row for row in rows(RECORDS) if row in kept]
    assert len(found) < len(DATA)


def test_an_unknown_duplicate_to_keep_is_refused():
    with pytest.raises(NotImplementedError, match="keep must be 'first' or 'last', got 'none'"):
        DATA.drop_duplicates("none")


def test_positives_have_at_least_the_threshold():
    assert DATA.positives(4).rows.tolist() == [r["row"] for r in RECORDS if r["rating"] >= 4]
    unlabeled = interactions(LOG.assign(rating=1.0))
    with pytest.raises(TypeError, match="threshold must be a number, got '4'"):
        unlabeled.positives("4")
    missing = interactions(LOG.assign(rating=LOG["rating"].where(LOG.index != 7)))
    with pytest.raises(ValueError, match="'rating' has 1 missing values, first in row 7"):
        missing.positives(4)


def test_a_period_ends_before_its_stop():
    found = DATA.between(600, 1200)
    assert found.rows.tolist() == [r["row"] for r in RECORDS if 600 <= r["time"] < 1200]
    with pytest.raises(TypeError, match="'time' holds numbers: give a number"):
        DATA.between("2024-01-01")


def test_a_mask_selects_rows_in_order():
    mask = DATA["device"] == 1
    assert DATA.where(mask).rows.tolist() == [r["row"] for r in RECORDS if r["device"] == 1]
    with pytest.raises(TypeError, match="mask must hold booleans, got int64"):
        DATA.where(DATA["device"])
    with pytest.raises(ValueError, match="one value for each of the 160 interactions"):
        DATA.where(mask[:5])


def test_a_filter_changes_neither_the_object_nor_the_data():
    data, before = interactions(LOG), LOG.copy()
    columns = data.frame()
    assert len(data.k_core(3).drop_duplicates().positives(2).between(60)) < len(data)
    data["item"][:] = "x"  # a copy
    assert data.frame().equals(columns)
    assert LOG.equals(before)


def test_filters_follow_each_other():
    found = DATA.positives(3).drop_duplicates("last").k_core(user=2, item=2)
    kept = {}
    for r in RECORDS:
        if r["rating"] >= 3:
            kept[r["user"], r["item"]] = r
    records = [r for r in RECORDS if kept.get((r["user"], r["item"])) is r]
    assert found.rows.tolist() == rows(naive_core(records, 2, 2))


def test_the_frame_has_all_columns_of_the_rows():
    frame = DATA.positives(3).frame()
    assert frame.reset_index(drop=True).equals(LOG.loc[frame.index].reset_index(drop=True))
