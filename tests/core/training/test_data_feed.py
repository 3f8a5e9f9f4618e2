"""What loaders yield, taken apart."""

from collections import OrderedDict

import torch

from torch_rechub.data.batch import batch_rows, split_batch, to_device

X, Y = {"a": torch.arange(3), "b": torch.ones(3, 2)}, torch.tensor([0.0, 1.0, 1.0])


def test_inputs_and_labels():
    for batch in ((X, Y), [X, Y]):
        assert split_batch(batch) == (X, Y)
    for batch in (X, OrderedDict(X)):
        assert split_batch(batch) == (batch, None)


def test_rows_of_dicts_pairs_and_tensors():
    assert [batch_rows(batch) for batch in (X, (X, Y), [X, Y], (Y, Y), Y)] == [3] * 5


def test_everything_is_moved():
    moved = to_device((X, [Y, {"deep": Y}]), torch.device("meta"))
    assert moved[0]["a"].device.type == moved[0]["b"].device.type == "meta"
    assert moved[1][0].device.type == moved[1][1]["deep"].device.type == "meta"
    assert X["a"].device.type == "cpu"
