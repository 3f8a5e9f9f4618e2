"""Updates of embedding tables in a training run: the way chosen, and that all else goes with it."""

import logging

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.basic.initializers import Pretrained
from torch_rechub.models.ranking import DeepFM, WideDeep
from torch_rechub.optim import JointOptimizer
from torch_rechub.trainers import CTRTrainer, MatchTrainer
from torch_rechub.training import lazy_tables as module
from torch_rechub.utils.data import DataGenerator

LARGE, SMALL = 70_000, 50  # rows of 16 numbers: above 2 ** 19 in all, and below
N = 400


def fields(vocab=LARGE, dim=16):
    return [
        SparseFeature("user", vocab, embed_dim=dim),
        SparseFeature("item", SMALL, embed_dim=dim),
        SequenceFeature("seen", SMALL, embed_dim=dim, shared_with="item", pooling="mean"),
    ]


def table(n=N, users=SMALL, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = {
        "user": torch.randint(0, users, (n,), generator=g),
        "item": torch.randint(0, SMALL, (n,), generator=g),
        "seen": torch.randint(0, SMALL, (n, 4), generator=g),
    }
    return x, ((x["user"] + x["item"]) % 2)


def make(tmp_path, vocab=LARGE, dim=16, **kwargs):
    torch.manual_seed(3)
    model = WideDeep(fields(vocab, dim), fields(vocab, dim), {"dims": [8]})
    settings = {"optimizer_params": {"lr": 0.01}, "n_epoch": 2, "model_path": tmp_path}
    return CTRTrainer(model, **{**settings, **kwargs})


def fit(trainer, shuffle_seed=5):
    torch.manual_seed(shuffle_seed)
    x, y = table()
    train, val, _ = DataGenerator(x, y).generate_dataloader(x, y, batch_size=50)
    trainer.fit(train, val)
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


# Choice of optimizers


@pytest.mark.parametrize(
    ("optimizer", "params", "vocab", "update"),
    [
        (Adam, {"lr": 0.01}, LARGE, "lazy"),
        (AdamW, {"lr": 0.01}, LARGE, "lazy"),
        (Adam, None, LARGE, "lazy"),
        (Adam, {"lr": 0.01}, SMALL, "dense"),
        (Adagrad, {"lr": 0.01}, SMALL, "lazy"),
        (SGD, {"lr": 0.01}, SMALL, "lazy"),
        (Adagrad, {"lr": 0.01, "weight_decay": 0.1}, SMALL, "dense"),
        (SGD, {"lr": 0.01, "momentum": 0.9}, SMALL, "dense"),
        (SGD, {"lr": 0.01, "momentum": 0.9}, LARGE, "lazy"),
        (RMSprop, {"lr": 0.01}, LARGE, "dense"),
        (Adam, {"lr": 0.01, "amsgrad": True}, LARGE, "dense"),
        (Adam, {"lr": 0.01, "fused": True}, LARGE, "lazy"),
    ],
)
def test_the_default_by_size_and_optimizer(tmp_path, optimizer, params, vocab, update):
    trainer = make(tmp_path, vocab, optimizer_fn=optimizer, optimizer_params=params)
    assert trainer.embedding_update == update
    assert trainer.hyperparams()["embedding_update"] == update
    assert trainer.hyperparams()["optimizer"] == optimizer.__name__
    assert isinstance(trainer.optimizer, JointOptimizer if update == "lazy" else optimizer)


def test_a_penalty_on_embeddings_concerns_every_row(tmp_path):
    trainer = make(tmp_path, regularization_params={"embedding_l2": 0.1})
    assert trainer.embedding_update == "dense"
    fit(trainer)


def test_it_is_said_once_in_the_log(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="torch_rechub")
    make(tmp_path)
    (record,) = caplog.records
    assert "only the rows it touched of 70050 in embedding tables" in record.getMessage()
    caplog.clear()
    make(tmp_path, optimizer_fn=RMSprop)
    assert "every row of the embedding tables: RMSprop has no lazy form" in caplog.text


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"embedding_update": "sparse"}, "one of auto, dense, lazy, row_wise, got 'sparse'"),
        ({"embedding_update": "lazy", "optimizer_fn": RMSprop}, "RMSprop has no lazy form"),
        (
            {"embedding_update": "lazy", "optimizer_params": {"lr": 0.1, "amsgrad": True}},
            "the lazy form of Adam has no amsgrad",
        ),
        ({"embedding_update": "row_wise", "optimizer_fn": SGD}, "SGD has no second moment"),
        (
            {"embedding_update": "lazy", "regularization_params": {"embedding_l1": 0.1}},
            "concerns every row",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, **kwargs)


# Results of training


def assert_same_tables(found, expected):
    # biases before a batch normalization have no gradient but rounding, which Adam makes large
    tables = [name for name in found if "embed_dict" in name]
    assert tables
    for name in tables:
        torch.testing.assert_close(found[name], expected[name], atol=1e-4, rtol=1e-3)


def test_dense_and_lazy_are_the_same_where_they_should_be(tmp_path):
    settings = {"optimizer_fn": Adagrad, "optimizer_params": {"lr": 0.05}}
    lazy = fit(make(tmp_path, SMALL, **settings))
    dense = fit(make(tmp_path, SMALL, embedding_update="dense", **settings))
    assert_same_tables(lazy, dense)


def test_a_dense_update_is_torchs_own_to_rounding(tmp_path):
    class Plain(Adam):  # no optimizer of torch, so none of its fused forms
        pass

    fused = fit(make(tmp_path, SMALL, embedding_update="dense"))
    plain = fit(make(tmp_path, SMALL, optimizer_fn=Plain))
    assert_same_tables(fused, plain)


