"""Vocabularies that grow: old ids stay, new values follow in order of frequency."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.preprocessing import saved
from core.data.preprocessing.logs import COLUMNS, assert_same, log_of, states
from core.data.preprocessing.oracles import FIRST, UNKNOWN, ids_by_hand, is_missing
from torch_rechub.data.preprocessing import Categorical, MultiCategorical, Numeric, Preprocessor


def grown_by_hand(ids, values, min_count=1, max_size=None, missing_is_a_value=True):
    """The ids of `ids_by_hand` after later values: those without an id follow."""
    found = {value: id_ for value, id_ in ids.items() if id_ != UNKNOWN}
    counts = Counter(None if is_missing(value) else value for value in values)
    if not missing_is_a_value:
        counts.pop(None, None)
    new = sorted(
        (v for v in counts if v not in found and counts[v] >= min_count),
        key=lambda v: (-counts[v], v is None, 0 if v is None else v),
    )
    left = None if max_size is None else max(max_size - len(found), 0)
    n_old = len(found)
    found |= {value: FIRST + n_old + rank for rank, value in enumerate(new[:left])}
    found.setdefault(None, UNKNOWN)
    return found


CELLS = st.lists(st.sampled_from([1, 2, 3, 4, 5, 6, 7, None]), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(
    days=st.lists(CELLS, min_size=2, max_size=4),
    min_count=st.integers(1, 3),
    max_size=st.none() | st.integers(1, 6),
    missing=st.sampled_from(["own", "unknown"]),
)
def test_growing_day_by_day_gives_the_ids_of_the_definition(days, min_count, max_size, missing):
    column = Categorical("x", min_count=min_count, max_size=max_size, missing=missing)
    preprocessor = Preprocessor([column]).fit({"x": days[0]})
    limits = (min_count, max_size, missing == "own")
    expected = ids_by_hand(days[0], *limits)
    for day in days[1:]:
        preprocessor, expected = (
            preprocessor.grown({"x": day}),
            grown_by_hand(expected, day, *limits),
        )
        cells = [1, 2, 3, 4, 5, 6, 7, None]
        by_hand = [expected.get(cell, UNKNOWN) for cell in cells]
        assert preprocessor.transform({"x": cells})["x"].tolist() == by_hand
        assert preprocessor.features()[0].vocab_size == max([1, *expected.values()]) + 1


@pytest.fixture(scope="module")
def later():
    """A log of the next day, with values that the first has not."""
    log = log_of(300, seed=1)
    log["city"] = log["city"].replace({"Paris": "Oslo"})
    log["tags"] = log["tags"].replace({"x|y": "new|y"})
    log["user"] += 20
    return log


@pytest.fixture(scope="module")
def grown(fitted, later):
    """The preprocessor of the first log with the values of the next."""
    return fitted.grown(later)


def test_old_rows_keep_their_ids_and_numbers(fitted, grown, log):
    old, new = fitted.transform(log), grown.transform(log)
    for name in old:
        known = old[name] != UNKNOWN
        assert np.array_equal(old[name][known], new[name][known]), name


def test_statistics_of_numbers_and_lengths_of_lists_stay(fitted, grown):
    counted = ("user", "city", "tags", "title")
    for name, encoder in grown.encoders.items():
        if name not in counted:
            assert encoder is fitted.encoders[name]
    assert grown.encoders["tags"].length == fitted.encoders["tags"].length


def test_the_grown_one_saves_loads_and_grows_again(grown, tmp_path, later):
    grown.save(tmp_path / "p")
    loaded = Preprocessor.load(tmp_path / "p")
    assert states(loaded) == states(grown)
    again = log_of(200, seed=2)
    again["city"] = again["city"].replace({"Paris": "Rom"})
    assert states(loaded.grown(again)) == states(grown.grown(again))
    assert_same(loaded.grown(again).transform(later), grown.grown(again).transform(later))


def test_the_preprocessor_itself_does_not_change(fitted, later):
    before = states(fitted)
    fitted.grown(later)
    assert states(fitted) == before


def test_values_of_all_columns_that_share_a_vocabulary_are_counted_together():
    columns = [Categorical("item"), MultiCategorical("hist", shared_with="item", max_length=2)]
    old = Preprocessor(columns).fit({"item": ["a"], "hist": [["b"]]})
    new = old.grown({"item": ["c", "d"], "hist": [["d", "b"], ["e", "e", "e"]]})
    assert new.encode("item", list("abedc")).tolist() == [2, 3, 4, 5, 6]
    assert new.encode("hist", list("abedc")).tolist() == [2, 3, 4, 5, 6]
    assert new.encoders["item"].vocabulary.counts.tolist() == [1, 2, 3, 2, 1]
    assert new.describe().loc["item", "rows"] == 3


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([7, 8], ["x", 7], {"7": 2, 8: 3, "x": 4}),
        (["x", "y"], [7, 7.0], {"x": 2, "y": 3, 7: 4, "7.0": 4}),
        ([7, 8], ["10", "9"], {7: 2, 8: 3, 9: 4, 10: 5}),
        ([None, None], ["b", "a"], {"a": 3, "b": 4, None: 2}),
    ],
)
def test_whole_numbers_and_texts_meet_in_one_vocabulary(first, second, expected):
    grown = Preprocessor([Categorical("x")]).fit({"x": first}).grown({"x": second})
    assert {cell: int(grown.encode("x", cell)) for cell in expected} == expected


def test_without_vocabularies_nothing_grows_and_nothing_is_read():
    numbers = Preprocessor([Numeric("x")]).fit({"x": [1, 2]})
    assert numbers.grown({"y": [3]}).encoders == dict(numbers.encoders)


def test_a_grown_one_cannot_be_fitted_further_but_anew(grown, log):
    with pytest.raises(RuntimeError, match=r"grown\(data\)"):
        grown.partial_fit(log)
    assert_same(
        Preprocessor(COLUMNS, targets=["click"], weight="weight").fit(log).transform(log),
        grown.grown(log).fit(log).transform(log),
    )


def test_no_rows_are_an_error(fitted, log):
    with pytest.raises(ValueError, match="no rows"):
        fitted.grown(log[:0])


def test_columns_of_every_kind_grow(every_kind):
    grown = every_kind.grown({**saved.LOG, "item": [11, 12, 11, 3, 3]})
    assert grown.encode("item", [3, 4]).tolist() == every_kind.encode("item", [3, 4]).tolist()
    # max_size=2 leaves no id
    assert grown.encode("item", [11, 12]).tolist() == [1, 1]
