"""A loss or weights that are NaN or infinite: reported with their cause, and never saved."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.data.batch import Batch
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.runs import read_runs
from torch_rechub.trainers import Callback, CTRTrainer
from torch_rechub.training import mean_loss
from torch_rechub.training.finite import describe_divergence, non_finite_weights
from torch_rechub.training.mean_loss import MeanLosses


def diverge(trainer, value, epoch=1, batch=2):
    """Have the loss of one batch of one epoch be this value."""
    losses, seen = trainer.losses, []

    def scaled(given):
        loss = losses(given)
        if len(trainer.history) != epoch:
            return loss
        seen.append(1)
        return replace(loss, losses=loss.losses * (value if len(seen) == batch + 1 else 1.0))

    trainer.losses = scaled


class BreaksWeights(Callback):
    """Sets a weight to a value after a step, as a gradient that is not finite would."""

    def __init__(self, step, value=math.nan):
        self.step, self.value = step, value

    def on_fit_begin(self, trainer):
        self.model = trainer.model

    def on_step(self, step, losses):
        if step == self.step:
            with torch.no_grad():
                next(self.model.parameters())[0, 0] = self.value


class Heard(Callback):
    """Notes how training ended."""

    status = None

    def on_fit_end(self, status):
        self.status = status


# The loss


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_training_ends_before_a_loss_that_is_not_finite_reaches_the_weights(
    make_trainer, loaders, fake_logger, same_weights, saved, value
):
    heard, steps = Heard(), []
    trainer = make_trainer(n_epoch=5, model_logger=fake_logger, callbacks=[heard])
    diverge(trainer, value)
    trainer.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    message = (
        rf"the training loss is {value:g} in batch 2 of the epoch \(all parameters are finite; "
    )
    with pytest.raises(FloatingPointError, match=message + ".*: lower the learning rate"):
        trainer.fit(*loaders)
    assert len(steps) == 4 + 2
    assert len(trainer.history) == 1
    assert heard.status == "failed"
    assert fake_logger.order[-1] == "finish"
    assert same_weights(saved(), trainer.model.state_dict())
    assert not non_finite_weights(trainer.model)


def test_the_run_is_recorded_as_failed(make_trainer, loaders, tmp_path):
    trainer = make_trainer(model_logger=JSONLLogger(dir=tmp_path))
    diverge(trainer, math.nan)
    with pytest.raises(FloatingPointError):
        trainer.fit(*loaders)
    (run,) = read_runs(tmp_path)
    assert run.status == "failed"
    assert len(run.metrics["train/loss"]) == 1


def test_with_a_warning_training_goes_on_and_the_best_weights_stay(
    make_trainer, loaders, caplog, saved, scores, same_weights
):
    trainer = make_trainer(n_epoch=3, on_nan="warn")
    noted = scores(trainer, [0.5, 0.6, 0.7])  # better and better, be the weights what they may
    diverge(trainer, math.nan)
    trainer.fit(*loaders)
    assert [math.isnan(row["train/loss"]) for row in trainer.history] == [False, True, True]
    assert "the training loss is nan in batch 2 of the epoch" in caplog.text
    assert "weights are not saved, as values are NaN or infinite in " in caplog.text
    assert caplog.text.count("the training loss is nan") == 2  # once an epoch
    assert same_weights(saved(), noted.weights[0])
    assert same_weights(trainer.model.state_dict(), noted.weights[0])


def test_the_columns_that_are_not_finite_are_named(tmp_path):
    class Own(nn.Module):
        """Reads a column that no feature describes, so that it is not checked before."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 1)

        def forward(self, x):
            return self.linear(x["a"].unsqueeze(1)).sigmoid().squeeze(1)

    a = torch.arange(6.0)
    a[4] = torch.nan
    loader = TableLoader(TorchDataset({"a": a, "b": a}, torch.arange(6) % 2), 3)
    trainer = CTRTrainer(Own(), model_path=tmp_path, progress=False)
    message = r"in batch 1 .*column 'a' of the batch has 1 missing value \(NaN\), first in row 1;"
    with pytest.raises(FloatingPointError, match=message):
        trainer.fit(loader)
    assert all(w.isfinite().all() for w in trainer.model.state_dict().values())


def test_of_finite_columns_the_largest_are_named(make_model):
    model = make_model()
    price = torch.tensor([0.0, -1e30])
    batch = Batch({"user": torch.tensor([1, 2]), "price": price, "else": price / 1e20}, 2)
    assert describe_divergence(model, batch) == (
        "all parameters are finite; all values of the batch are finite, the largest 1e+30 in "
        "column 'price', 1e+10 in column 'else'"
    )
    whole = Batch({"user": torch.tensor([10**9]), "price": torch.tensor([10**9])}, 1)
    assert describe_divergence(model, whole).endswith("the largest 1e+09 in column 'price'")
    labels = Batch(torch.zeros(2, 1), 2, torch.tensor([0.0, torch.inf]))
    assert describe_divergence(model, labels).endswith(
        "y of the batch has 1 infinite value, first in row 1"
    )


@pytest.mark.parametrize("n_losses", [1, 2])
def test_on_a_gpu_the_first_batch_of_several_is_found_at_the_next_look(monkeypatch, n_losses):
    monkeypatch.setattr(mean_loss, "_WINDOW", 4)
    mean = MeanLosses(n_losses, torch.device("cpu"), on_nan="raise", model=nn.Linear(1, 1))
    mean._window = 4
    fine = [torch.tensor(1.0)] * n_losses
    nan = [torch.tensor(math.nan), *fine[1:]]
    for losses in [fine] * 5 + [nan] * 2:
        mean.add(losses, 3)
    with pytest.raises(FloatingPointError, match=r"the training loss is nan.* in batch 5 of"):
        mean.add(nan, 3)


