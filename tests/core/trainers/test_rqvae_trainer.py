"""The trainer of RQ-VAE: its losses, the collision rate, the files it leaves, what it records."""

import math

import pytest
import torch
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

from torch_rechub.models.generative import RQVAEModel
from torch_rechub.trainers.rqvae_trainer import Trainer

N = 60


def embeddings():
    """Twelve kinds of items, five each, well apart; of any sign."""
    generator = torch.Generator().manual_seed(3)
    kinds = torch.randn(12, 6, generator=generator) * 3
    return kinds.repeat(5, 1) + 0.05 * torch.randn(N, 6, generator=generator)


@pytest.fixture
def loader():
    return DataLoader(embeddings(), batch_size=25)  # a last batch of ten


@pytest.fixture
def make(tmp_path):
    def make(model=None, **kwargs):
        torch.manual_seed(0)
        if model is None:
            model = RQVAEModel(6, [6, 6], e_dim=4, layers=[16], kmeans_init=True)
        settings = {
            "optimizer_params": {"lr": 0.01},
            "n_epoch": 3,
            "eval_step": 2,
            "model_path": tmp_path / "model",
            "progress": False,
            **kwargs,
        }
        return Trainer(model, **settings)

    return make


def saved(tmp_path):
    return {
        file.name: torch.load(file, weights_only=True) for file in (tmp_path / "model").iterdir()
    }


def collisions(model, x):
    ids = [tuple(row) for row in model.eval().get_indices(x).tolist()]
    return sum(ids[i] in ids[:i] for i in range(len(ids))) / len(ids)


def test_an_epochs_losses_are_means_over_items(make, loader):
    trainer = make(optimizer_params={"lr": 0.0}, optimizer_fn=torch.optim.SGD)
    next_batch = next(iter(loader))
    trainer.model(next_batch)  # sets the codebooks
    sums = torch.zeros(2)
    for x in loader:
        out, quant_loss, _ = trainer.model(x)
        sums += len(x) * torch.stack(trainer.model.compute_loss(out, quant_loss, x)).detach()
    assert trainer.train_one_epoch(loader) == pytest.approx((sums / N).tolist(), rel=1e-5)


def test_the_reconstruction_is_not_counted_twice_in_the_gradient(make, loader):
    trainer = make(optimizer_params={"lr": 1.0}, optimizer_fn=torch.optim.SGD)
    x = next(iter(loader))
    trainer.model(x)
    before = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
    out, quant_loss, _ = trainer.model(x)
    trainer.model.compute_loss(out, quant_loss, x)[0].backward()
    expected = {n: before[n] - p.grad for n, p in trainer.model.named_parameters()}
    trainer.model.zero_grad()
    trainer.train_one_epoch([x])
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name])


def test_the_collision_rate_is_the_share_of_items_whose_codes_are_taken(make, loader):
    trainer = make()
    trainer.fit(loader)
    rate = trainer.evaluate(loader)
    assert rate == pytest.approx(collisions(trainer.model, embeddings()))
    assert 0 < rate < 1


def test_it_learns_codes_that_tell_kinds_of_items_apart(make, loader):
    trainer = make(n_epoch=150)
    trainer.fit(loader)
    x = embeddings()
    codes = trainer.model.eval().get_indices(x)
    ids = [{tuple(c) for c in codes[kind::12].tolist()} for kind in range(12)]
    assert sum(len(kind) == 1 for kind in ids) >= 11
    assert len(set.union(*ids)) == sum(map(len, ids))  # no two kinds share one
    out = trainer.model(x)[0]
    assert (out - x).square().mean() < 0.05 * x.square().mean()
    assert (out[x < -2] < 0).all()  # negative values are reconstructed


def test_the_rate_is_computed_every_few_epochs_and_after_the_last(make, loader):
    for n_epoch, eval_step, at in ((5, 2, [1, 3, 4]), (4, 2, [1, 3]), (2, 50, [1]), (1, 1, [0])):
        trainer = make(n_epoch=n_epoch, eval_step=eval_step)
        best = trainer.fit(loader)
        rates = [row.get("val/collision_rate") for row in trainer.history]
        assert [i for i, rate in enumerate(rates) if rate is not None] == at
        assert best[1] == min(rate for rate in rates if rate is not None)
        assert best[0] == min(row["train/loss"] for row in trainer.history)


def test_defaults_evaluate_and_save(loader, tmp_path):
    # 10 epochs, fewer than the 50 between two evaluations
    model = RQVAEModel(6, [4], e_dim=3, layers=[])
    best_loss, best_rate = Trainer(model, model_path=tmp_path / "model").fit(loader)
    assert math.isfinite(best_loss)
    assert 0 <= best_rate < 1
    assert sorted(saved(tmp_path)) == ["model_best_collision_rate.pth", "model_best_loss.pth"]


