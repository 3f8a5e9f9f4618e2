"""Batches: what loaders yield, unpacked into inputs, labels, weights and groups."""

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
    *inputs, labels = Y, Y + 1, Y + 2, Y + 3
    for given in ((*inputs, labels), (tuple(inputs), labels), [inputs, labels]):
        batch = Batch.unpacked(given)
        assert batch.inputs == tuple(inputs)
        assert batch.labels is labels
        assert batch.weights is None


def test_a_batch_of_three_ends_in_weights():
    w = torch.tensor([0.5, 0.0, 2.0])
    for x in (X, Y, (Y, Y + 1)):
        for given in ((x, Y, w), [x, Y, w]):
            batch = Batch.unpacked(given)
            assert batch.inputs is x
            assert batch.labels is Y
            assert batch.weights is w
            assert batch.count == 2.5
    assert Batch.unpacked((X, None, w)).labels is None


def test_a_column_of_weights_is_taken_out_of_the_inputs():
    w = torch.tensor([0.5, 0.0, 2.0])
    batch = Batch.unpacked(({**X, "w": w}, Y), weight_column="w")
    assert batch.inputs.keys() == X.keys()
    assert batch.weights is w
    assert Batch.unpacked({"w": w, **X}, weight_column="w").inputs.keys() == X.keys()
    unweighted = Batch.unpacked((X, Y), weight_column="w", weighted=False)
    assert unweighted.weights is None
    with pytest.raises(KeyError, match=r"weight_column='w' is not in the data.*there are: a, b"):
        Batch.unpacked((X, Y), weight_column="w")
    with pytest.raises(KeyError, match="inputs are no dict"):
        Batch.unpacked((Y, Y), weight_column="w")
    with pytest.raises(ValueError, match="there are weights twice"):
        Batch.unpacked(({**X, "w": w}, Y, w), weight_column="w")


def test_rows_of_weight_0_are_left_out_of_everything():
    x = {**X, "deep": [Y, Y + 1], "name": ["ann", "bob", "eve"], "source": "log"}
    batch = Batch.unpacked((x, Y, torch.tensor([0.5, 0.0, 2.0])), "a").of_weight_above_0()
    assert batch.rows == 2
    assert batch.labels.tolist() == [0, 1]
    assert batch.weights.tolist() == [0.5, 2]
    assert batch.groups.tolist() == batch.inputs["a"].tolist() == [0, 2]
    assert batch.inputs["b"].shape == (2, 2)
    assert [part.tolist() for part in batch.inputs["deep"]] == [[0, 1], [1, 2]]
    assert batch.inputs["name"] == ("ann", "eve")
    assert batch.inputs["source"] == "log"
    assert Batch.unpacked((X, Y, torch.zeros(3))).of_weight_above_0().rows == 0


def test_rows_that_all_weigh_1_have_no_weights():
    for w in (torch.ones(3), torch.tensor([1, 0, 1]), torch.tensor([[True], [False], [True]])):
        batch = Batch.unpacked((X, Y, w)).of_weight_above_0()
        assert batch.weights is None
        assert batch.count == w.sum()
    assert Batch.unpacked((X, Y, torch.full((3,), 2.0))).of_weight_above_0().weights is not None


def test_an_input_that_has_no_rows_cannot_be_left_out_in_part():
    batch = Batch.unpacked(({**X, "graph": torch.eye(5)}, Y, torch.tensor([1, 0, 1])))
    with pytest.raises(
        ValueError, match=r"shape \(5, 5\) has not one entry for each of the 3 rows"
    ):
        batch.of_weight_above_0()


def test_weights_move_to_the_device_as_floats():
    for w in (torch.tensor([1, 0, 2]), torch.tensor([[1.0], [0.0], [2.0]]).double()):
        moved = Batch.unpacked((X, Y, w)).to(torch.device("cpu"))
        assert moved.weights.dtype == torch.float32
        assert moved.weights.tolist() == [1, 0, 2]


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
