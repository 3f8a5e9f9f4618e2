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
from torch_rechub.training.checks import check_inputs, check_not_empty, check_table, dense_check
from torch_rechub.utils.data import SeqDataset

X = {"user": torch.tensor([0, 1, 2, 9]), "age": torch.zeros(4)}


@pytest.fixture
def model():
    user = SparseFeature("user", 10, 2)
    return WideDeep([DenseFeature("age")], [user], {"dims": []})


def test_all_missing_columns_are_named_at_once(model):
    with pytest.raises(KeyError, match=r"no column 'age', 'user'.*columns there are: other"):
        check_inputs(model, {"other": torch.zeros(1)})


NOT_FINITE = {
    float("nan"): r"1 missing value \(NaN\), first in ",
    float("inf"): "1 infinite value, first in ",
    -float("inf"): "1 infinite value, first in ",
}


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_dense_value_that_is_no_number_is_named_before_training(tmp_path, model, value, shuffled):
    x = {**X, "age": torch.tensor([0, 1, value, 3])}
    data, y = PredictDataset(x), torch.tensor([0.0, 1, 0, 1])
    rows = [({name: v[i] for name, v in x.items()}, y[i]) for i in range(4)]
    loaders = [TableLoader(TorchDataset(x, y), 2, shuffled), DataLoader(rows, 4, shuffle=shuffled)]
    for loader in loaders:
        before = {name: w.clone() for name, w in model.state_dict().items()}
        trainer = CTRTrainer(model, n_epoch=1, model_path=tmp_path, progress=False)
        with pytest.raises(
            ValueError, match=f"column 'age' has {NOT_FINITE[value]}row .*: fill th"
        ):
            trainer.fit(loader)
        assert all(torch.equal(before[name], w) for name, w in model.state_dict().items())
    with pytest.raises(ValueError, match=rf"'age' has {NOT_FINITE[value]}row 2.*\(in batch 0\)"):
        trainer.predict(model, TableLoader(data, 4))


def test_embeddings_that_are_no_numbers_are_refused_by_the_trainer_of_codes(tmp_path):
    vectors = torch.ones(4, 3)
    vectors[2, 1] = torch.nan
    trainer = RQVAETrainer(RQVAEModel(3, [2], 2, [3]), n_epoch=1, model_path=tmp_path)
    with pytest.raises(ValueError, match=r"the input has 1 missing value \(NaN\), first in row 2"):
        trainer.fit([vectors])


def test_columns_that_no_feature_names_are_not_looked_at(model):
    check_inputs(model, {**X, "other": torch.tensor([-5])})


NO_IDS = [1.5, -0.5, float("inf"), float("nan")]


def no_id(value):
    """The part of a message that says whether a value is missing, or no whole number."""
    if value != value:
        return r"missing values? \(NaN\), first"
    return rf"values? that (is|are) no whole number, first {value:g}"


@pytest.mark.parametrize("wrong", NO_IDS)
def test_ids_that_are_no_whole_numbers_are_named_with_their_row(model, wrong):
    column = torch.tensor([0.0, 2.0, wrong, 9.0])
    with pytest.raises(ValueError, match=f"column 'user' has 1 {no_id(wrong)} in row 2: map"):
        check_inputs(model, {**X, "user": column})
    with pytest.raises(ValueError, match=f"'user' has 1 {no_id(wrong)} in row 2 of the batch: map"):
        model({**X, "user": column})
    history = SparseFeature("item", 9, 2)
    lookup = EmbeddingLayer([SequenceFeature("h", 9, 2, shared_with="item"), history])
    with pytest.raises(ValueError, match=f"column 'h' has 1 {no_id(wrong)} in row 1 of the"):
        lookup({"h": torch.tensor([[1.0, 2.0], [0.0, wrong]])}, [lookup.features[0]])


def test_a_missing_id_is_called_so(model):
    with pytest.raises(ValueError, match=r"has 4 missing values \(NaN\), first in row 0: map mis"):
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
    with pytest.raises(ValueError, match=f"column '{name}' has . {no_id(wrong)} in row 1"):
        SeqDataset(*parts, torch.ones(2, 3))


@pytest.mark.parametrize("y", [[0, 1], [1.0, 0.0], [True, False], [[0, 1], [1, 1]], []])
def test_labels_0_and_1_of_any_type_and_shape(y):
    check_binary(torch.tensor(y))


@pytest.mark.parametrize("wrong", [2, -1, 0.5])
def test_other_labels_are_named(wrong):
    with pytest.raises(ValueError, match=rf"but holds {wrong:g}: map.*2 such.*, first in row 2"):
        check_binary(torch.tensor([0.0, 1.0, wrong, 7.0]))


@pytest.mark.parametrize("value", NOT_FINITE)
def test_missing_labels_are_called_so(value):
    with pytest.raises(ValueError, match=f"y has {NOT_FINITE[value]}row 2: drop those rows"):
        check_binary(torch.tensor([0.0, 1.0, value]))


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


def test_a_part_is_refused_for_its_own_rows_alone(model):
    """Dropping rows by a Subset is a remedy; a message counts the rows of the table."""
    x = {"user": X["user"], "age": torch.tensor([0, 1, torch.nan, 3])}
    dataset = TorchDataset(x, torch.tensor([0.0, 1, 0, torch.nan]))
    assert check_table(model, TableLoader(Subset(dataset, [3, 0, 1]), 2))
    assert check_table(model, TableLoader(Subset(dataset, [1, 0]), 2), check_binary)
    with pytest.raises(ValueError, match=r"'age' has 1 missing.* in row 2: fill"):
        check_table(model, TableLoader(Subset(dataset, [2, 0]), 2))
    with pytest.raises(ValueError, match=r"y has 1 missing.* in row 3: drop"):
        check_table(model, TableLoader(Subset(dataset, [3, 0]), 2), check_binary)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_a_finite_number_that_is_infinite_in_the_dtype_of_the_model_is_refused(model, dtype):
    huge = {torch.float64: 1e300, torch.float32: 1e300, torch.float16: 1e5}[dtype]
    x = {**X, "age": torch.tensor([0, 1, -huge, 3], dtype=torch.float64)}
    dense_check(model.to(torch.float64))(x)
    if dtype != torch.float64:
        kind = str(dtype).removeprefix("torch.")
        with pytest.raises(ValueError, match=f"'age' has 1 value beyond .*{kind}.* in row 2"):
            dense_check(model.to(dtype))(x)


def test_whole_numbers_of_a_dense_column_are_checked_where_the_dtype_ends_early(model):
    x = {**X, "age": torch.tensor([0, 1, 70_000, 3])}
    dense_check(model)(x)
    with pytest.raises(ValueError, match=r"'age' has 1 value beyond .*float16, first 70000 in"):
        dense_check(model.half())(x)


def test_errors_of_a_stream_say_which_batch_it_is(tmp_path, model):
    x = {"user": torch.tensor([1, 2]), "age": torch.zeros(2)}
    y, bad = torch.tensor([0.0, 1.0]), {**x, "age": torch.tensor([0, torch.inf])}
    for wrong, message in (
        ((bad, y), r"column 'age' has 1 infinite value, first in row 1: fill.*\(in batch 2\)"),
        (
            (x, torch.tensor([0, torch.nan])),
            r"y has 1 missing value.* first in row 1.*\(in batch 2\)",
        ),
    ):
        trainer = CTRTrainer(model, n_epoch=1, model_path=tmp_path, progress=False)
        with pytest.raises(ValueError, match=message):
            trainer.fit([(x, y), (x, y), wrong])


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
