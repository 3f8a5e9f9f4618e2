"""Schedules that move by the step: the trainer counts the steps of all epochs."""

import math
from contextlib import suppress

import pytest
import torch
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR
from torch.utils.data import DataLoader, IterableDataset

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.models.generative import RQVAEModel
from torch_rechub.models.ranking import LR
from torch_rechub.optim import WarmupCosine, WarmupLinear
from torch_rechub.runs import read_runs
from torch_rechub.trainers import Callback, CTRTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.utils.data import DataGenerator

N, BATCH, RATE = 110, 20, 0.1  # 6 batches an epoch, the last one of ten rows
X = {"user": torch.arange(N) % 7}
Y = (X["user"] > 2).float()


class Rates(Callback):
    """Notes the learning rates of each step."""

    def __init__(self):
        self.rows = []

    def on_fit_begin(self, trainer):
        def note(optimizer, *_):
            self.rows.append([group["lr"] for group in optimizer.param_groups])

        self.hook = trainer.optimizer.register_step_pre_hook(note)

    def on_fit_end(self, status):
        self.hook.remove()


def make(tmp_path, n_epoch=4, **options):
    torch.manual_seed(0)
    rates = Rates()
    settings = {"optimizer_fn": SGD, "optimizer_params": {"lr": RATE}, "callbacks": [rates]}
    trainer = CTRTrainer(
        LR([SparseFeature("user", 7)]), n_epoch=n_epoch, model_path=tmp_path, **settings | options
    )
    return trainer, rates


def loader(shuffle=True):
    return DataGenerator(X, Y).generate_dataloader(X, Y, batch_size=BATCH)[0]


def cosine(steps, warmup, end=0.0):
    """The formula, in plain numbers."""
    rates = []
    for t in range(steps):
        x = (t - warmup) / (steps - warmup)
        late = end + (1 - end) * 0.5 * (1 + math.cos(math.pi * x))
        rates.append([RATE * ((t + 1) / warmup if t < warmup else late)])
    return rates


def near(rows):
    return [pytest.approx(row, rel=1e-12) for row in rows]


@pytest.mark.parametrize(("accumulate", "steps"), [(1, 24), (2, 12), (4, 8), (7, 4)])
def test_the_steps_of_all_epochs_are_counted(tmp_path, accumulate, steps):
    trainer, rates = make(
        tmp_path,
        accumulate=accumulate,
        scheduler_fn="cosine",
        scheduler_params={"warmup_steps": 2, "end_factor": 0.1},
    )
    trainer.fit(loader())
    assert rates.rows == near(cosine(steps, 2, 0.1))
    assert trainer.steps.count == steps
    assert trainer.scheduler.get_last_lr() == [pytest.approx(0.1 * RATE)]


@pytest.mark.parametrize("given", ["cosine", WarmupCosine, lambda o, **p: WarmupCosine(o, **p)])
def test_a_name_a_class_and_a_function_are_the_same_schedule(tmp_path, given):
    trainer, rates = make(tmp_path, scheduler_fn=given, scheduler_params={"warmup": 0.25})
    trainer.fit(loader())
    assert rates.rows == near(cosine(24, 6))


def test_without_a_warmup_it_is_the_cosine_of_torch(tmp_path):
    ours, rates = make(tmp_path / "a", scheduler_fn="cosine")
    torchs, expected = make(
        tmp_path / "b",
        scheduler_fn=CosineAnnealingLR,
        scheduler_params={"T_max": 24},
        scheduler_step="batch",
    )
    for trainer in (ours, torchs):
        torch.manual_seed(1)
        trainer.fit(loader())
    assert rates.rows == near(expected.rows)
    for name, value in torchs.model.state_dict().items():
        torch.testing.assert_close(ours.model.state_dict()[name], value)


def test_the_linear_schedule_is_a_lambda_of_torch(tmp_path):
    def factor(t):
        return (t + 1) / 6 if t < 6 else (24 - t) / 18

    options = {"scheduler_fn": "linear", "scheduler_params": {"warmup": 0.25}}
    trainer, rates = make(tmp_path / "a", **options)
    trainer.fit(loader())
    options = {"scheduler_fn": LambdaLR, "scheduler_params": {"lr_lambda": factor}}
    trainer, expected = make(tmp_path / "b", scheduler_step="batch", **options)
    trainer.fit(loader())
    assert rates.rows == near(expected.rows)


def test_every_group_follows_the_schedule_from_its_own_rate(tmp_path):
    def groups(model):
        first, *others = model.parameters()
        return Adam([{"params": [first], "lr": 0.1}, {"params": others, "lr": 0.02, "name": "b"}])

    trainer, rates = make(
        tmp_path, optimizer_fn=groups, optimizer_params=None, scheduler_fn="constant",
        scheduler_params={"warmup_steps": 8},
    )  # fmt: skip
    trainer.fit(loader())
    factors = [min(1.0, (t + 1) / 8) for t in range(24)]
    assert rates.rows == near([[0.1 * f, 0.02 * f] for f in factors])
    assert [row["learning_rate/b"] for row in trainer.history] == [
        pytest.approx(0.02 * f) for f in factors[::6]
    ]


