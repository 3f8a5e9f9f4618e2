"""Trainers evaluate and predict what people have, in the order of the rows."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset, WeightedRandomSampler

from core.training.training_table import TRAINING_RUNS, N, histories, rows
from torch_rechub.data.loader import TableLoader
from torch_rechub.data.seq_dataset import SeqDataset
from torch_rechub.data.table import PredictDataset, TorchDataset
from torch_rechub.objectives.retrieval import RetrievalData

FRAMES = {
    "lists": lambda x: {name: column.tolist() for name, column in x.items()},
    "arrays": lambda x: {name: column.numpy() for name, column in x.items()},
    "tensors": dict,
    "pandas": lambda x: pd.DataFrame(FRAMES["lists"](x)),
    "polars": lambda x: pl.DataFrame(FRAMES["lists"](x)),
    "arrow": lambda x: pa.table(FRAMES["lists"](x)),
    "data set": PredictDataset,
    "batches": lambda x: [{name: column[:50] for name, column in x.items()},
                          {name: column[50:] for name, column in x.items()}],
    "loader": lambda x: DataLoader(PredictDataset(x), 7),
    "shuffling loader": lambda x: DataLoader(PredictDataset(x), 7, shuffle=True),
    "shuffling table": lambda x: TableLoader(PredictDataset(x), 7, shuffle=True),
    "dropping loader": lambda x: DataLoader(PredictDataset(x), 7, drop_last=True),
}  # fmt: skip
OF_ROWS = ("clicks", "point-wise", "pair-wise", "list-wise", "in-batch", "tasks")


@pytest.fixture
def make(tmp_path):
    """A trainer that has not been trained, by the name of what it is to train."""

    def build(name, **options):
        torch.manual_seed(1)
        return TRAINING_RUNS[name](model_path=tmp_path, **options)[0]

    return build


def of_the_model(trainer, x):
    """The predictions of a model that is called by hand."""
    with torch.no_grad():
        output = trainer.model.eval()(x)
    return (output[0] if isinstance(output, tuple) else output).reshape(N, -1).numpy()


@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize("name", OF_ROWS)
def test_every_trainer_predicts_data_of_every_form_in_their_order(make, name, form):
    trainer, x = make(name), rows()[0]
    found = trainer.predict(trainer.model, FRAMES[form](x))
    assert isinstance(found, list)
    assert np.array(found).reshape(N, -1) == pytest.approx(of_the_model(trainer, x), abs=1e-6)


@pytest.mark.parametrize("form", ["lists", "arrays", "tensors", "pandas", "polars", "arrow"])
def test_ranking_models_are_evaluated_on_pairs_of_data_and_labels(make, form):
    trainer, (x, y) = make("clicks"), rows()
    auc = roc_auc_score(y, of_the_model(trainer, x))
    for labels in (y, y.numpy(), y.tolist(), pd.Series(y.numpy()), pl.Series(y.numpy())):
        assert trainer.evaluate(trainer.model, (FRAMES[form](x), labels)) == pytest.approx(auc)
    assert trainer.predict(trainer.model, (x, y)) == trainer.predict(trainer.model, x)


def test_tasks_are_evaluated_on_pairs_of_data_and_labels(make):
    trainer, (x, y) = make("tasks"), rows()
    labels = torch.stack([y, x["user"] * 0.1], dim=1)
    predictions = of_the_model(trainer, x)
    error = float(((predictions[:, 1] - labels[:, 1].numpy()) ** 2).mean())
    for given in (labels, labels.numpy(), pd.DataFrame(labels.numpy()), TorchDataset(x, labels)):
        data = (
            given if isinstance(given, TorchDataset) else (pd.DataFrame(FRAMES["lists"](x)), given)
        )
        found = trainer.evaluate(trainer.model, data)
        assert found == pytest.approx([roc_auc_score(y, predictions[:, 0]), error])


def test_evaluation_keeps_the_rows_that_a_loader_drops_and_those_that_a_sampler_draws(make):
    trainer, (x, y) = make("clicks"), rows()
    p = of_the_model(trainer, x).reshape(-1)
    data, picked = TorchDataset(x, y), [5, 3, 90, 41, 7, 8]
    for loader in (
        DataLoader(data, 7, drop_last=True),
        DataLoader(data, 7, shuffle=True, drop_last=True),
        DataLoader(data, 7, shuffle=True),
    ):
        assert trainer.evaluate(trainer.model, loader) == pytest.approx(roc_auc_score(y, p))
    sampler = torch.utils.data.SubsetRandomSampler(picked)
    expected = roc_auc_score(y[picked], p[picked])
    for loader in (DataLoader(data, 4, sampler=sampler), Subset(data, picked)):
        assert trainer.evaluate(trainer.model, loader) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["clicks", "point-wise", "tasks"])
def test_predictions_of_drawn_rows_are_refused(make, name):
    trainer, data = make(name), PredictDataset(rows()[0])
    loader = DataLoader(data, 7, sampler=WeightedRandomSampler(torch.ones(N), N))
    with pytest.raises(ValueError, match="WeightedRandomSampler leaves out or repeats some"):
        trainer.predict(trainer.model, loader)


def test_embeddings_are_those_of_the_rows_in_order(make, tmp_path):
    trainer, x = make("point-wise"), rows()[0]
    torch.save(trainer.model.state_dict(), tmp_path / "model.pth")
    with torch.no_grad():
        expected = trainer.model.eval().user_tower(x)
    users = {"user": x["user"]}
    for form, given in FRAMES.items():
        found = trainer.inference_embedding(trainer.model, "user", given(users), tmp_path)
        assert torch.allclose(found, expected), form
    with pytest.raises(ValueError, match="data_loader has no batches"):
        trainer.inference_embedding(trainer.model, "user", {"user": []}, tmp_path)


def test_retrieval_is_measured_on_users_and_items_of_every_form(make):
    trainer = make("point-wise")
    users, items = {"user": torch.arange(12)}, {"item": torch.arange(12)}
    relevant = [[i, (i + 3) % 12] for i in range(12)]

    def measured(form):
        data = RetrievalData(users=form(users), items=form(items), relevant=relevant, k=4)
        return trainer.evaluate_retrieval(trainer.model, data)

    with torch.no_grad():
        trainer.model.eval()
        scores = trainer.model.user_tower(users) @ trainer.model.item_tower(items).T
    best = scores.topk(4, dim=1).indices.tolist()
    hits = [len(set(row) & set(its)) for row, its in zip(best, relevant, strict=True)]
    for name, form in FRAMES.items():
        found = measured(form)
        assert found["recall@4"] == pytest.approx(sum(hits) / 2 / 12), name
        assert found["hit@4"] == pytest.approx(sum(h > 0 for h in hits) / 12), name


def sequences():
    tokens = rows()[0]["steps"]
    return {
        "seq_tokens": tokens,
        "seq_positions": torch.arange(4).repeat(N, 1),
        "targets": tokens[:, 1],
        "seq_time_diffs": tokens * 60,
    }


@pytest.mark.parametrize("form", ["lists", "arrays", "tensors", "pandas", "polars", "arrow"])
def test_sequences_are_evaluated_as_a_table_and_as_a_data_set(make, form):
    trainer, columns = make("next items"), sequences()
    data = SeqDataset(**columns)
    expected = trainer.evaluate(TableLoader(data, N))
    table = FRAMES[form](columns)
    for given in (table, data, DataLoader(data, 7, drop_last=True)):
        assert trainer.evaluate(given) == pytest.approx(expected)
    assert trainer.evaluate_topk(table, [3]) == trainer.evaluate_topk(TableLoader(data, 8), [3])


def test_histories_are_evaluated_and_answered_as_a_data_set(make, tmp_path):
    trainer, batches = TRAINING_RUNS["next codes"](model_path=tmp_path)
    data, collate = histories(), trainer.collate_fn
    assert trainer.evaluate(data) == pytest.approx(trainer.evaluate(batches))
    assert trainer.evaluate_topk(data, [3]) == pytest.approx(trainer.evaluate_topk(batches, [3]))
    expected = trainer.recommend(batches, num_beams=3)
    assert trainer.recommend(data, num_beams=3) == expected
    for options in ({"shuffle": True}, {"drop_last": True}):
        loader = DataLoader(data, 32, collate_fn=collate, **options)
        assert trainer.recommend(loader, num_beams=3) == expected


def test_embeddings_of_items_are_evaluated_as_an_array(make):
    trainer = make("codes")
    vectors = torch.randn(N, 6)
    with torch.no_grad():
        codes = trainer.model.eval().get_indices(vectors)
    expected = 1 - len({tuple(row) for row in codes.tolist()}) / N
    loader = DataLoader(vectors, 7, shuffle=True, drop_last=True)
    as_array = vectors.numpy().astype(np.float64)
    for data in (vectors, as_array, TensorDataset(vectors), [vectors], vectors.split(32), loader):
        assert trainer.evaluate(data) == pytest.approx(expected)


def test_data_come_in_batches_of_the_size_that_is_set(make):
    sizes = []

    class Counting(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            sizes.append(len(x["user"]))
            return self.model(x)

    for asked, expected in ((None, [N]), (40, [40, 40, 16])):
        trainer = make("clicks", eval_batch_size=asked)
        trainer.predict(Counting(trainer.model), rows()[0])
        assert sizes == expected
        sizes.clear()


def test_columns_that_no_feature_names_may_hold_texts(make):
    trainer, (x, y) = make("clicks"), rows()
    frame = pd.DataFrame({"name": ["ann"] * N, **FRAMES["lists"](x)})
    assert trainer.predict(trainer.model, frame) == trainer.predict(trainer.model, x)
    assert not math.isnan(trainer.evaluate(trainer.model, (frame, y)))
    frame["user"] = "ann"
    with pytest.raises(TypeError, match=r"column 'user' holds .*, not numbers"):
        trainer.predict(trainer.model, frame)


def test_errors_of_use_say_what_to_give(make):
    trainer, (x, _) = make("clicks"), rows()
    with pytest.raises(TypeError, match="the model comes first, then the data, got dict"):
        trainer.predict(x, trainer.model)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'data_loader'"):
        trainer.predict(x)
    with pytest.raises(ValueError, match=r"evaluation needs labels: give \(x, y\)"):
        trainer.evaluate(trainer.model, x)
    with pytest.raises(TypeError, match=r"data must be a loader, .* got None"):
        trainer.predict(trainer.model, None)
    with pytest.raises(ValueError, match="column 'user' is a single value"):
        trainer.predict(trainer.model, {"user": 3})
    assert trainer.predict(trainer.model, {name: column[:0] for name, column in x.items()}) == []