def test_the_files_hold_the_weights_of_the_best_epochs(make, loader, tmp_path, same_weights):
    trainer = make(n_epoch=6, eval_step=1, optimizer_params={"lr": 0.3})
    states, evaluate = [], trainer.evaluate

    def remember(data):
        states.append({k: v.clone() for k, v in trainer.model.state_dict().items()})
        return evaluate(data)

    trainer.evaluate = remember
    trainer.fit(loader)
    losses = [row["train/loss"] for row in trainer.history]
    rates = [row["val/collision_rate"] for row in trainer.history]
    files = saved(tmp_path)
    assert same_weights(files["model_best_loss.pth"], states[losses.index(min(losses))])
    assert same_weights(files["model_best_collision_rate.pth"], states[rates.index(min(rates))])
    assert same_weights(trainer.model.state_dict(), files["model_best_loss.pth"])


def test_a_loss_of_nan_is_never_the_best(make, loader, tmp_path):
    schedule = {"lr_lambda": lambda epoch: 1.0 if epoch == 0 else 1e30}
    trainer = make(
        n_epoch=4,
        scheduler_fn=lr_scheduler.LambdaLR,
        scheduler_params=schedule,
        on_nan="warn",
    )
    best_loss, _ = trainer.fit(loader)
    losses = [row["train/loss"] for row in trainer.history]
    assert best_loss == losses[0]
    assert math.isnan(losses[-1])
    assert all(v.isfinite().all() for v in saved(tmp_path)["model_best_loss.pth"].values())


@pytest.mark.parametrize(
    ("scheduler_fn", "params", "rates"),
    [
        (lr_scheduler.StepLR, {"step_size": 1, "gamma": 0.5}, [0.01, 0.005, 0.0025]),
        (lr_scheduler.ReduceLROnPlateau, {"patience": 5}, [0.01] * 3),
    ],
)
def test_the_schedule_moves_each_epoch(make, loader, scheduler_fn, params, rates):
    trainer = make(scheduler_fn=scheduler_fn, scheduler_params=params)
    trainer.fit(loader)
    assert [row["learning_rate"] for row in trainer.history] == pytest.approx(rates)
    if scheduler_fn is lr_scheduler.ReduceLROnPlateau:
        assert trainer.scheduler.best == min(row["train/loss"] for row in trainer.history)


def test_the_collision_rate_of_no_item_is_nan(make):
    assert math.isnan(make().evaluate([torch.zeros(0, 6)]))


def test_what_is_recorded(make, loader, fake_logger):
    make(model_logger=fake_logger).fit(loader)
    assert fake_logger.order == ["log_hyperparams", *["log_metrics"] * 3, "finish"]
    assert fake_logger.steps == [0, 1, 2]
    each = {"train/loss", "train/recon_loss", "learning_rate"}
    evaluated = each | {"val/collision_rate"}
    assert [set(metrics) for metrics in fake_logger.metrics] == [each, evaluated, evaluated]
    recorded = fake_logger.calls[0][1]
    expected = {"model": "RQVAEModel", "n_epoch": 3, "learning_rate": 0.01, "eval_step": 2}
    assert {k: recorded[k] for k in expected} == expected


def test_a_resumed_training_ends_in_the_same_weights(make, loader, tmp_path, same_weights):
    def run(folder, n_epoch):
        trainer = make(n_epoch=n_epoch, model_path=tmp_path / folder)
        return trainer, trainer.fit(loader, resume=True)

    unbroken, best = run("a", 4)
    run("b", 2)
    resumed, found = run("b", 4)
    assert found == best
    assert same_weights(resumed.model.state_dict(), unbroken.model.state_dict())
    assert len(resumed.history) == 4


def test_batches_may_be_tuples_of_one_tensor_or_a_single_row(make, loader):
    model = RQVAEModel(6, [6, 6], e_dim=4, layers=[16])
    one = DataLoader(TensorDataset(embeddings()[:3]), batch_size=1)
    trainer = make(model, n_epoch=1)
    assert all(math.isfinite(value) for value in trainer.fit(one))
    found = make(n_epoch=2).fit(DataLoader(TensorDataset(embeddings()), batch_size=25))
    assert found == pytest.approx(make(n_epoch=2).fit(loader))


def test_impossible_settings_are_refused_before_training(make, loader):
    with pytest.raises(ValueError, match="eval_step must be at least 1, got 0"):
        make(eval_step=0)
    with pytest.raises(TypeError, match="takes no argument 'earlystop'"):
        make(earlystop=3)
    with pytest.raises(ValueError, match="has no batches"):
        make().fit([])
    with pytest.raises(ValueError, match="k-means of 6 clusters"):
        make().fit(DataLoader(embeddings(), batch_size=5))
