"""Tables: whatever holds the columns, the tensors hold the same numbers, or an error says why."""

import re
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from torch_rechub.basic.metric import auc_score, log_loss
from torch_rechub.data.table import PredictDataset, TorchDataset, to_columns, to_tensor
from torch_rechub.serving.base import as_vectors
from torch_rechub.utils.data import pad_sequences

ROWS = {"user": [3, 1, 2], "price": [0.5, 1.0, -2.0], "history": [[1, 0], [2, 3], [4, 5]]}


def arrays(rows):
    return {name: np.array(column) for name, column in rows.items()}


TABLES = {
    "lists": lambda rows: rows,
    "tuples": lambda rows: {name: tuple(column) for name, column in rows.items()},
    "arrays": arrays,
    "tensors": lambda rows: {name: torch.tensor(column) for name, column in rows.items()},
    "series": lambda rows: {name: pd.Series(column) for name, column in rows.items()},
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "polars arrays": lambda rows: pl.DataFrame(
        rows, schema={"user": pl.Int32, "price": pl.Float32, "history": pl.Array(pl.Int64, 2)}
    ),
    "arrow": pa.table,
    "arrow chunks": lambda rows: pa.concat_tables(
        [
            pa.table({k: v[:1] for k, v in rows.items()}),
            pa.table({k: v[1:] for k, v in rows.items()}),
        ]
    ),
    "arrow fixed lists": lambda rows: pa.table(
        {**rows, "history": pa.array(rows["history"], type=pa.list_(pa.int32(), 2))}
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_columns_hold_the_numbers_of_the_table(kind):
    columns = to_columns(TABLES[kind](ROWS))
    assert list(columns) == list(ROWS)
    assert all(isinstance(column, torch.Tensor) for column in columns.values())
    assert {name: column.tolist() for name, column in columns.items()} == ROWS
    assert not columns["user"].is_floating_point()
    assert columns["price"].is_floating_point()


def test_rows_are_taken_by_position_not_by_label():
    # in 0.9: after filtering a frame, its labels have gaps
    frame = pd.DataFrame({"user": range(10), "keep": [i % 3 == 0 for i in range(10)]})
    kept = frame[frame.keep]
    dataset = TorchDataset(kept[["user"]], kept.keep)
    assert dataset.x["user"].tolist() == [0, 3, 6, 9]
    assert [dataset[i][0]["user"].item() for i in range(4)] == [0, 3, 6, 9]
    shuffled = frame.sample(frac=1, random_state=0)
    assert to_columns(shuffled)["user"].tolist() == shuffled["user"].tolist()


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool", ">i4", ">f8"]
)
def test_numbers_of_any_type(dtype):
    values = np.array([0, 1, 1], dtype=dtype)
    column = to_columns({"a": values})["a"]
    assert column.tolist() == values.tolist()


@pytest.mark.parametrize("values", [np.arange(6)[::-1], np.arange(12)[::2], np.arange(6).T])
def test_views_with_strides(values):
    assert to_columns({"a": values})["a"].tolist() == values.tolist()


def test_arrays_are_not_copied_unless_they_must_be():
    values = np.arange(5)
    assert to_columns({"a": values})["a"].data_ptr() == values.ctypes.data
    values.flags.writeable = False  # a tensor cannot promise to leave it alone
    assert to_columns({"a": values})["a"].data_ptr() != values.ctypes.data
    tensor = torch.arange(5)
    assert to_columns({"a": tensor})["a"] is tensor


def test_names_become_text():
    assert list(to_columns(pd.DataFrame({0: [1], 1: [2]}))) == ["0", "1"]


@pytest.mark.parametrize(
    "history",
    [
        [[1], [2, 3], [4]],
        pd.Series([[1], [2, 3], [4]]),
        pl.Series([[1], [2, 3], [4]]),
        pa.chunked_array([[[1], [2, 3], [4]]]),
        np.array([[1], [2, 3], [4]], dtype=object),
    ],
    ids=["lists", "pandas", "polars", "arrow", "objects"],
)
def test_sequences_of_several_lengths_are_refused_with_the_remedy(history):
    message = r"'history' holds rows of different lengths \(1 to 2\).*pad_sequences"
    with pytest.raises(ValueError, match=message):
        to_tensor(history, "history")


@pytest.mark.parametrize(
    "values",
    [
        ["a", "bc"],
        np.array(["a", "b"]),
        pd.Series(["a", "b"], dtype="category"),
        pl.Series(["a", "b"]),
        pa.chunked_array([["a", "b"]]),
        [["a"], ["b"]],
    ],
    ids=lambda v: f"{type(v).__module__.split('.')[0]}-{getattr(v, 'dtype', '')}",
)
def test_what_is_no_number_is_refused_with_the_remedy(values):
    with pytest.raises(
        TypeError, match=r"'city' holds text, not numbers \('a' in .*: map its values"
    ):
        to_tensor(values, "city")


@pytest.mark.parametrize("value", [3, None, 0.5, np.array(3), torch.tensor(3)])
def test_a_single_value_is_no_column(value):
    with pytest.raises(ValueError, match=r"column 'a' is a single value, .*, not one for each row"):
        to_columns({"a": value})


MISSING = {
    "a list": [5, None, 7],
    "NaN": [5, float("nan"), 7],
    "NaT among numbers": [5, pd.NaT, 7],
    "an array of objects": np.array([5, None, 7], dtype=object),
    "objects of pandas": pd.Series([5, pd.NA, 7], dtype=object),
    "Int64": pd.Series([5, pd.NA, 7], dtype="Int64"),
    "Float64": pd.Series([5, pd.NA, 7], dtype="Float64"),
    "numbers of Arrow in pandas": pd.Series([5, None, 7], dtype="int64[pyarrow]"),
    "categories of numbers": pd.Series([5, None, 7], dtype="category"),
    "decimals": [Decimal(5), None, Decimal(7)],
    "polars": pl.Series([5, None, 7]),
    "decimals of polars": pl.Series([Decimal(5), None, Decimal(7)]),
    "Arrow": pa.array([5, None, 7]),
    "a dictionary of Arrow": pa.array([5, None, 7]).dictionary_encode(),
    "chunked dictionaries": pa.chunked_array([pa.array([5, None, 7]).dictionary_encode()]),
}


@pytest.mark.parametrize("kind", MISSING)
def test_a_missing_number_is_nan_as_only_the_model_knows_which_columns_are_ids(kind):
    found = to_tensor(MISSING[kind], "user")
    assert found.isnan().tolist() == [False, True, False]
    assert found[[0, 2]].tolist() == [5, 7]


@pytest.mark.parametrize(
    "values",
    [
        [[5, 6], [None, 8]],
        np.array([[5, 6], [np.nan, 8]]),
        pl.Series([[5, 6], [None, 8]]),
        pa.array([[5, 6], [None, 8]]),
        pd.DataFrame({"a": pd.array([5, None], dtype="Int64"), "b": [6, 8]}),
    ],
    ids=lambda v: type(v).__module__,
)
def test_missing_numbers_in_lists_are_nan(values):
    found = to_tensor(values, "history")
    assert found.isnan().tolist() == [[False, False], [True, False]]
    assert found[0].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (pd.Series([True, None, False], dtype="boolean"), [1, None, 0]),
        (pl.Series([True, None, False]), [1, None, 0]),
        (pa.array([True, None, False]), [1, None, 0]),
        (pd.Series([True, False], dtype="boolean"), [1, 0]),
        (pd.Series([3, 2**62], dtype="Int64"), [3, 2**62]),
        (pa.chunked_array([pa.array([7, 5, 7]).dictionary_encode()]), [7, 5, 7]),
    ],
    ids=str,
)
def test_nullable_columns_hold_their_numbers(values, numbers):
    found = to_tensor(values, "a").tolist()
    assert [None if number != number else number for number in found] == numbers


