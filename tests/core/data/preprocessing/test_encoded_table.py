"""Encoded rows: a mapping of inputs with labels and weights, sliced, split, loaded, trained."""

import numpy as np
import pytest
import torch

from torch_rechub.data.preprocessing import (
    Categorical,
    Embedding,
    EncodedTable,
    MultiCategorical,
    Numeric,
    Preprocessor,
)
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, MTLTrainer
from torch_rechub.utils.data import DataGenerator

N = 64


@pytest.fixture(scope="module")
def fitted():
    generator = np.random.default_rng(0)
    log = {
        "user": generator.integers(0, 20, N),
        "tags": [["a", "b", "c"][: i % 4] for i in range(N)],
        "age": [None if i % 9 == 0 else i for i in range(N)],
        "image": generator.normal(size=(N, 3)),
        "click": generator.integers(0, 2, N),
        "buy": generator.integers(0, 2, N),
        "weight": generator.random(N),
    }
    columns = [Categorical("user"), MultiCategorical("tags"), Numeric("age", scale="standard"),
               Embedding("image")]  # fmt: skip
    return Preprocessor(columns, targets=["click"], weight="weight"), log


def test_it_is_a_mapping_of_inputs_alone(fitted):
    preprocessor, log = fitted
    table = preprocessor.fit_transform(log)
    assert list(table) == ["user", "tags", "age", "image"]
    assert len(table) == 4
    assert table.n_rows == N
    assert np.array_equal(table.y, log["click"].astype(np.float32))
    assert np.array_equal(table.weights, log["weight"].astype(np.float32))
    assert "64 rows" in repr(table)
    assert EncodedTable({}).n_rows == 0


def test_rows_keep_labels_and_weights(fitted):
    preprocessor, log = fitted
    table = preprocessor.fit_transform(log)
    for rows in (slice(3, 9), [5, 1], log["click"] == 1):
        part = table.rows(rows)
        for name in table:
            assert np.array_equal(part[name], table[name][rows])
        assert np.array_equal(part.y, table.y[rows])
        assert np.array_equal(part.weights, table.weights[rows])


def test_a_split_has_every_row_once_and_a_seed_repeats_it():
    table = EncodedTable({"i": np.arange(101)}, y=np.arange(101))
    parts = table.split([0.8, 0.1], seed=4)
    assert [part.n_rows for part in parts] == [80, 10, 11]
    assert sorted(np.concatenate([part["i"] for part in parts])) == list(range(101))
    assert all(np.array_equal(part["i"], part.y) for part in parts)
    again = table.split([0.8, 0.1], seed=4)
    assert all(np.array_equal(a["i"], b["i"]) for a, b in zip(parts, again, strict=True))
    in_order = table.split([0.5])
    assert np.array_equal(np.concatenate([part["i"] for part in in_order]), np.arange(101))
    assert [part.n_rows for part in table.split([0.1, 0.2, 0.7])] == [10, 20, 71, 0]


@pytest.mark.parametrize("shares", [[0.9, 0.2], [-0.1]])
def test_shares_out_of_range_are_refused(shares):
    with pytest.raises(ValueError, match="shares must be at least 0 and sum to at most 1"):
        EncodedTable({"i": np.arange(3)}).split(shares)


def test_batches_of_the_loader_are_the_rows(fitted):
    preprocessor, log = fitted
    table = preprocessor.fit_transform(log)
    batches = list(table.loader(batch_size=10))
    assert len(batches) == 7
    for name in table:
        joined = torch.cat([x[name] for x, _, _ in batches])
        assert np.array_equal(joined.numpy(), table[name])
    assert np.array_equal(torch.cat([y for _, y, _ in batches]).flatten(), table.y)
    assert np.array_equal(torch.cat([w for _, _, w in batches]).flatten(), table.weights)
    serving = preprocessor.transform({c: log[c] for c in ("user", "tags", "age", "image")})
    assert serving.y is None
    assert serving.weights is None
    assert sorted(next(iter(serving.loader(4)))) == ["age", "image", "tags", "user"]


def test_a_ranking_model_trains_and_predicts_from_it(fitted, tmp_path):
    """Ids of int32 train, and the rows given to predict need no loader."""
    preprocessor, log = fitted
    table = preprocessor.fit_transform(log)
    user, tags, age, image = preprocessor.features(embed_dim=4)
    torch.manual_seed(0)
    model = DeepFM([user, tags, age, image], [user, tags], {"dims": [8], "dropout": 0})
    trainer = CTRTrainer(model, n_epoch=1, model_path=str(tmp_path), progress=False)
    trainer.fit(table.loader(16, shuffle=True), table.loader(16))
    predicted = np.asarray(trainer.predict(model, table))
    from_loader = np.asarray(trainer.predict(model, table.loader(16)))
    assert predicted.shape == (N,)
    assert np.allclose(predicted, from_loader, atol=1e-6)
    as_int64 = {k: v.astype(np.int64) if v.dtype == np.int32 else v for k, v in table.items()}
    assert np.allclose(predicted, np.asarray(trainer.predict(model, as_int64)))


def test_several_labels_train_a_multi_task_model(fitted, tmp_path):
    _, log = fitted
    both = Preprocessor([Categorical("user"), Numeric("age")], targets=["click", "buy"])
    table = both.fit_transform(log)
    assert np.array_equal(table.y, np.stack([log["click"], log["buy"]], axis=1))
    torch.manual_seed(0)
    towers = [{"dims": [4]}, {"dims": [4]}]
    model = SharedBottom(both.features(embed_dim=4), ["classification"] * 2, {"dims": [8]}, towers)
    trainer = MTLTrainer(model, ["classification"] * 2, n_epoch=1, model_path=str(tmp_path),
                         progress=False)  # fmt: skip
    trainer.fit(table.loader(16), table.loader(16))


def test_a_data_generator_takes_it(fitted):
    preprocessor, log = fitted
    table = preprocessor.fit_transform(log)
    train, *_ = DataGenerator(table, table.y).generate_dataloader(batch_size=N)
    x, y = next(iter(train))
    assert x["tags"].shape == (N, 3)
    assert sorted(y.flatten().tolist()) == sorted(table.y.tolist())
