"""What is found wrong before training, by what it is found."""

import pytest
import torch
from torch.utils.data import DataLoader, Subset

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.data.loader import PredictDataset, TableLoader, TorchDataset
from torch_rechub.models.ranking import WideDeep
from torch_rechub.trainers.checks import check_binary, check_inputs, check_not_empty, check_table

X = {"user": torch.tensor([0, 1, 2, 9]), "age": torch.zeros(4)}


@pytest.fixture
def model():
    user = SparseFeature("user", 10, 2)
    return WideDeep([DenseFeature("age")], [user], {"dims": []})


def test_all_missing_columns_are_named_at_once(model):
    with pytest.raises(KeyError, match=r"no column 'age', 'user'.*columns there are: other"):
        check_inputs(model, {"other": torch.zeros(1)})


def test_columns_that_no_feature_names_are_not_looked_at(model):
    check_inputs(model, {**X, "other": torch.tensor([-5])})


@pytest.mark.parametrize("y", [[0, 1], [1.0, 0.0], [True, False], [[0, 1], [1, 1]], []])
def test_labels_0_and_1_of_any_type_and_shape(y):
    check_binary(torch.tensor(y))


@pytest.mark.parametrize("wrong", [2, -1, 0.5, float("nan"), float("inf")])
def test_other_labels_are_named(wrong):
    with pytest.raises(ValueError, match=f"but holds {wrong:g}: map"):
        check_binary(torch.tensor([0.0, 1.0, wrong, 7.0]))


def test_a_table_is_checked_whole_and_a_stream_is_not(model):
    y = torch.tensor([0, 1, 0, 1])
    dataset = TorchDataset(X, y)
    checked = []
    for loader in (
        TableLoader(dataset, 2),
        DataLoader(dataset, 2),
        TableLoader(PredictDataset(X), 2),
    ):
        assert check_table(model, loader, checked.append)
    assert len(checked) == 2  # where there are labels
    assert all(torch.equal(labels, y) for labels in checked)
    for stream in (
        [dataset[:2]],
        iter([dataset[:2]]),
        DataLoader(Subset(Subset(dataset, [0]), [0])),
    ):
        assert not check_table(model, stream, checked.append)


def test_the_labels_of_a_part_are_those_of_its_rows(model):
    dataset = TorchDataset(X, torch.tensor([0, 1, 5, 6]))
    for rows in ([1, 0], torch.tensor([1, 0])):
        checked = []
        assert check_table(model, TableLoader(Subset(dataset, rows), 2), checked.append)
        assert [labels.tolist() for labels in checked] == [[1, 0]]


def test_emptiness_is_found_where_the_length_is_known():
    with pytest.raises(ValueError, match="here has no batches: its data set is empty"):
        check_not_empty([], "here")
    check_not_empty(iter([]), "here")
    check_not_empty([1], "here")