@pytest.mark.parametrize("update", ["lazy", "row_wise"])
@pytest.mark.parametrize("optimizer", [Adam, AdamW, Adagrad])
def test_rows_that_no_batch_touched_stay(tmp_path, update, optimizer):
    trainer = make(tmp_path, optimizer_fn=optimizer, embedding_update=update)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    after = fit(trainer)
    users = [name for name in after if "embed_dict.user" in name]
    assert users
    for name in users:
        assert torch.equal(after[name][SMALL:], before[name][SMALL:])
        assert not torch.equal(after[name][:SMALL], before[name][:SMALL])
    assert trainer.history[-1]["val/auc"] > 0.6


def test_row_wise_keeps_one_second_moment_a_row(tmp_path):
    trainer = make(tmp_path, embedding_update="row_wise")
    fit(trainer)
    shapes = {tuple(s["exp_avg_sq"].shape) for s in trainer.optimizer.state.values()}
    assert (LARGE + SMALL, 1) in shapes
    assert (LARGE + SMALL, 16) not in shapes


def test_no_gradient_of_the_whole_table_exists(tmp_path):
    trainer = make(tmp_path)
    fit(trainer)
    table = trainer.model.embedding.stack_16
    assert table.grad.is_sparse
    assert table.grad._values().shape[0] < LARGE


def test_frozen_and_pretrained_slices_and_padding_go_with_it(tmp_path):
    given = torch.arange(20 * 8.0).reshape(20, 8)
    features = [
        SparseFeature("user", LARGE, embed_dim=16, padding_idx=0),
        SparseFeature("item", 20, embed_dim=8, initializer=Pretrained(given, freeze=True)),
    ]
    torch.manual_seed(0)
    model = WideDeep([], features, {"dims": [8]})
    trainer = CTRTrainer(model, n_epoch=1, model_path=tmp_path, embedding_update="lazy")
    before = model.embedding.table("user").clone()
    x = {"user": torch.arange(40) % 4, "item": torch.arange(40) % 20}
    trainer.fit([(x, torch.arange(40) % 2)])
    assert torch.equal(model.embedding.table("item"), given)
    assert torch.equal(model.embedding.table("user")[0], before[0])
    assert not torch.equal(model.embedding.table("user")[1:4], before[1:4])


@pytest.mark.parametrize(
    "schedule", [{"scheduler_fn": StepLR, "scheduler_params": {"step_size": 1, "gamma": 0.1}}]
)
def test_a_schedule_moves_the_rate_of_tables(tmp_path, schedule):
    trainer = make(tmp_path, **schedule)
    fit(trainer)
    assert [g["lr"] for g in trainer.optimizer.param_groups] == [pytest.approx(1e-4)]
    parts = [g["lr"] for part in trainer.optimizer.optimizers for g in part.param_groups]
    assert parts == [pytest.approx(1e-3)] * 2  # of the last step
    assert [row["learning_rate"] for row in trainer.history] == [0.01, pytest.approx(1e-3)]


def test_an_interrupted_training_ends_in_the_very_same_weights(tmp_path):
    def run(folder, n_epoch):
        trainer = make(tmp_path / folder, n_epoch=n_epoch, scheduler_fn=ReduceLROnPlateau)
        torch.manual_seed(5)
        x, y = table()
        train, val, _ = DataGenerator(x, y).generate_dataloader(x, y, batch_size=50)
        trainer.fit(train, val, resume=True)
        return trainer

    unbroken = run("a", 4)
    run("b", 2)
    again = run("b", 4)
    for name, value in unbroken.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_a_second_trainer_decides_anew(tmp_path):
    trainer = make(tmp_path)
    fit(trainer)
    second = CTRTrainer(
        trainer.model, optimizer_fn=RMSprop, n_epoch=1, model_path=tmp_path / "second"
    )
    fit(second)
    assert not trainer.model.embedding.stack_16.grad.is_sparse


def test_a_table_that_is_also_read_whole_is_updated_whole(tmp_path):
    class Tied(nn.Module):
        """Scores every item by the table that looked the user's items up."""

        def __init__(self):
            super().__init__()
            self.inner = DeepFM(fields(SMALL), fields(SMALL)[:2], {"dims": [4]})

        def forward(self, x):
            scores = self.inner.embedding.table("item").mean()
            return torch.sigmoid(self.inner.logits(x) + scores)

    found = []
    for update in ("lazy", "dense"):
        torch.manual_seed(0)
        settings = {"optimizer_fn": Adagrad, "embedding_update": update, "n_epoch": 1}
        trainer = CTRTrainer(Tied(), model_path=tmp_path, optimizer_params={"lr": 0.1}, **settings)
        x, y = table()
        trainer.fit([(x, y)])
        found.append(trainer.model.inner.embedding.table("item").detach().clone())
    torch.testing.assert_close(*found)


def test_in_batch_negatives_train_lazily(tmp_path):
    from torch_rechub.models.matching import DSSM

    users, items = [SparseFeature("user", LARGE)], [SparseFeature("item", LARGE)]
    torch.manual_seed(0)
    model = DSSM(users, items, {"dims": [8]}, {"dims": [8]}, temperature=0.1)
    settings = {"optimizer_params": {"lr": 0.01}, "n_epoch": 30, "model_path": tmp_path}
    trainer = MatchTrainer(model, in_batch_neg=True, **settings)
    x = {"user": torch.arange(30), "item": torch.arange(30)}
    trainer.fit([x])
    assert trainer.embedding_update == "lazy"
    assert trainer.history[-1]["train/loss"] < 0.2 * trainer.history[0]["train/loss"]


def test_the_size_from_which_tables_are_lazy_is_half_a_million_numbers():
    assert module.LAZY_FROM == 2**19
