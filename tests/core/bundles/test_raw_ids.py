"""Raw ids in bulk are read and looked up as one by one, in a plain dict of their keys."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_rechub.bundles.cells import lists_of_cells
from torch_rechub.bundles.histories import HistoryForm, seen_rows
from torch_rechub.bundles.raw_ids import IdRows, compact, is_text

WHOLE = st.integers(-(2**70), 2**70) | st.integers(-3, 12) | st.integers(2**63 - 2, 2**63 + 2)
TEXT = (
    st.text(max_size=3) | WHOLE.map(str) | st.sampled_from(["07", "+7", "-0", "٣", "7.0", "\ud800"])
)
OTHER = (
    st.none()
    | st.booleans()
    | st.floats(width=32)
    | TEXT.map(lambda t: t.encode("utf-8", "replace"))
)
KINDS = [WHOLE, TEXT, st.integers(-3, 12).map(np.int64), WHOLE | TEXT | OTHER]
LISTS = st.sampled_from(KINDS).flatmap(
    lambda kind: st.lists(st.lists(kind, max_size=6), max_size=8)
)


def _key(value):
    """The text of an id: whole numbers are their decimal form; None for no id."""
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.decode()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _unique(values):
    """Values of different keys, of those that are ids."""
    return list({_key(value): value for value in values if _key(value) is not None}.values())


def _expected(known, wanted):
    rows = {_key(value): row for row, value in enumerate(known)}
    return [rows.get(_key(value), -1) if _key(value) is not None else -1 for value in wanted]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(KINDS).flatmap(lambda kind: st.lists(kind, max_size=8)), LISTS)
def test_rows_are_those_of_a_dict(known, lists):
    known = _unique(known)
    wanted = [value for part in lists for value in part] + known[::2]
    rows = IdRows(known)
    assert rows.of(wanted).tolist() == _expected(known, wanted)
    assert rows.of(compact(wanted)).tolist() == _expected(known, wanted)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True), LISTS)
def test_rows_of_whole_numbers_are_those_of_a_dict(known, lists):
    wanted = [value for part in lists for value in part] + known[::2]
    rows = IdRows(np.array(known, dtype=np.int64))
    assert rows.of(wanted).tolist() == _expected(known, wanted)


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("as_text", [False, True])
def test_arrays_of_whole_numbers_are_looked_up_as_such(kind, as_text):
    known = [5, 0, 127, 2**63 - 1]
    wanted = np.array([0, 127, 5, 1, np.iinfo(kind).max], dtype=kind)
    rows = IdRows([str(value) for value in known] if as_text else np.array(known))
    assert rows.of(wanted).tolist() == _expected(known, wanted.tolist())


def test_few_ids_among_many_are_found():
    rows = IdRows([f"i{n}" for n in range(1000)])
    assert rows.of(["i7", None, "i1000", 7]).tolist() == [7, -1, -1, -1]
    assert rows.of(compact(["i7", "x"])).tolist() == [7, -1]


@settings(deadline=None, max_examples=60)
@given(LISTS, st.sampled_from([list, tuple, lambda part: np.array(part, dtype=object)]))
def test_lists_are_joined_in_order(lists, made):
    found = lists_of_cells([made(part) for part in lists], "hist_item")
    flat = [value for part in lists for value in part]
    assert found.start.tolist() == np.cumsum([0, *map(len, lists)]).tolist()
    # as ids: bytes among texts are texts
    known = _unique(flat)
    assert IdRows(known).of(found.flat).tolist() == _expected(known, flat)


def test_texts_and_whole_numbers_are_read_in_bulk():
    assert is_text(lists_of_cells([["a", None], None, ["b"]], "hist_item").flat)
    arrays = [np.array([1, 2]), np.array([3], dtype=np.int32), [4]]
    assert lists_of_cells(arrays, "hist_item").flat.dtype == np.int64


@pytest.mark.parametrize("odd", [np.True_, True, 2.5, None, "a", b"a", 2**63, np.uint64(2**63)])
def test_one_odd_value_among_many_is_read_alone(odd):
    lists = [[1, 2], [3, odd]]
    found = lists_of_cells(lists, "hist_item")
    assert found.flat.tolist() == [1, 2, 3, odd]
    assert [type(value) for value in found.flat] == [int, int, int, type(odd)]


@pytest.mark.parametrize("odd", [["b"], np.array(["b"]), {"b": 1}, ("b",)])
@pytest.mark.parametrize("others", [["a"], []])
def test_a_list_in_a_list_is_refused_with_its_row(odd, others):
    with pytest.raises(TypeError, match=rf"row 1 of hist_item holds a {type(odd).__name__}"):
        lists_of_cells([others, [*others, odd]], "hist_item")


@pytest.mark.parametrize("odd", ["ab", b"ab", {"a": 1}, 7])
def test_a_cell_without_a_list_is_refused_with_its_row(odd):
    with pytest.raises(TypeError, match=r"hist_item must hold lists, got .* in row 1 of users"):
        lists_of_cells([["a"], odd], "hist_item")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.lists(st.sampled_from("abcz")), st.lists(st.sampled_from("abcz")))))
def test_seen_items_are_those_of_the_history_and_those_given(pairs):
    frame = pd.DataFrame({"hist_item": [history for history, _ in pairs]}, dtype=object)
    found = HistoryForm("item").read(frame)
    rows_of = IdRows(["c", "a", "b"]).of
    row = {"c": 0, "a": 1, "b": 2}
    for histories, more in [(True, True), (True, False), (False, True), (False, False)]:
        given_lists = [of_user for _, of_user in pairs] if more else None
        start, rows = seen_rows(found, rows_of, histories, given_lists)
        for user, (history, others) in enumerate(pairs):
            expected = (history if histories else []) + (others if more else [])
            expected = [row[item] for item in expected if item != "z"]
            assert rows[start[user] : start[user + 1]].tolist() == expected
