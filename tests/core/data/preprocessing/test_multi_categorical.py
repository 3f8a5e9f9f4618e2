"""Lists of categories as padded ids, against naive loops."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.preprocessing.oracles import ids_by_hand, is_missing, padded_by_hand
from torch_rechub.data.preprocessing import MultiCategorical, Preprocessor


def encode(values, **options):
    preprocessor = Preprocessor([MultiCategorical("m", **options)])
    return preprocessor, preprocessor.fit_transform({"m": values})["m"]


def by_hand(rows, length=None, keep="first", **options):
    rows = [[t for t in row or [] if not is_missing(t)] for row in rows]
    ids = ids_by_hand([t for row in rows for t in row], missing_is_a_value=False, **options)
    longest = max([1, *map(len, rows)])
    return padded_by_hand([[ids.get(t, 1) for t in row] for row in rows], length or longest, keep)


tokens = st.one_of(st.none(), st.sampled_from(["", "a", "b", "c", "dd", "é"]))
lists = st.lists(st.one_of(st.none(), st.lists(tokens, max_size=5)), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    lists,
    st.one_of(st.none(), st.integers(1, 4)),
    st.sampled_from(["first", "last"]),
    st.integers(1, 2),
)
def test_lists_become_padded_rows_of_ids(rows, length, keep, min_count):
    _, found = encode(
        pa.array(rows, pa.list_(pa.string())), max_length=length, keep=keep, min_count=min_count
    )
    assert np.array_equal(found, by_hand(rows, length, keep, min_count=min_count))
    assert found.dtype == np.int32


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("ab| ;", max_size=8)), min_size=1, max_size=12))
def test_text_is_split_and_blanks_around_tokens_do_not_count(texts):
    _, found = encode(pa.array(texts, pa.string()), separator="|")
    rows = [[t.strip() for t in text.split("|")] if text else [] for text in texts]
    assert np.array_equal(found, by_hand(rows))


ROWS = [["7", "8"], [], None, ["8", "9", "8"]]
FORMS = {
    "lists": ROWS,
    "arrays": pd.Series([np.array([7, 8]), np.array([], int), None, np.array([8, 9, 8])]),
    "large lists": pa.array(ROWS, pa.large_list(pa.large_string())),
    "polars": pl.Series([[7, 8], [], None, [8, 9, 8]]),
    "floats": pa.array([[7.0, 8], [], None, [8, 9, 8]]),
    "dictionary within": pa.ListArray.from_arrays(
        [0, 2, 2, 2, 5], pa.array(["7", "8", "8", "9", "8"]).dictionary_encode()
    ),
    "sliced": pa.array([["x"], *ROWS, ["y"]]).slice(1, 4),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_lists_has_the_same_ids(form):
    fitted, found = encode(FORMS[form])
    assert found.tolist() == [[3, 2, 0], [0, 0, 0], [0, 0, 0], [2, 4, 2]]
    for other in FORMS.values():
        assert np.array_equal(fitted.transform({"m": other})["m"], found)


def test_rows_of_fixed_length_are_lists():
    _, found = encode(np.array([[1, 2], [2, 2]]))
    assert found.tolist() == [[3, 2], [2, 2]]


def test_text_and_lists_of_one_column_have_the_same_ids():
    fitted, found = encode(["7|8", "", None, "8|9|8"], separator="|")
    assert np.array_equal(fitted.transform({"m": ROWS})["m"], found)


def test_unused_texts_of_a_dictionary_do_not_count():
    fitted, found = encode(
        pd.Series(pd.Categorical(["a", "a|b"], ["a|b|c|d", "a", "a|b"])), separator="|"
    )
    assert found.tolist() == [[2, 0], [2, 3]]
    assert fitted.describe().loc["m", "distinct"] == 2


def test_longer_rows_of_later_data_are_cut_to_the_fitted_length():
    fitted, _ = encode([["a", "b"], ["a"]])
    assert fitted.transform({"m": [["b", "x", "a"], ["a"]]})["m"].tolist() == [[3, 1], [2, 0]]


def test_the_feature_has_length_pooling_and_padding():
    feature = encode([["a", "b"]], pooling="sum", embed_dim=6)[0].features()[0]
    assert (feature.vocab_size, feature.pooling, feature.embed_dim) == (4, "sum", 6)
    assert feature.padding_idx == 0


def test_facts_count_rows_without_tokens_and_tokens_without_ids():
    table = encode([["a", "a", "b"], [], None, [""]], min_count=2)[0].describe().loc["m"]
    assert (table["rows"], table["missing"], table["distinct"]) == (4, 3, 2)
    assert (table["size"], table["length"]) == (3, 3)
    assert table["unknown share"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("values", "options", "message"), [
    (["a|b"], {}, "column 'm', row 0 of the dict: string is no type of lists: give the separator"),
    ([[1.0], [2.0, 0.5]], {}, r"column 'm', row 1 of the dict: 0.5 is no category"),
    ([[1.0], None, [2.0], [0.5]], {}, r"row 3 of the dict: 0.5 is no category"),
])  # fmt: skip
def test_cells_that_are_no_lists_of_categories_are_refused(values, options, message):
    with pytest.raises(ValueError, match=message):
        encode(values, **options)


@pytest.mark.parametrize(("options", "message"), [
    ({"separator": ""}, "separator must be a text such as"),
    ({"max_length": 0}, "max_length must be at least 1"),
    ({"keep": "middle"}, "keep must be one of 'first', 'last'"),
    ({"pooling": "max"}, "pooling must be one of"),
])  # fmt: skip
def test_settings_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        MultiCategorical("m", **options)