REFUSED_CELLS = {
    "text": (
        pd.Series(["a", pd.NA, "", "b"], dtype="string"),
        r"holds text, not numbers \('a' in row 0; 1 empty text, first in row 2; 1 missing value, "
        r"first in row 1\): map its values to ids",
    ),
    "numbers as text": (["1.5", "", "2", " "], r".*2 empty texts, first in row 1\): convert it"),
    "empty text": ([0.5, 2, ""], r"holds text, not numbers \(1 empty text, first in row 2\)"),
    "dates": (
        np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"),
        r"holds dates and times, not numbers \(1 missing value, first in row 1\): map its values",
    ),
    "dates of Python": (
        [date(2020, 1, 1), date(2020, 1, 2)],
        "holds dates and times, not numbers:",
    ),
    "durations": (
        pl.Series([timedelta(1), None]),
        r"holds dates and times.*\(1 missing value, first in r",
    ),
    "objects": (
        [1j, None],
        r"holds other objects.*\(complex in row 0; 1 missing value, first in row 1",
    ),
}


@pytest.mark.parametrize("kind", REFUSED_CELLS)
def test_cells_that_are_no_numbers_are_named_and_counted(kind):
    values, message = REFUSED_CELLS[kind]
    with pytest.raises(TypeError, match=f"column 'user' {message}"):
        to_tensor(values, "user")


