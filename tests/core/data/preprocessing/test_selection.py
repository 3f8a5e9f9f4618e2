"""Parts of a fitted preprocessor, and ids of single values."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from core.data.preprocessing import saved
from torch_rechub.data.preprocessing import (
    Categorical,
    Crossed,
    Hashed,
    MultiCategorical,
    Numeric,
    Preprocessor,
)


@pytest.mark.parametrize("names", [["user"], ["hist"], ["price", "item_text"], ["item", "hist"]])
def test_selected_columns_give_the_inputs_of_the_whole(every_kind, names, tmp_path):
    whole = every_kind.transform(saved.SERVING)
    part = every_kind.select(*names)
    assert [c.input_name for c in part.columns] == names
    assert part.targets == ()
    assert part.weight is None
    found = part.transform(saved.SERVING)
    assert list(found) == [name for column in part.columns for name in column.outputs]
    for name in found:
        assert np.array_equal(found[name], whole[name])
    part.save(tmp_path / "part")
    again = saved.load(tmp_path / "part").transform(saved.SERVING)
    assert all(np.array_equal(again[name], whole[name]) for name in found)


def test_an_input_selects_its_column(every_kind):
    part = every_kind.select("time_hour", "price_missing", "price")
    assert list(part.transform(saved.SERVING)) == [
        "time_hour",
        "time_dayofyear",
        "price",
        "price_missing",
    ]


def test_a_shared_vocabulary_goes_with_the_first_column_that_needs_it():
    columns = [
        Categorical("item", max_size=3, embed_dim=6),
        MultiCategorical("hist", shared_with="item", max_length=2),
        Categorical("last", shared_with="item"),
    ]
    whole = Preprocessor(columns).fit({"item": [7], "hist": [[7, 9]], "last": [9]})
    hist, last = whole.select("hist", "last").columns
    assert (hist.shared_with, hist.max_size, hist.embed_dim) == (None, 3, 6)
    assert last.shared_with == "hist"
    assert [f.embed_dim for f in whole.select("last").features()] == [6]
    grown = whole.select("last").grown({"last": [5, 4]})
    assert grown.encode("last", [7, 9, 4, 5]).tolist() == [2, 3, 4, 1]


def test_selecting_something_else_is_an_error(every_kind):
    with pytest.raises(KeyError, match=r"there is no column 'users'; there are \['user'"):
        every_kind.select("users")
    with pytest.raises(ValueError, match="at least one column"):
        every_kind.select()


@pytest.mark.parametrize("name", ["user", "item", "hist", "title", "item_text"])
def test_encoding_inverts_decoding(every_kind, name):
    ids = np.arange(2, every_kind.encoders[name].vocabulary.size)
    values = every_kind.decode(name, ids)
    known = np.array([value is not None for value in values])
    assert np.array_equal(every_kind.encode(name, values)[known], ids[known])


@pytest.mark.parametrize(
    "values",
    [
        [7, "7", 8, None, "z"],
        ["7", "7.0", 8.0, "", "z"],
        np.array([7, 7, 8, None, "z"], dtype=object),
        pd.Series(["7", "7", "8", None, "z"], dtype="category"),
        pl.Series(["7", "7", "8", None, "z"]),
        pa.array(["7", "7", "8", None, "z"]),
        (Decimal(7), 7, 8, float("nan"), "z"),
    ],
)
def test_values_of_any_form_have_the_ids_that_rows_have(every_kind, values):
    rows = {**saved.SERVING, "user": [7, 7, 8, None, "z"]}
    for name in ("user", "user_hash"):
        expected = every_kind.transform(rows)[name]
        assert np.array_equal(every_kind.encode(name, values), expected)


def test_ids_have_the_shape_of_the_values(every_kind):
    item = every_kind.encode("item", 3)
    assert item.shape == ()
    assert item == every_kind.encode("item", [3])[0]
    for values in ([[3, 4], [4, None]], np.array([[3, 4], [4, 9]]), torch.tensor([[3, 4], [4, 9]])):
        found = every_kind.encode("item", values)
        assert found.shape == (2, 2)
        assert found.dtype == np.int32
        assert found[0].tolist() == every_kind.encode("item", [3, 4]).tolist()
    assert every_kind.encode("item", []).shape == (0,)
    assert every_kind.encode("hist", [3, None]).tolist() == [int(item), 0]


def test_a_million_values_are_encoded_in_blocks():
    numbers = Preprocessor([Hashed("x", buckets=9)]).fit({"x": [1]})
    values = np.arange(600_000)
    assert np.array_equal(numbers.encode("x", values), numbers.transform({"x": values})["x"])


def test_missing_values_are_an_error_where_the_column_says_so():
    strict = Preprocessor([Categorical("city", missing="error")]).fit({"city": ["a"]})
    with pytest.raises(ValueError, match="column 'city', row 1 of the dict: is missing"):
        strict.encode("city", ["a", None])


@pytest.mark.parametrize("column", [Numeric("x"), Crossed("x", "y", buckets=9, name="x")])
def test_columns_without_ids_of_single_values_are_an_error(column):
    fitted = Preprocessor([column]).fit({"x": [1, 2], "y": [3, 4]})
    with pytest.raises(ValueError, match="encode whole rows with transform"):
        fitted.encode("x", [1])


def test_ragged_lists_are_an_error(every_kind):
    with pytest.raises(ValueError, match="of one length"):
        every_kind.encode("hist", [[3], [4, 3]])
