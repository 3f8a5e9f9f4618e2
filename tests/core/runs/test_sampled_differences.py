"""Differences of tables above the sampling size, and of columns that cannot all be hashed."""

import numpy as np
import pytest

from torch_rechub.data.fingerprint import fingerprint
from torch_rechub.runs import Run, difference

ROWS, LIMIT = 6_000, 2**10
OUTSIDE = ROWS // 2 + 77
UNSEEN = "content of train outside of the sample"


def table():
    rng = np.random.default_rng(1)
    return {
        "user": rng.integers(0, 900, ROWS),
        "price": rng.normal(size=ROWS),
        "city": np.array(list("abcd"))[rng.integers(0, 4, ROWS)],
    }


def with_value(name, row, value):
    x = table()
    x[name][row] = value
    return x


def compared(a, b, limit=LIMIT):
    records = [fingerprint(x, limit).record() for x in (a, b)]
    runs = [Run("n", "jsonl", "p", hyperparams={"data": {"train": r}}) for r in records]
    found = difference(*runs)
    return [(c.name, c.how) for c in found.changes], "\n".join(found.unknown)


@pytest.mark.parametrize("row", [0, OUTSIDE, ROWS - 1])
def test_one_number_of_one_row_is_found_and_the_rest_is_unknown(row):
    changes, unknown = compared(table(), with_value("user", row, 9_999))
    assert changes == [("user", "other values")]
    assert UNSEEN in unknown


def test_a_text_outside_of_the_sample_is_unknown_and_not_equal():
    other = with_value("city", OUTSIDE, "z")
    changes, unknown = compared(table(), other)
    assert changes == []
    assert UNSEEN in unknown
    other["user"][3] = 9_999
    changes, unknown = compared(table(), other)
    assert changes == [("user", "other values")]
    assert UNSEEN in unknown


def test_signs_of_zero_and_payloads_of_nan_are_no_difference():
    plus, minus = (with_value("price", OUTSIDE, zero) for zero in (0.0, -0.0))
    assert compared(plus, minus)[0] == []
    nan, other = (with_value("price", OUTSIDE, np.nan) for _ in range(2))
    other["price"].view(np.uint64)[OUTSIDE] = 0xFFF8_0000_0000_0123
    assert np.isnan(other["price"][OUTSIDE])
    assert compared(nan, other)[0] == []
    assert compared(nan, plus)[0] == [("price", "other values")]


def test_the_order_of_rows_does_not_accuse_texts():
    order = np.random.default_rng(0).permutation(ROWS)
    moved = {name: column[order] for name, column in table().items()}
    assert compared(table(), moved)[0] == [("", "order of rows")]


def test_one_column_in_another_order_is_that_column():
    other = table()
    other["price"] = np.sort(other["price"])
    for limit in (None, LIMIT):
        assert compared(table(), other, limit)[0] == [("price", "same values in other rows")]


@pytest.mark.parametrize("limit", [None, LIMIT])
@pytest.mark.parametrize("turned", [False, True])
def test_a_column_that_one_run_could_not_hash_is_unknown(limit, turned):
    other = table()
    other["user"] = other["user"].astype(object)
    other["user"][3] = object()
    tables = (other, table()) if turned else (table(), other)
    changes, unknown = compared(*tables, limit)
    assert changes == [("user", "type")]
    assert "column 'user' of train: its cells have no content that can be hashed" in unknown


@pytest.mark.parametrize(
    ("cell", "other"),
    [([[1, 2], [3, 4]], [[1, 2, 3, 4]]), (["1", 2], ["1", "2"]), ([1, "1"], ["1", "1"])],
)
def test_lists_of_other_shape_or_types_differ(cell, other):
    lists = [{"l": [value] * 9} for value in (cell, other)]
    assert compared(*lists, None)[0] == [("l", "other values")]
    assert compared(lists[0], lists[0], None)[0] == []


def test_nested_lists_are_equal_to_an_array_of_their_shape():
    array = np.arange(24).reshape(4, 2, 3)
    tables = {"l": array}, {"l": array.tolist()}
    assert fingerprint(tables[0]).table.ordered == fingerprint(tables[1]).table.ordered


def test_lists_in_lists_of_several_lengths_leave_the_other_columns_known():
    found = fingerprint({"l": [[[1], [2, 3]]] * 4, "user": [1, 2, 3, 4]})
    assert [c.ordered is None for c in found.table.columns] == [True, False]
