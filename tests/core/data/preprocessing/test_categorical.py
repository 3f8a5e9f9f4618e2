"""Categories as ids, against counts by hand: padding 0, unknown 1, values from 2 by frequency."""

import datetime
from decimal import Decimal
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.preprocessing.oracles import encoded_by_hand, ids_by_hand
from torch_rechub.data.preprocessing import Categorical, MultiCategorical, Preprocessor


def encode(values, column=None, **options):
    preprocessor = Preprocessor([column or Categorical("c", **options)])
    return preprocessor, preprocessor.fit_transform({"c": values})["c"]


texts = st.lists(
    st.one_of(
        st.none(),
        st.sampled_from(
            ["", "a", "b", "é", "钢", "ab", "a\0", "z" * 9, "z" * 9 + "a", "007", "7", "-"]
        ),
    ),
    min_size=1,
)
numbers = st.lists(
    st.one_of(st.none(), st.integers(-3, 5), st.integers(-(2**63), 2**63 - 1)), min_size=1
)


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(texts, numbers),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 4)),
    st.sampled_from(["own", "unknown"]),
)
def test_ids_follow_frequency_and_ties_the_value(values, min_count, max_size, missing):
    column = pa.array(
        values, pa.int64() if all(v is None or isinstance(v, int) for v in values) else pa.string()
    )
    if {"7"} == {v for v in values if v}:  # texts that are all whole numbers are these
        values = [None if not v else 7 for v in values]
    by_hand = ids_by_hand(values, min_count, max_size, missing == "own")
    preprocessor, found = encode(column, min_count=min_count, max_size=max_size, missing=missing)
    assert np.array_equal(found, encoded_by_hand(by_hand, values))
    assert found.dtype == np.int32
    largest = max(by_hand.values())
    assert preprocessor.features()[0].vocab_size == largest + 1
    raw = {i: value for value, i in by_hand.items() if i > 1}
    ids = list(range(largest + 1))
    assert preprocessor.decode("c", ids).tolist() == [raw.get(i) for i in ids]


