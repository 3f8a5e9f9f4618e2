"""Batches: what loaders yield, unpacked into inputs, labels and groups."""

from collections import OrderedDict

import pytest
import torch

from torch_rechub.data.batch import Batch, to_device

X, Y = {"a": torch.arange(3), "b": torch.ones(3, 2)}, torch.tensor([0.0, 1.0, 1.0])


def test_inputs_and_labels():
    for given in ((X, Y), [X, Y]):
        batch = Batch.unpacked(given)
        assert batch.inputs is X
        assert batch.labels is Y
    for given in (X, OrderedDict(X), Y, (X,)):
        batch = Batch.unpacked(given)
        assert batch.inputs is (given[0] if isinstance(given, tuple) else given)
        assert batch.labels is None
    *inputs, labels = Y, Y + 1, Y + 2
    batch = Batch.unpacked((*inputs, labels))
    assert batch.inputs == tuple(inputs)
    assert batch.labels is labels


def test_rows_of_dicts_pairs_and_tensors():
    assert [Batch.unpacked(given).rows for given in (X, (X, Y), [X, Y], (Y, Y), Y)] == [3] * 5


def test_groups_stay_among_the_inputs():
    batch = Batch.unpacked((X, Y), "a")
    assert batch.groups.tolist() == [0, 1, 2]
    assert "a" in batch.inputs
    assert Batch.unpacked((X, Y)).groups is None


def test_a_column_of_groups_is_one_number_a_row():
    with pytest.raises(KeyError, match="group_column='c' is not in the data; columns there are: a"):
        Batch.unpacked((X, Y), "c")
    with pytest.raises(ValueError, match=r"'b' must hold one number a row.*shape \(3, 2\)"):
        Batch.unpacked((X, Y), "b")
    with pytest.raises(KeyError, match="inputs are no dict"):
        Batch.unpacked((Y, Y), "a")


def test_a_batch_without_tensors_is_refused():
    with pytest.raises(ValueError, match="a batch holds no tensor, but dict"):
        Batch.unpacked({"name": ["ann"]})


def test_labels_are_asked_for_by_name():
    with pytest.raises(ValueError, match=r"training needs labels: the loader must yield \(x, y\)"):
        Batch.unpacked(X).labeled()


def test_everything_is_moved():
    moved = to_device((X, [Y, {"deep": Y}]), torch.device("meta"))
    assert moved[0]["a"].device.type == moved[0]["b"].device.type == "meta"
    assert moved[1][0].device.type == moved[1][1]["deep"].device.type == "meta"
    assert X["a"].device.type == "cpu"
    batch = Batch.unpacked((X, Y)).to(torch.device("meta"))
    assert batch.inputs["a"].device.type == batch.labels.device.type == "meta"
    assert batch.rows == 3