def test_the_last_batches_are_looked_at_when_the_mean_is_read():
    mean = MeanLosses(1, torch.device("cpu"), on_nan="raise")
    mean._window = 100
    mean.add([torch.tensor(math.inf)], 3)
    with pytest.raises(FloatingPointError, match="the training loss is inf in batch 0 of"):
        mean.read()


def test_a_batch_without_an_example_has_no_loss_that_could_be_nan():
    mean = MeanLosses(1, torch.device("cpu"), on_nan="raise")
    mean.add([torch.tensor(math.nan)], 0)
    mean.add([torch.tensor(math.nan)], torch.tensor(0))
    mean.add([torch.tensor(2.0)], 1)
    assert mean.read() == [2.0]


def test_the_choice_is_one_of_two(make_trainer):
    with pytest.raises(ValueError, match="on_nan must be 'raise' or 'warn', got 'stop'"):
        make_trainer(on_nan="stop")


# The weights


def test_parameters_that_are_not_finite_are_named_and_counted(make_model):
    model = make_model()
    assert non_finite_weights(model) == ""
    with torch.no_grad():
        weights = dict(model.named_parameters())
        name = next(name for name in weights if name.startswith("mlp"))
        weights[name].view(-1)[:2] = torch.tensor([torch.nan, torch.inf])
    assert non_finite_weights(model) == f"{name} (2 of {weights[name].numel()} values)"


def test_a_table_is_named_by_its_feature(make_model):
    model = make_model()
    with torch.no_grad():
        model.state_dict()["embedding.embed_dict.user.weight"][3] = torch.nan
    assert non_finite_weights(model) == "embedding.embed_dict.user.weight (4 of 40 values)"


def test_of_many_names_some_are_listed():
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(4)))
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(torch.nan)
    assert non_finite_weights(model).endswith("2.weight (1 of 1 values) and 3 others")


def test_a_mask_may_be_infinite_but_not_the_statistics_of_batch_normalization():
    model = nn.Sequential(nn.BatchNorm1d(2))
    model.register_buffer("mask", torch.tensor([0, -torch.inf]))
    assert non_finite_weights(model) == ""
    model[0].running_var[1] = torch.inf
    assert non_finite_weights(model) == "0.running_var (1 of 2 values)"
    model.mask[0] = torch.nan
    assert non_finite_weights(model).startswith("mask (1 of 2 values)")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_reported_at_the_next_batch(make_trainer, loaders, value):
    trainer = make_trainer(callbacks=[BreaksWeights(2, value)])
    message = (
        r"of the epoch \(not finite: .*user.weight \(1 of 10 values\); all values of the batch"
    )
    with pytest.raises(FloatingPointError, match=message):
        trainer.fit(*loaders)


@pytest.mark.parametrize("validation", [True, False], ids=["best", "last"])
def test_weights_that_the_last_step_broke_do_not_replace_those_on_disk(
    make_trainer, loaders, saved, scores, same_weights, validation
):
    make_trainer(n_epoch=1).fit(loaders[0])
    before = saved()
    trainer = make_trainer(n_epoch=1, callbacks=[BreaksWeights(4)])
    scores(trainer, [0.9])
    with pytest.raises(
        FloatingPointError, match=r"weights are not saved, .*user.weight \(1 of 10 "
    ):
        trainer.fit(loaders[0], loaders[1] if validation else None)
    assert same_weights(saved(), before)


@pytest.mark.parametrize("on_nan", ["raise", "warn"])
def test_a_checkpoint_that_is_not_finite_does_not_replace_the_one_before(
    make_trainer, loaders, scores, on_nan, caplog
):
    """Training continues from the last epoch whose state is finite."""
    trainer = make_trainer(n_epoch=2, on_nan=on_nan, callbacks=[BreaksWeights(8)])
    scores(trainer, [0.9, 0.8])  # so that the broken weights are not among the best
    if on_nan == "raise":
        with pytest.raises(FloatingPointError, match="the checkpoint is not saved"):
            trainer.fit(*loaders, resume=True)
    else:
        trainer.fit(*loaders, resume=True)
        assert "the checkpoint is not saved" in caplog.text
    again = make_trainer(n_epoch=2)
    scores(again, [0.95])
    again.fit(*loaders, resume=True)
    assert [row["epoch"] for row in again.history] == [0, 1]
    assert again.history[0]["train/loss"] == trainer.history[0]["train/loss"]
    assert not non_finite_weights(again.model)


def test_a_checkpoint_with_moments_of_nan_is_not_written(make_trainer, loaders):
    class BreaksMoments(BreaksWeights):
        def on_fit_begin(self, trainer):
            self.optimizer = trainer.optimizer

        def on_step(self, step, losses):
            if step == self.step:
                state = next(iter(self.optimizer.state.values()))
                state["exp_avg"].view(-1)[0] = math.nan

    trainer = make_trainer(n_epoch=1, callbacks=[BreaksMoments(4)])
    with pytest.raises(FloatingPointError, match=r"not saved, .* in exp_avg of .*: lower"):
        trainer.fit(*loaders, resume=True)