@pytest.mark.parametrize("kind", ["cosine", "linear"])
def test_a_run_that_is_resumed_continues_the_schedule(tmp_path, kind):
    class Stop(Callback):
        def __init__(self, after):
            self.after = after

        def on_step(self, step, losses):
            if step == self.after:
                raise KeyboardInterrupt

    def run(folder, *callbacks):
        options = {"scheduler_fn": kind, "scheduler_params": {"warmup": 0.2, "end_factor": 0.05}}
        rates = Rates()
        trainer, _ = make(
            tmp_path / folder, optimizer_fn=Adam, callbacks=[rates, *callbacks], **options
        )
        torch.manual_seed(1)
        with suppress(KeyboardInterrupt):
            trainer.fit(loader(), resume=True)
        return trainer, rates.rows

    whole, rates = run("whole")
    _, before = run("broken", Stop(after=15))
    again, after = run("broken")
    assert len(before) == 15
    assert before[:12] + after == rates
    for name, value in whole.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value), name


def test_a_run_that_is_resumed_for_more_epochs_follows_the_longer_schedule(tmp_path):
    options = {"scheduler_fn": "linear"}
    make(tmp_path, n_epoch=2, **options)[0].fit(loader(), resume=True)
    trainer, rates = make(tmp_path, n_epoch=4, **options)
    trainer.fit(loader(), resume=True)
    assert rates.rows == near([[RATE * (24 - t) / 24] for t in range(12, 24)])


def test_a_second_fit_begins_the_schedule_anew(tmp_path):
    trainer, rates = make(tmp_path, n_epoch=1, scheduler_fn="cosine")
    for _ in range(2):
        trainer.fit(loader())
    assert rates.rows == near(cosine(6, 0) * 2)


def test_the_rate_before_the_schedule_and_the_steps_are_hyperparameters(tmp_path):
    trainer, _ = make(
        tmp_path, scheduler_fn="cosine", scheduler_params={"warmup": 0.5},
        model_logger=JSONLLogger(dir=tmp_path / "runs"),
    )  # fmt: skip
    trainer.fit(loader())
    (run,) = read_runs(tmp_path / "runs")
    assert run.hyperparams["learning_rate"] == RATE
    assert run.hyperparams["scheduler"] == "WarmupCosine"
    assert run.hyperparams["scheduler_params"] == {"warmup": 0.5, "total_steps": 24}
    assert run.hyperparams["scheduler_step"] == "batch"
    rates = [value for _, value in run.metrics["learning_rate"]]
    assert rates == pytest.approx([row[0] for row in cosine(24, 12)[::6]])


def test_other_trainers_count_their_steps_too(tmp_path):
    model = RQVAEModel(4, num_emb_list=[2], e_dim=2, layers=[3])
    rates = Rates()
    trainer = RQVAETrainer(
        model, optimizer_params={"lr": 1.0}, scheduler_fn="linear", n_epoch=2,
        model_path=tmp_path, callbacks=[rates],
    )  # fmt: skip
    trainer.fit([torch.randn(8, 4) for _ in range(2)])
    assert rates.rows == near([[1.0], [0.75], [0.5], [0.25]])


# A number of steps that is not known, and other mistakes


class Stream(IterableDataset):
    def __iter__(self):
        yield from ((X["user"][i], Y[i]) for i in range(N))


def stream():
    def collate(rows):
        users, labels = zip(*rows, strict=True)
        return {"user": torch.stack(users)}, torch.stack(labels)

    return DataLoader(Stream(), batch_size=BATCH, collate_fn=collate)


def test_a_loader_without_a_length_needs_the_number_of_steps(tmp_path):
    trainer, _ = make(tmp_path, scheduler_fn="cosine")
    with pytest.raises(ValueError, match=r"WarmupCosine needs .* scheduler_params=\{'total_steps'"):
        trainer.fit(stream())
    trainer, rates = make(tmp_path, scheduler_fn="cosine", scheduler_params={"total_steps": 24})
    trainer.fit(stream())
    assert rates.rows == near(cosine(24, 0))


def test_a_number_of_steps_that_is_given_counts(tmp_path):
    trainer, rates = make(tmp_path, scheduler_fn="linear", scheduler_params={"total_steps": 12})
    trainer.fit(loader())
    assert rates.rows == near([[RATE * max(0.0, (12 - t) / 12)] for t in range(24)])


def test_a_warmup_longer_than_training_is_refused_before_the_first_step(tmp_path):
    trainer, rates = make(tmp_path, scheduler_fn="linear", scheduler_params={"warmup_steps": 25})
    with pytest.raises(ValueError, match="warmup_steps=25 is more than the 24 steps of training"):
        trainer.fit(loader())
    assert rates.rows == []


def test_no_epoch_needs_no_step(tmp_path):
    trainer, rates = make(
        tmp_path, n_epoch=0, scheduler_fn="linear", scheduler_params={"warmup_steps": 5}
    )
    trainer.fit(loader())
    assert rates.rows == []


def test_a_schedule_by_the_step_does_not_move_by_the_epoch(tmp_path):
    with pytest.raises(ValueError, match="WarmupLinear moves by the step: leave out"):
        make(tmp_path, scheduler_fn=WarmupLinear, scheduler_step="epoch")


def test_a_schedule_of_an_unknown_name_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(ValueError, match="must be 'constant', 'cosine', 'linear' or a class, got"):
        make(tmp_path, scheduler_fn="cosin")