SAME = ["7", None, "12", "7", "30", "12", "7"]
FORMS = {
    "text": SAME,
    "large text": pa.array(SAME, pa.large_string()),
    "whole numbers": [None if v is None else int(v) for v in SAME],
    "floats with holes": [float("nan") if v is None else float(v) for v in SAME],
    "float32": np.array([np.nan if v is None else float(v) for v in SAME], np.float32),
    "nullable": pd.Series([None if v is None else int(v) for v in SAME], dtype="Int16"),
    "unsigned": pa.array([None if v is None else int(v) for v in SAME], pa.uint64()),
    "bytes": [None if v is None else v.encode() for v in SAME],
    "dictionary": pa.array(SAME).dictionary_encode(),
    "dictionary of numbers": pa.array(
        [None if v is None else int(v) for v in SAME], pa.int8()
    ).dictionary_encode(),
    "categories with unused ones": pd.Series(pd.Categorical(SAME, ["1", "30", "x", "12", "7"])),
    "categories of floats": pd.Series(
        pd.Categorical([7.0, None, 12, 7, 30, 12, 7], [0.5, 30.0, 12, 7])
    ),
    "polars": pl.Series([None if v is None else int(v) for v in SAME]),
    "polars categories": pl.Series(SAME, dtype=pl.Categorical),
    "decimals": [None if v is None else Decimal(v) for v in SAME],
    "mixed": [7, None, "12", "7", 30, 12.0, "7"],
    "chunks": pa.chunked_array([SAME[:3], SAME[3:]]),
    "dictionaries of chunks": pa.chunked_array(
        [pa.array(SAME[:3]).dictionary_encode(), pa.array(SAME[3:]).dictionary_encode()]
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_values_has_the_same_ids(form):
    preprocessor, found = encode(FORMS[form])
    assert found.tolist() == [2, 5, 3, 2, 4, 3, 2]  # missing comes after 30, which is as frequent
    assert preprocessor.describe().loc["c", "distinct"] == 3
    for other in FORMS.values():
        assert np.array_equal(preprocessor.transform({"c": other})["c"], found)


def test_a_leading_zero_is_another_value():
    _, found = encode(["007", "7", "7", "07"])
    assert found.tolist() == [3, 2, 2, 4]


def test_bools_are_the_texts_true_and_false():
    preprocessor, found = encode([True, False, True, None])
    assert found.tolist() == [2, 3, 2, 4]
    assert preprocessor.transform({"c": ["false", "true"]})["c"].tolist() == [3, 2]
    assert preprocessor.transform({"c": pl.Series([False, True])})["c"].tolist() == [3, 2]


def test_whole_numbers_beyond_int64_are_text():
    _, found = encode([2**63, 2**63, 5, -(2**80)])
    assert found.tolist() == [2, 2, 4, 3]  # ties by text: "-" is before "5"


@pytest.mark.parametrize(("values", "message"), [
    ([0.0, 0.5], r"column 'c', row 1 of the dict: 0.5 is no category: declare the column as"),
    ([1.0, float("inf")], r"row 1 of the dict: inf is no category"),
    (pd.Series(pd.Categorical([2.0, 2.0, 0.5])), r"column 'c', row 2 of the dict: 0.5 is no"),
    ([datetime.date(2024, 1, 1)], "date32.* is no type of categories: declare it as Timestamp"),
    ([[1, 2]], "is no type of categories: declare it as MultiCategorical"),
    ([{"a": 1}], "column 'c'.* is no type of categories"),
    ([b"\xff"], "column 'c'.*UTF-8"),
])  # fmt: skip
def test_cells_that_are_no_categories_are_refused_with_row_and_remedy(values, message):
    with pytest.raises((ValueError, TypeError), match=message):
        encode(values)


def test_missing_cells_have_an_id_are_unknown_or_are_refused():
    assert encode(["a", None, ""])[1].tolist() == [3, 2, 2]
    assert encode(["a", None, ""], missing="unknown")[1].tolist() == [2, 1, 1]
    with pytest.raises(
        ValueError, match=r"column 'c', row 1 of the dict: is missing: fill or drop"
    ):
        encode(["a", None], missing="error")
    strict = Preprocessor([Categorical("c", missing="error")]).fit({"c": ["a"]})
    with pytest.raises(ValueError, match="row 0 of the dict: is missing"):
        strict.transform({"c": [float("nan")]})


def test_missing_cells_take_one_of_the_ids_that_max_size_allows():
    preprocessor, found = encode(["a", "a", "a", None, None, "b"], max_size=2)
    assert found.tolist() == [2, 2, 2, 3, 3, 1]
    assert preprocessor.features()[0].vocab_size == 4
    assert encode(["a", "a", "a", None, "b", "b"], max_size=2)[1].tolist() == [2, 2, 2, 1, 3, 3]


def test_missing_cells_are_unknown_where_none_was_seen_in_fitting():
    fitted = Preprocessor([Categorical("c")]).fit({"c": ["a", "b"]})
    assert fitted.transform({"c": ["b", None]})["c"].tolist() == [3, 1]


def test_a_column_without_any_value_has_ids_for_padding_unknown_and_missing():
    preprocessor, found = encode([None, None])
    assert found.tolist() == [2, 2]
    assert preprocessor.features()[0].vocab_size == 3
    assert preprocessor.transform({"c": ["a", None]})["c"].tolist() == [1, 2]


def test_one_row_is_enough():
    assert encode(["x"])[1].tolist() == [2]


class TestSharing:
    """Columns with `shared_with` count in one vocabulary and use one table."""

    log: ClassVar = {
        "item": ["a", "b", "b", None],
        "last": ["c", "c", "c", "a"],
        "hist": [["a", "d"], [], ["a"], ["b", "b", None]],
    }
    columns = (
        Categorical("item", embed_dim=4, missing="unknown"),
        Categorical("last", shared_with="item", missing="unknown"),
        MultiCategorical("hist", shared_with="item", pooling="concat"),
    )

    def test_ids_are_those_of_all_values_together(self):
        every = ["a", "b", "b", "c", "c", "c", "a", "a", "d", "a", "b", "b"]
        ids = ids_by_hand(every, missing_is_a_value=False)
        found = Preprocessor(self.columns).fit_transform(self.log)
        assert np.array_equal(found["item"], encoded_by_hand(ids, self.log["item"]))
        assert np.array_equal(found["last"], encoded_by_hand(ids, self.log["last"]))
        a, b, d = ids["a"], ids["b"], ids["d"]
        assert found["hist"].tolist() == [[a, d], [0, 0], [a, 0], [b, b]]

    def test_features_share_table_width_and_padding(self):
        item, last, hist = Preprocessor(self.columns).fit(self.log).features(embed_dim=9)
        assert (item.shared_with, last.shared_with, hist.shared_with) == (None, "item", "item")
        assert item.embed_dim == last.embed_dim == hist.embed_dim == 4
        assert item.vocab_size == last.vocab_size == hist.vocab_size == 6
        # a sequence pads with id 0, whose row must then be zero also where one id a row owns it
        assert item.padding_idx == hist.padding_idx == 0
        alone = Preprocessor([Categorical("item")]).fit(self.log).features()[0]
        assert alone.padding_idx is None

    @pytest.mark.parametrize(("columns", "message"), [
        ([Categorical("a", shared_with="b")], r"'a' has shared_with='b', which has no vocabulary"),
        ([Categorical("a", shared_with="a")], "'a' has shared_with='a'"),
        ([Categorical("a"), Categorical("b", shared_with="a"), Categorical("c", shared_with="b")],
         r"'c' has shared_with='b', which has no vocabulary of its own; these have: \['a'\]"),
        ([Categorical("a"), Categorical("b", shared_with="a", min_count=3)],
         "'b' has min_count=3, but shares the vocabulary of 'a', which has 1: set it there"),
        ([Categorical("a", embed_dim=4), Categorical("b", shared_with="a", embed_dim=8)],
         "'b' has embed_dim=8, but shares the vocabulary of 'a', which has 4"),
    ])  # fmt: skip
    def test_a_vocabulary_that_cannot_be_shared_is_refused(self, columns, message):
        with pytest.raises(ValueError, match=message):
            Preprocessor(columns)


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"min_count": 0}, ValueError, "min_count must be at least 1, got 0"),
    ({"max_size": 1.5}, ValueError, "max_size must be a whole number"),
    ({"embed_dim": "8"}, TypeError, "embed_dim"),
    ({"missing": "drop"}, ValueError, "missing must be one of 'own', 'unknown', 'error'"),
])  # fmt: skip
def test_settings_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        Categorical("c", **options)


@pytest.mark.parametrize("ids", [[-1], [5], [2, 99]])
def test_ids_outside_the_vocabulary_have_no_raw_value(ids):
    preprocessor, _ = encode(["a", "b", None])
    with pytest.raises(ValueError, match=f"id {ids[-1]} is outside the vocabulary, 0 to 4"):
        preprocessor.decode("c", ids)


def test_decoding_refuses_fractions_and_keeps_the_shape():
    preprocessor, _ = encode([5, 5, 6])
    assert preprocessor.decode("c", [[2, 3], [1, 0]]).tolist() == [[5, 6], [None, None]]
    assert preprocessor.decode("c", []).tolist() == []
    with pytest.raises(TypeError, match="ids must be whole numbers, got float64"):
        preprocessor.decode("c", [2.5])
