"""The checks before training."""

import pytest
import torch
from torch.utils.data import DataLoader, Subset

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.layers import EmbeddingLayer
from torch_rechub.data.labels import check_binary
from torch_rechub.data.loader import PredictDataset, TableLoader, TorchDataset
from torch_rechub.models.generative import RQVAEModel
from torch_rechub.models.ranking import WideDeep
from torch_rechub.trainers import CTRTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.training.checks import check_inputs, check_not_empty, check_table
from torch_rechub.utils.data import SeqDataset

X = {"user": torch.tensor([0, 1, 2, 9]), "age": torch.zeros(4)}


@pytest.fixture
def model():
    user = SparseFeature("user", 10, 2)
    return WideDeep([DenseFeature("age")], [user], {"dims": []})


def test_all_missing_columns_are_named_at_once(model):
    with pytest.raises(KeyError, match=r"no column 'age', 'user'.*columns there are: other"):
        check_inputs(model, {"other": torch.zeros(1)})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_dense_value_that_is_no_number_is_named_before_training(tmp_path, model, value, shuffled):
    x = {**X, "age": torch.tensor([0, 1, value, 3])}
    data, y = PredictDataset(x), torch.tensor([0.0, 1, 0, 1])
    rows = [({name: v[i] for name, v in x.items()}, y[i]) for i in range(4)]
    loaders = [TableLoader(TorchDataset(x, y), 2, shuffled), DataLoader(rows, 4, shuffle=shuffled)]
    for loader in loaders:
        before = {name: w.clone() for name, w in model.state_dict().items()}
        trainer = CTRTrainer(model, n_epoch=1, model_path=tmp_path, progress=False)
        with pytest.raises(ValueError, match=f"column 'age' holds {value:g} in row .*fillna"):
            trainer.fit(loader)
        assert all(torch.equal(before[name], w) for name, w in model.state_dict().items())
    with pytest.raises(ValueError, match=f"column 'age' holds {value:g} in row 2"):
        trainer.predict(model, TableLoader(data, 4))


def test_embeddings_that_are_no_numbers_are_refused_by_the_trainer_of_codes(tmp_path):
    vectors = torch.ones(4, 3)
    vectors[2, 1] = torch.nan
    trainer = RQVAETrainer(RQVAEModel(3, [2], 2, [3]), n_epoch=1, model_path=tmp_path)
    with pytest.raises(ValueError, match="'inputs' holds nan in row 2"):
        trainer.fit([vectors])


def test_columns_that_no_feature_names_are_not_looked_at(model):
    check_inputs(model, {**X, "other": torch.tensor([-5])})


NO_IDS = [1.5, -0.5, float("inf"), float("nan")]


@pytest.mark.parametrize("wrong", NO_IDS)
def test_ids_that_are_no_whole_numbers_are_named_with_their_row(model, wrong):
    column = torch.tensor([0.0, 2.0, wrong, 9.0])
    with pytest.raises(ValueError, match=f"column 'user' holds {wrong:g} in row 2, but"):
        check_inputs(model, {**X, "user": column})
    with pytest.raises(ValueError, match=f"column 'user' holds {wrong:g} in row 2, but"):
        model({**X, "user": column})
    history = SparseFeature("item", 9, 2)
    lookup = EmbeddingLayer([SequenceFeature("h", 9, 2, shared_with="item"), history])
    with pytest.raises(ValueError, match=f"column 'h' holds {wrong:g} in row 1, but"):
        lookup({"h": torch.tensor([[1.0, 2.0], [0.0, wrong]])}, [lookup.features[0]])


def test_a_missing_id_is_called_so(model):
    with pytest.raises(ValueError, match=r"'user' holds nan in row 0, but the value is missing"):
        check_inputs(model, {**X, "user": torch.full((4,), torch.nan)})


def test_whole_numbers_that_came_as_floats_are_ids(model):
    model.eval()
    check_inputs(model, {**X, "user": X["user"].double()})
    assert torch.equal(model({**X, "user": X["user"].double()}), model(X))


@pytest.mark.parametrize("wrong", NO_IDS)
@pytest.mark.parametrize("place", range(3))
def test_tokens_positions_and_targets_are_whole_numbers(wrong, place):
    parts = [torch.ones(2, 3), torch.ones(2, 3), torch.ones(2)]
    parts[place][1] = wrong
    name = ("seq_tokens", "seq_positions", "targets")[place]
    with pytest.raises(ValueError, match=f"column '{name}' holds {wrong:g} in row 1"):
        SeqDataset(*parts, torch.ones(2, 3))


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