@pytest.mark.parametrize(
    "values",
    [
        [[1, 2], None, [3, 4]],
        pd.Series([[1, 2], None, [3, 4]]),
        pl.Series([[1, 2], None, [3, 4]]),
        pa.array([[1, 2], None, [3, 4]]),
    ],
    ids=lambda v: type(v).__module__,
)
def test_a_missing_list_is_named_with_its_row(values):
    with pytest.raises(ValueError, match="'history' has 1 missing list, first in row 1: fill"):
        to_tensor(values, "history")


@pytest.mark.parametrize(
    "values",
    [
        np.array([7, 2**63], dtype=np.uint64),
        [7, 2**63],
        [-7, 2**63],
        [7, 2**70],
        pd.Series([7, 2**63], dtype="UInt64"),
        pl.Series([7, 2**63], dtype=pl.UInt64),
        pa.array([7, 2**63], pa.uint64()),
    ],
    ids=lambda v: f"{type(v).__module__} {v[0]}",
)
def test_a_whole_number_beyond_int64_is_refused_as_it_would_become_another(values):
    with pytest.raises(ValueError, match=r"'user' has 1 whole number beyond int64, first \d+ in"):
        to_tensor(values, "user")


@pytest.mark.parametrize("chunked", [False, True])
def test_an_array_of_arrow_may_have_missing_values_for_a_dense_feature(chunked):
    values = pa.chunked_array([[1, None], [3]]) if chunked else pa.array([1, None, 3])
    found = to_tensor(values, "price")
    assert found.isnan().tolist() == [False, True, False]
    assert found[[0, 2]].tolist() == [1, 3]


@pytest.mark.parametrize("values", [[1, 2, 3], [1.0, 2.0, 3.0], ["a", "b", "c"]])
def test_masked_values_are_refused_and_an_array_without_any_is_one(values):
    masked = np.ma.array(values, mask=[False, True, True])
    with pytest.raises(ValueError, match=r"column 'user' has 2 masked values.*filled"):
        to_columns({"user": masked})
    if isinstance(values[0], str):
        return
    assert to_columns({"user": np.ma.array(values)})["user"].tolist() == values
    with pytest.raises(ValueError, match="column 'y' has 2 masked values"):
        TorchDataset({"user": [1, 2, 3]}, masked)
    with pytest.raises(ValueError, match="y_pred has 2 masked values"):
        log_loss([0, 1, 0], masked)
    with pytest.raises(ValueError, match="y_true has 2 masked values"):
        auc_score(masked, [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="sequences has 2 masked values"):
        pad_sequences(masked[None])
    with pytest.raises(ValueError, match="embeddings has 2 masked values"):
        as_vectors(masked)


def test_columns_of_several_lengths_are_refused():
    with pytest.raises(ValueError, match=re.escape("{'a': 3, 'b': 2}")):
        to_columns({"a": [1, 2, 3], "b": [1, 2]})


@pytest.mark.parametrize("table", [[1, 2], np.ones((2, 2)), "table", None])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(TypeError, match=f"got {type(table).__name__}"):
        to_columns(table)


# Data sets


def test_a_data_set_gives_one_row_or_many():
    x = {"user": np.arange(5), "history": np.arange(10).reshape(5, 2)}
    y = np.array([0, 1, 0, 1, 1], dtype=np.float32)
    dataset, inputs = TorchDataset(x, y), PredictDataset(x)
    assert len(dataset) == len(inputs) == 5
    for index in (3, slice(1, 4), [4, 0, 4], torch.tensor([2, 2])):
        rows, labels = dataset[index]
        for found in (rows, inputs[index]):
            assert list(found) == ["user", "history"]
            for name in x:
                np.testing.assert_array_equal(found[name], x[name][index])
        np.testing.assert_array_equal(labels, y[index])


@pytest.mark.parametrize(
    "y",
    [
        [0, 1, 1],
        np.array([0, 1, 1]),
        torch.tensor([0, 1, 1]),
        pd.Series([0, 1, 1], index=[5, 3, 9]),
    ],
)
def test_labels_of_any_kind(y):
    assert TorchDataset({"a": [1, 2, 3]}, y).y.tolist() == [0, 1, 1]


def test_labels_of_several_tasks():
    y = np.arange(6).reshape(3, 2)
    for given in (y, pd.DataFrame(y), y.tolist()):
        dataset = TorchDataset({"a": [1, 2, 3]}, given)
        assert dataset.y.shape == (3, 2)
        assert dataset[1][1].tolist() == [2, 3]


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="x has 3 rows, but y has 2"):
        TorchDataset({"a": [1, 2, 3]}, [0, 1])


def test_a_table_without_columns_is_refused():
    with pytest.raises(ValueError, match="no columns"):
        PredictDataset({})
