"""Weights of rows: those that are refused, and where whole tables of them are found."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from torch_rechub.data.loader import DataGenerator, TableLoader
from torch_rechub.data.table import PredictDataset, TorchDataset
from torch_rechub.data.table_weights import check_table_weights
from torch_rechub.data.weights import check_weights

X, Y = {"user": np.arange(4), "w": np.array([1.0, 0.0, 2.5, 1.0])}, np.array([0, 1, 1, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool])
def test_weights_are_numbers_of_at_least_0(dtype):
    check_weights(torch.tensor([0, 1, 1]).to(dtype), 3)
    check_weights(torch.tensor([[0], [1], [1]]).to(dtype), 3)
    check_weights(torch.tensor([]), 0)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (-0.5, "2 other values, first -0.5 in row 1"),
        (1e31, r"2 other values, first 1e\+31 in row 1"),
        (math.nan, r"2 missing values \(NaN\), first in row 1"),
        (math.inf, "2 infinite values, first in row 1"),
        (-math.inf, "2 infinite values, first in row 1"),
    ],
)
def test_other_weights_are_named_with_their_number_and_the_first_row(value, problem):
    with pytest.raises(ValueError, match=rf"w must be numbers from 0 to .*, but has {problem}"):
        check_weights(torch.tensor([1, value, 0, value]), 4, "w")
    with pytest.raises(ValueError, match=rf"weights must be numbers .* has {problem}: correct"):
        TorchDataset(X, Y, weights=[1, value, value, 0])


@pytest.mark.parametrize("shape", [(3,), (4, 2), (2, 4), ()])
def test_weights_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="weights must hold one number a row, 4 of them"):
        check_weights(torch.ones(shape), 4)


def test_weights_that_are_no_numbers_are_refused():
    for values in (["a", "b", "c", "d"], np.array(["1"] * 4)):
        with pytest.raises(TypeError, match="weights"):
            TorchDataset(X, Y, weights=values)
    with pytest.raises(ValueError, match=r"weights .* 1 missing value \(NaN\), first in row 1"):
        TorchDataset(X, Y, weights=[1, None, 1, 1])
    with pytest.raises(
        TypeError, match="weights must be a tensor of one number a row, but is list"
    ):
        check_weights([1, 2], 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_largest_weight_is_one_in_every_dtype(dtype):
    check_weights(torch.tensor([0, 1e30], dtype=dtype), 2)
    with pytest.raises(ValueError, match=r"1 other value, first 1.1e\+30 in row 1"):
        check_weights(torch.tensor([0, 1.1e30], dtype=dtype), 2)


def test_a_table_yields_its_weights_with_its_rows():
    for weights in (X["w"], X["w"].tolist(), pd.Series(X["w"]), torch.tensor(X["w"])):
        data = TorchDataset({"user": X["user"]}, Y, weights=weights)
        x, y, w = data[torch.tensor([2, 0])]
        assert (x["user"].tolist(), y.tolist(), w.tolist()) == ([2, 0], [1, 0], [2.5, 1.0])
        assert data[1][2].item() == 0
        assert len(data[:0][2]) == 0
    assert len(TorchDataset(X, Y)[[0]]) == 2


def test_a_generator_splits_weights_with_the_rows():
    data = DataGenerator({"row": np.arange(50)}, np.zeros(50), weights=np.arange(50) / 8)
    for loader in data.generate_dataloader(split_ratio=[0.5, 0.2], batch_size=8):
        for x, _, w in loader:
            assert torch.equal(w, x["row"] / 8)


def test_a_generator_takes_weights_for_each_table():
    data = DataGenerator(X, Y, weights=[1] * 4)
    loaders = data.generate_dataloader(X, Y, X, Y, w_val=[2] * 4, w_test=[3] * 4)
    assert [next(iter(loader))[2].tolist() for loader in loaders] == [[n] * 4 for n in (1, 2, 3)]
    assert len(next(iter(data.generate_dataloader(X, Y)[1]))) == 2
    with pytest.raises(ValueError, match="w_val are the weights of x_val: give x_val and y_val"):
        data.generate_dataloader(w_val=[1] * 4, split_ratio=[0.5, 0.5])


def test_the_width_of_a_row_leaves_its_weight_aside():
    assert TableLoader(TorchDataset(X, Y, weights=[1] * 4), 2).width == 2


def test_weights_of_a_table_are_checked_where_they_are():
    x, y, w = torch.ones(4, 2), torch.ones(4), torch.tensor([1.0, 2.0, -1.0, 0.0])
    assert not check_table_weights(TableLoader(TorchDataset(X, Y), 2), None)
    assert check_table_weights(TableLoader(TorchDataset(X, Y), 2), "w")
    assert check_table_weights(TableLoader(PredictDataset(X), 2), "w")
    assert not check_table_weights([(X, Y)], "w")  # as it comes
    with pytest.raises(ValueError, match=r"weights must be .* in row 2"):
        check_table_weights(DataLoader(TensorDataset(x, y, w)), None)
    with pytest.raises(ValueError, match=r"weight_column='user' must be .* in row 3"):
        check_table_weights(TableLoader(PredictDataset({"user": [0, 1, 1, -1]}), 2), "user")
    with pytest.raises(TypeError, match="column 'w' holds text, not numbers"):
        check_table_weights(DataLoader(PredictDataset({"w": ["a", "b"]})), "w")


def test_weights_that_are_all_0_are_refused():
    data = TorchDataset(X, Y, weights=[1, 0, 0, 0])
    assert check_table_weights(TableLoader(Subset(data, [0, 1]), 2), None)
    with pytest.raises(ValueError, match="weights is 0 in every row, so that no row counts"):
        check_table_weights(TableLoader(Subset(data, [1, 2]), 2), None)
