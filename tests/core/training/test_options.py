"""The options of every trainer: clipping, accumulation, precision, speed."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.data.loader import PredictDataset, TableLoader, TorchDataset
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import DSSM
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import WideDeep
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer
from torch_rechub.training.steps import scale_gradients

FIELDS = [SparseFeature("user", 50, embed_dim=4), SparseFeature("item", 40, embed_dim=4)]


def rows(n=240, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = {"user": torch.randint(0, 50, (n,), generator=g)}
    x |= {"item": torch.randint(0, 40, (n,), generator=g)}
    return x, ((x["user"] + x["item"]) % 2).float()


class Plain(nn.Module):
    """A model without batch normalization, so that batches can be put together."""

    def __init__(self, sparse=False):
        super().__init__()
        self.inner = WideDeep(FIELDS, FIELDS, {"dims": []})
        self.scale = nn.Parameter(torch.ones(()))

    def logits(self, x):
        return self.inner.logits(x) * self.scale

    def forward(self, x):
        return self.logits(x).sigmoid()


def make(tmp_path, model=None, **kwargs):
    torch.manual_seed(1)
    settings = {"optimizer_fn": torch.optim.SGD, "optimizer_params": {"lr": 0.5}, "n_epoch": 1}
    return CTRTrainer(model or Plain(), model_path=tmp_path, **{**settings, **kwargs})


def fit(trainer, batch_size, n=240):
    trainer.fit(TableLoader(TorchDataset(*rows(n)), batch_size))
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def close(found, expected):
    return all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)


# Accumulation


@pytest.mark.parametrize("update", ["dense", "lazy"])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_three_batches_to_a_step_are_one_of_three_times_the_rows(tmp_path, update, optimizer):
    settings = {"optimizer_fn": optimizer, "embedding_update": update}
    settings |= {"optimizer_params": {"lr": 0.01, "weight_decay": 0.1}}
    small = fit(make(tmp_path, accumulate=3, **settings), 20)
    large = fit(make(tmp_path, **settings), 60)
    assert close(small, large)


def test_the_last_batches_of_an_epoch_are_an_optimizer_step_of_their_own(tmp_path):
    # 240 rows in batches of 20 are 12: two steps of 5 batches, and one of 2
    trainer = make(tmp_path, accumulate=5, embedding_update="dense")
    expected = Plain()
    expected.load_state_dict(trainer.model.state_dict())
    optimizer = torch.optim.SGD(expected.parameters(), lr=0.5)
    x, y = rows()
    for part in (slice(0, 100), slice(100, 200), slice(200, 240)):
        logits = expected.logits({name: column[part] for name, column in x.items()})
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(logits, y[part]).backward()
        optimizer.step()
    assert close(fit(trainer, 20), expected.state_dict())


def test_a_schedule_by_the_batch_moves_once_a_step(tmp_path):
    schedule = {"scheduler_fn": torch.optim.lr_scheduler.StepLR, "scheduler_step": "batch"}
    trainer = make(tmp_path, accumulate=4, scheduler_params={"step_size": 1}, **schedule)
    fit(trainer, 20)
    assert trainer.scheduler.last_epoch == 3


# Clipping


@pytest.mark.parametrize("limit", [0.01, 1e9])
def test_clipping_is_torchs(tmp_path, limit):
    ours = make(tmp_path, max_grad_norm=limit, embedding_update="dense")
    theirs = Plain()
    theirs.load_state_dict(ours.model.state_dict())
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.5)
    x, y = rows()
    loss = nn.functional.binary_cross_entropy_with_logits(theirs.logits(x), y)
    loss.backward()
    nn.utils.clip_grad_norm_(theirs.parameters(), limit)
    optimizer.step()
    assert close(fit(ours, 240), theirs.state_dict())


def test_sparse_gradients_count_in_the_norm_each_row_once(tmp_path):
    lazy = fit(make(tmp_path, max_grad_norm=0.01, embedding_update="lazy"), 60)
    dense = fit(make(tmp_path, max_grad_norm=0.01, embedding_update="dense"), 60)
    unclipped = fit(make(tmp_path, embedding_update="dense"), 60)
    assert close(lazy, dense)
    assert not close(lazy, unclipped)


def test_the_norm_of_dense_and_sparse_gradients_together():
    table, dense = nn.Embedding(5, 2, sparse=True), nn.Linear(2, 1)
    optimizer = torch.optim.SGD([*table.parameters(), *dense.parameters()], lr=1.0)
    dense(table(torch.tensor([1, 1, 3]))).sum().backward()
    whole = torch.cat([p.grad.to_dense().flatten() for p in optimizer.param_groups[0]["params"]])
    scale_gradients(optimizer, 3.0, max_norm=0.5)
    found = torch.cat([p.grad.to_dense().flatten() for p in optimizer.param_groups[0]["params"]])
    torch.testing.assert_close(found, whole * 0.5 / whole.norm())


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"accumulate": 0}, "accumulate must be at least 1, got 0"),
        ({"max_grad_norm": 0.0}, "max_grad_norm must be above 0, got 0.0"),
        ({"mixed_precision": "fp16"}, "mixed_precision must be None or 'bf16', got 'fp16'"),
        ({"compile": True, "gpus": [0, 1], "device": "cpu"}, "compile=True goes with one device"),
    ],
)
def test_settings_out_of_their_range(tmp_path, kwargs, message, monkeypatch):
    monkeypatch.setattr(nn.Module, "to", lambda self, device: self)  # there may be no such GPU
    with pytest.raises(ValueError, match=message):
        make(tmp_path, **kwargs)


# Precision


def test_bf16_computes_in_bf16_and_keeps_weights_in_float32(tmp_path):
    model, seen = Plain(), []
    model.inner.mlp.register_forward_hook(
        lambda m, i, output: seen.append(output.dtype) if m.training else None
    )
    trainer = make(tmp_path, model, mixed_precision="bf16", n_epoch=4)
    fit(trainer, 60)
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    assert trainer.history[-1]["train/loss"] < trainer.history[0]["train/loss"]
    loader = TableLoader(TorchDataset(*rows()), 60)
    full = torch.tensor(trainer.predict(trainer.model, loader))
    assert torch.equal(full, trainer.model(rows()[0]))


def test_every_trainer_trains_in_bf16(tmp_path):
    x, y = rows()
    torch.manual_seed(0)
    common = {"mixed_precision": "bf16", "n_epoch": 40, "model_path": tmp_path}
    common["optimizer_params"] = {"lr": 0.02}
    tower = {"dims": [4]}
    match = DSSM(FIELDS[:1], FIELDS[1:], tower, tower, temperature=0.1)
    multi = SharedBottom(FIELDS, ["classification", "regression"], tower, [tower, tower])
    hstu = HSTUModel(30, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=6)
    tokens = torch.arange(1, 61).reshape(10, 6) % 29 + 1
    for trainer, data in (
        (MatchTrainer(match, **common), [(x, ((x["user"] > 25) == (x["item"] > 20)).float())]),
        (MatchTrainer(match, in_batch_neg=True, **common), [x]),
        (MTLTrainer(multi, multi.task_types, **common), [(x, torch.stack([y, y], 1))]),
        (SeqTrainer(hstu, **common), [(tokens, tokens, tokens, tokens[:, 0])]),
    ):
        trainer.fit(data)
        names = trainer.loss_names
        losses = [sum(row[name] for name in names) for row in trainer.history]
        assert losses[-1] < losses[0], type(trainer).__name__


# Evaluation in larger batches


class Counting(Plain):
    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, x):
        self.sizes.append(len(x["user"]))
        return super().forward(x)


@pytest.mark.parametrize(
    ("asked", "sizes"), [(None, [240]), (100, [100, 100, 40]), (1000, [240]), (7, [7] * 34 + [2])]
)
def test_rows_are_evaluated_in_larger_batches_with_the_same_result(tmp_path, asked, sizes):
    trainer = make(tmp_path, Counting(), eval_batch_size=asked)
    table, plain = TorchDataset(*rows()), torch.utils.data.DataLoader
    auc = trainer.evaluate(trainer.model, TableLoader(table, 30))
    assert trainer.model.sizes == sizes
    assert auc == pytest.approx(trainer.evaluate(trainer.model, plain(table, 30)))
    ordered = trainer.predict(trainer.model, TableLoader(PredictDataset(rows()[0]), 30))
    assert ordered == pytest.approx(trainer.model(rows()[0]).tolist())


def test_wide_rows_come_in_smaller_batches_and_own_loaders_as_they_are(tmp_path):
    seen = SequenceFeature("seen", 9, embed_dim=2, pooling="mean")
    model = WideDeep([], [seen, DenseFeature("age")], {"dims": [2]})
    trainer = CTRTrainer(model, model_path=tmp_path)
    x = {"seen": torch.zeros(10, 1000, dtype=torch.long), "age": torch.zeros(10)}
    loader = TableLoader(PredictDataset(x), 2)
    assert loader.width == 1001
    assert trainer.batches.in_large_batches(loader).batch_size == 2**19 // 1001
    shuffled = TableLoader(PredictDataset(x), 2, shuffle=True)
    assert trainer.batches.in_large_batches(shuffled) is shuffled
    own = [x]
    assert trainer.batches.in_large_batches(own) is own
    large = TableLoader(PredictDataset(x), 9000)
    assert trainer.batches.in_large_batches(large).batch_size == 9000


def test_evaluation_draws_as_much_from_the_random_state_as_before(tmp_path):
    states = []
    for size in (None, 30):
        trainer = make(tmp_path, eval_batch_size=size)
        trainer.evaluate(trainer.model, TableLoader(TorchDataset(*rows()), 30))
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


# Loading ahead, compiling


def test_loading_ahead_changes_nothing_on_a_cpu(tmp_path):
    assert close(fit(make(tmp_path, prefetch=True), 30), fit(make(tmp_path), 30))


COMPILED = """
import sys, tempfile, torch
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

