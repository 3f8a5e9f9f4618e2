"""Hostile tables in memory: each gives the right rows, or an error with column, row and remedy."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from core.data.reading.reading_checks import check, table_of
from torch_rechub.data.reading import columns_of

EAST = datetime.timezone(datetime.timedelta(hours=8))
MIDNIGHT = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
MEMORY = [
    ("numbers and text", {"a": [1, "x", None, 2.0, True]}, {"a": ["1", "x", None, "2", "true"]}),
    ("fractions and bools", {"a": [0.5, True], "b": [0.5, True]},
     {"a": ["0.5", "true"], "b": [0.5, 1]}),
    ("ids of pandas with holes", pd.DataFrame({"a": [1.0, np.nan]}), {"a": ["1", None]}),
    ("objects of pandas", pd.DataFrame({"a": pd.Series([7,
     "x", pd.NA, pd.NaT, np.nan], dtype=object)}),
     {"a": ["7", "x", None, None, None]}),
    ("categories of two types", pd.DataFrame({"a": pd.Categorical([1, "1", None])}),
     {"a": ["1", "1", None]}),
    ("empty category", pd.DataFrame({"a": pd.Categorical(["", "x"])}), {"a": [None, "x"]}),
    ("unsigned", {"a": np.array([2**64 - 1], np.uint64)}, {"a": [str(2**64 - 1)]}),
    ("unsigned number", {"b": np.array([1, 2**64 - 1], np.uint64)},
     (ValueError,
      rf"'b' holds the whole number {2**64 - 1} in row 1 of the dict, which is beyond int64")),
    ("large ints", {"a": [1, 2**80]}, {"a": ["1", str(2**80)]}),
    ("large number", {"b": [1, 2**80]},
     (ValueError, rf"'b' holds the whole number {2**80} in row 1.*int64")),
    ("decimals", {"b": [Decimal("0.5"), Decimal(2)]}, {"b": [0.5, 2]}),
    ("masked", {"b": np.ma.masked_array([1, 2], mask=[False, True])}, {"b": [1, None]}),
    ("dates", {"a": np.array(["2024-01-02", "NaT"], "M8[D]")}, {"a": ["2024-01-02", None]}),
    ("dates as numbers", {"b": np.array(["2024-01-02"], "datetime64[D]")},
     (TypeError, "'b' of the dict holds values of date32.*not numbers: map")),
    ("time zones",
     {"t": [datetime.datetime(2024, 1, 1, 8, tzinfo=EAST), MIDNIGHT]}, {"t": [MIDNIGHT] * 2}),
    ("bytes", {"a": [b"x", None]}, {"a": ["x", None]}),
    ("bytes of latin-1", {"a": [b"x", b"\xe9"]},
     (ValueError, "'a' holds bytes that are not UTF-8.*row 1 of the dict")),
    ("tensors", {"b": torch.tensor([[1.0, 2], [3, float("nan")]], requires_grad=True)},
     {"b": [[1, 2], [3, None]]}),
    ("arrays of several lengths", {"b": [np.array([1, 2]), torch.tensor([3]), None]},
     {"b": [[1, 2], [3], None]}),
    ("nested lists", {"a": [[["x"], [1]], []]},
     (TypeError, r"'a' holds an object of type list in row 0")),
    ("objects", {"a": [1, {2}, object()]},
     (TypeError, "'a' holds an object of type (set|object) in row")),
    ("a single value", {"a": "x"}, (ValueError, "column 'a' is a single value, 'x'")),
    ("lengths", {"a": ["x"], "b": [1, 2]},
     (ValueError, "the columns differ in length: {'a': 1, 'b': 2}")),
    ("no columns", {}, (ValueError, "no columns")),
    ("no rows", {"a": [], "b": np.array([])}, {}),
    ("named twice", pd.DataFrame([[1, 2]], columns=["a", "a"]),
     (ValueError, "DataFrame names column 'a' twice")),
    ("names that are no text", pd.DataFrame([[1, 2]]), {"0": [1], "1": [2]}),
    ("bool as number", {"b": [True, None]}, {"b": [1, None]}),
    ("lists of polars", pl.DataFrame({"b": [[1], None, []]}), {"b": [[1], None, []]}),
    ("plan of polars", pl.DataFrame({"b": [1]}).lazy(),
     (TypeError, r"LazyFrame \(call its collect\(\)")),
    ("an array", np.ones((2, 2)), (TypeError, "data must be a dict of columns.*got ndarray")),
    ("None", None, (TypeError, "got NoneType")),
    ("an empty list", [], (ValueError, "data is an empty list")),
    ("rows, not columns", [[1, 2]], (TypeError, "an iterable of blocks holds list, not a table")),
    ("blocks that differ", [{"a": ["x"]}, {"a": ["y"], "c": [1]}],
     (ValueError, "the dict has the column 'c', which the first part lacks: name")),
    ("block without a column", [{"a": ["x"], "b": [1]}, {"a": ["y"]}],
     (KeyError, "the dict has no column 'b'")),
    ("block of another type", [{"c": [1]}, {"c": ["x"]}],
     (TypeError,
      "'c' has the type string from row 1 of the dict, but int64 before: name it in text_col")),
    ("an iterator of blocks", "iterator", {"a": ["x", "1"]}),
    ("empty category of a column that keeps its type",
     pa.table({"c": pa.chunked_array([pa.array(["", "x"]).dictionary_encode(),
                                      pa.array(["y", None, "x", "y"]).dictionary_encode()])}),
     {"c": [None, "x", "y", None, "x", "y"]}),
    ("lists of text that are numbers",
     pa.table({"b": pa.chunked_array([pa.array([["1", "2"]]), pa.array([["0.5"], None])])}),
     {"b": [[1, 2], [0.5], None]}),
    ("slices of dictionaries", pa.table({"a": pa.array(["u",
     "x", None]).dictionary_encode()}).slice(1), {"a": ["x", None]}),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), **table_of(MEMORY))
def test_data_in_memory(data, expected):
    data = iter([{"a": ["x"]}, {"a": [1]}]) if isinstance(data, str) else data
    check(expected, data)


def test_an_iterator_is_not_consumed_for_its_columns():
    with pytest.raises(
        TypeError, match="columns_of cannot look into an iterator without consuming"
    ):
        columns_of(iter([{"a": [1]}]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"separator": "::"}, ValueError, "separator must be one character of ASCII, got '::'"),
        ({"encoding": "klingon"}, ValueError, "encoding must be one that Python knows.*'klingon'"),
        ({"columns": "a"}, TypeError, "columns must be a list of texts, got 'a'"),
        ({"columns": []}, ValueError, "columns must name at least one column"),
        ({"columns": ["a", "a"]}, ValueError, "columns names column 'a' twice, at positions 0"),
        ({"number_columns": ["a"]}, ValueError, "'a' is in text_columns and in number_columns"),
        ({"block_rows": 0}, ValueError, "block_rows must be at least 1, got 0"),
        ({"null_values": [None]}, TypeError, "null_values must be a list of texts, got None in it"),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be(options, error, message):
    check((error, message), {"a": ["x"]}, **options)