def train(**options):
    torch.manual_seed(0)
    fields = [SparseFeature("user", 50, embed_dim=4), SparseFeature("item", 40, embed_dim=4)]
    x = {"user": torch.arange(300) % 50, "item": torch.arange(300) % 40}
    y = (x["user"] + x["item"]) % 2
    train, val, _ = DataGenerator(x, y).generate_dataloader(x_val=x, y_val=y, batch_size=64)
    model = DeepFM(fields, fields, {"dims": [8]})
    params = {"optimizer_params": {"lr": 0.01}, "n_epoch": 3, "model_path": tempfile.mkdtemp()}
    trainer = CTRTrainer(model, device=sys.argv[1], **params, **options)
    trainer.fit(train, val)
    bad = [({"user": torch.tensor([50, 1]), "item": torch.tensor([0, 1])}, torch.tensor([0, 1]))]
    try:
        trainer.train_one_epoch(bad)
    except IndexError as error:
        return [row["train/loss"] for row in trainer.history], str(error)[:20]

for update in ("dense", "lazy"):
    plain, compiled = train(embedding_update=update), train(embedding_update=update, compile=True)
    assert compiled[1] == plain[1] == "feature 'user': id 5", (compiled, plain)
    for a, b in zip(plain[0], compiled[0], strict=True):
        assert abs(a - b) < 1e-4, (plain, compiled)
print("same losses")
"""


@pytest.mark.slow
def test_a_compiled_model_trains_to_the_same_losses(tmp_path, device):
    script = tmp_path / "compiled.py"
    script.write_text(COMPILED)
    done = subprocess.run(
        [sys.executable, script, device], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "same losses\n"
