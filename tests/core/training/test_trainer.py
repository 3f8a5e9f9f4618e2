"""The loop: what it records, when it stops, what it keeps, and how it ends."""

import importlib
import inspect
import logging
import math
import re
import tempfile
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, IterableDataset

from torch_rechub.basic.tracking import LoggerClosedError, RunLogger
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.training.trainer import Trainer
from warm_python import run_script

NAN = math.nan

# Records


def test_a_row_of_the_history_has_exactly_these_entries(make_trainer, loaders):
    trainer = make_trainer(n_epoch=3)
    assert trainer.fit(*loaders) is None
    keys = ["epoch", "train/loss", "learning_rate", "val/auc", "seconds"]
    assert [list(row) for row in trainer.history] == [keys] * 3
    assert [row["epoch"] for row in trainer.history] == [0, 1, 2]
    assert all(type(v) in (int, float) for row in trainer.history for v in row.values())
    assert all(0 < row["seconds"] < 60 for row in trainer.history)


def test_without_validation_there_is_no_score(make_trainer, loaders, fake_logger):
    trainer = make_trainer(model_logger=fake_logger)
    trainer.fit(loaders[0])
    assert [list(row) for row in fake_logger.metrics] == [["train/loss", "learning_rate"]] * 2


def test_a_logger_receives_settings_then_epochs_then_the_end(make_trainer, loaders, fake_logger):
    trainer = make_trainer(n_epoch=3, model_logger=fake_logger)
    trainer.fit(*loaders)
    assert fake_logger.order == ["log_hyperparams", *["log_metrics"] * 3, "finish"]
    assert fake_logger.steps == [0, 1, 2]
    told = [
        {k: row[k] for k in ("train/loss", "learning_rate", "val/auc")} for row in trainer.history
    ]
    assert fake_logger.metrics == told


def test_the_stopping_epoch_is_recorded_like_any_other(make_trainer, loaders, fake_logger, scores):
    trainer = make_trainer(n_epoch=9, earlystop_patience=2, model_logger=fake_logger)
    scores(trainer, [0.5, 0.7, 0.6, 0.7, 0.9])
    trainer.fit(*loaders)
    assert fake_logger.steps == [0, 1, 2, 3]
    assert [row["val/auc"] for row in fake_logger.metrics] == [0.5, 0.7, 0.6, 0.7]
    assert [row["val/auc"] for row in trainer.history] == [0.5, 0.7, 0.6, 0.7]


def test_the_settings_of_a_run(make_trainer, loaders, fake_logger):
    make_trainer(
        optimizer_fn=torch.optim.SGD,
        optimizer_params={"lr": 0.25, "weight_decay": 0.5},
        scheduler_fn=lr_scheduler.StepLR,
        scheduler_params={"step_size": 1},
        earlystop_patience=4,
        model_logger=fake_logger,
    ).fit(*loaders)
    assert (
        fake_logger.calls[0][1].items()
        >= {
            "model": "WideDeep",
            "trainer": "CTRTrainer",
            "n_epoch": 2,
            "learning_rate": 0.25,
            "optimizer": "SGD",
            "embedding_update": "dense",
            "weight_decay": 0.5,
            "scheduler": "StepLR",
            "earlystop_patience": 4,
            "monitor": "val/auc",
            "device": "cpu",
            "loss_mode": True,
            "batch_size": 10,
        }.items()
    )


def test_each_of_several_loggers_receives_everything(make_trainer, loaders, fake_logger):
    other = type(fake_logger)()
    make_trainer(model_logger=[fake_logger, other]).fit(*loaders)
    assert fake_logger.calls == other.calls
    assert len(other.calls) == 4


# Learning rates


def rates(scheduler_fn, params, n_steps):
    """The rate before each step of a schedule on its own."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.05)
    scheduler = scheduler_fn(optimizer, **params)
    found = []
    for _ in range(n_steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("scheduler_fn", "params"),
    [
        (lr_scheduler.StepLR, {"step_size": 2, "gamma": 0.1}),
        (lr_scheduler.CosineAnnealingLR, {"T_max": 5}),  # in 0.9: it has no step_size
        (lr_scheduler.ExponentialLR, {"gamma": 0.5}),
        (lr_scheduler.LambdaLR, {"lr_lambda": lambda epoch: 1 / (1 + epoch)}),
    ],
)
def test_the_rate_recorded_is_the_one_the_epoch_trained_with(
    make_trainer, loaders, scheduler_fn, params
):
    trainer = make_trainer(n_epoch=5, scheduler_fn=scheduler_fn, scheduler_params=params)
    trainer.fit(*loaders)
    expected = rates(scheduler_fn, params, 5)
    assert [row["learning_rate"] for row in trainer.history] == pytest.approx(expected)


def test_a_schedule_by_the_batch(make_trainer, loaders):
    params = {"max_lr": 0.5, "total_steps": 12}
    trainer = make_trainer(
        n_epoch=3,
        optimizer_fn=torch.optim.SGD,
        scheduler_fn=lr_scheduler.OneCycleLR,
        scheduler_params=params,
        scheduler_step="batch",
    )
    used = []
    trainer.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"])
    )
    trainer.fit(*loaders)
    expected = rates(lr_scheduler.OneCycleLR, params, 12)  # 3 epochs of 4 batches
    assert used == pytest.approx(expected)
    assert [row["learning_rate"] for row in trainer.history] == pytest.approx(expected[::4])


def test_a_plateau_schedule_watches_the_validation(make_trainer, loaders, scores):
    trainer = make_trainer(
        n_epoch=5,
        scheduler_fn=lr_scheduler.ReduceLROnPlateau,
        scheduler_params={"mode": "max", "patience": 0, "factor": 0.1},
    )
    scores(trainer, [0.5, 0.6, 0.6, 0.7, 0.7])
    trainer.fit(*loaders)
    found = [row["learning_rate"] for row in trainer.history]
    assert found == pytest.approx([0.05, 0.05, 0.05, 0.005, 0.005])
    assert trainer.scheduler.best == 0.7


def test_a_plateau_schedule_watches_the_loss_without_validation(make_trainer, loaders):
    trainer = make_trainer(scheduler_fn=lr_scheduler.ReduceLROnPlateau)
    trainer.fit(loaders[0])
    assert trainer.scheduler.best == min(row["train/loss"] for row in trainer.history)


def test_an_unknown_pace_of_the_schedule_is_refused(make_trainer):
    with pytest.raises(ValueError, match="'epoch' or 'batch', got 'step'"):
        make_trainer(scheduler_step="step")


# The best weights


class Boom(Exception):
    pass


@pytest.mark.parametrize(
    ("given", "kept", "epochs", "error"),
    [
        ([0.5, 0.8, 0.7, 0.6], 1, 4, None),
        ([0.5, 0.8, 0.7, 0.8, 0.9], 1, 4, None),
        ([0.5, 0.6, 0.7, 0.8, 0.9], 4, 5, None),
        ([-0.5, -0.9, -0.8, -0.7], 0, 3, None),
        ([NAN, 0.4, NAN, NAN], 1, 4, None),
        ([0.5, 0.8, 0.7, Boom("evaluate")], 1, 3, Boom),
        ([0.5, 0.8, 0.7, KeyboardInterrupt()], 1, 3, KeyboardInterrupt),
    ],
    ids=["stopped", "stopped on a tie", "exhausted", "negative", "undefined", "error", "ctrl-c"],
)
def test_the_best_epochs_weights_are_in_the_model_and_on_disk(
    make_trainer, loaders, scores, same_weights, saved, given, kept, epochs, error
):
    # in 0.9: only an early stop restored them
    trainer = make_trainer(n_epoch=5, earlystop_patience=2)
    script = scores(trainer, given)
    if error is None:
        trainer.fit(*loaders)
    else:
        with pytest.raises(error):
            trainer.fit(*loaders)
    assert len(trainer.history) == epochs
    assert same_weights(trainer.model.state_dict(), script.weights[kept])
    assert same_weights(saved(), script.weights[kept])
    assert not same_weights(saved(), script.weights[kept - 1])
    assert trainer.early_stopper.best_auc == given[kept]


def test_an_error_in_a_later_epochs_training_leaves_the_best_weights(
    make_trainer, loaders, scores, same_weights, saved
):
    trainer = make_trainer(n_epoch=5)
    script = scores(trainer, [0.5, 0.8, 0.7])
    trainer.model.mlp.register_forward_hook(
        lambda *_: (_ for _ in ()).throw(Boom) if len(trainer.history) == 3 else None
    )
    with pytest.raises(Boom):
        trainer.fit(*loaders)
    assert same_weights(trainer.model.state_dict(), script.weights[1])
    assert same_weights(saved(), script.weights[1])


def test_without_validation_the_last_weights_are_kept(make_trainer, loaders, same_weights, saved):
    trainer = make_trainer(n_epoch=3)
    trainer.fit(loaders[0])
    assert same_weights(trainer.model.state_dict(), saved())
    shorter = make_trainer(n_epoch=2)
    shorter.fit(loaders[0])
    assert not same_weights(shorter.model.state_dict(), trainer.model.state_dict())


def test_an_undefined_auc_keeps_the_last_weights(
    make_trainer, loaders, data, same_weights, saved, caplog, tmp_path
):
    x, y = data
    one_class = TableLoader(TorchDataset({k: v[y == 1] for k, v in x.items()}, y[y == 1]), 10)
    trainer, without = make_trainer(n_epoch=3), make_trainer(n_epoch=3, model_path=tmp_path / "2")
    without.fit(loaders[0])
    trainer.fit(loaders[0], one_class)
    assert all(math.isnan(row["val/auc"]) for row in trainer.history)
    assert "Every validation label is 1" in caplog.messages[0]  # said before training
    assert caplog.text.count("AUC is undefined on only the label 1") == 3
    assert same_weights(trainer.model.state_dict(), without.model.state_dict())
    assert same_weights(saved(), trainer.model.state_dict())


def test_no_epochs_save_the_untrained_model(
    make_trainer, make_model, loaders, fake_logger, same_weights, saved
):
    trainer = make_trainer(n_epoch=0, model_logger=fake_logger)
    trainer.fit(*loaders)
    assert trainer.history == []
    assert fake_logger.order == ["log_hyperparams", "finish"]
    assert same_weights(saved(), make_model().state_dict())


def test_a_run_that_dies_at_once_leaves_an_earlier_runs_model(
    make_trainer, loaders, same_weights, saved
):
    make_trainer().fit(*loaders)
    before = saved()
    trainer = make_trainer()
    trainer.model.mlp.register_forward_hook(lambda *_: (_ for _ in ()).throw(Boom))
    with pytest.raises(Boom):
        trainer.fit(*loaders)
    assert same_weights(saved(), before)


def test_a_second_fit_starts_its_records_afresh(make_trainer, loaders, scores, same_weights, saved):
    trainer = make_trainer(n_epoch=2)
    scores(trainer, [0.9, 0.8])
    trainer.fit(*loaders)
    second = scores(trainer, [0.4, 0.6])
    trainer.fit(*loaders)
    assert [(row["epoch"], row["val/auc"]) for row in trainer.history] == [(0, 0.4), (1, 0.6)]
    assert trainer.early_stopper.best_auc == 0.6
    assert same_weights(saved(), second.weights[1])


# How a run ends


class Steps:
    """Passes a model through and raises `error` at its n-th call."""

    def __init__(self, model, n, error):
        self.n, self.error = n, error
        model.register_forward_pre_hook(self)

    def __call__(self, module, arguments):
        self.n -= 1
        if self.n == 0:
            raise self.error


class BrokenLoader:
    def __init__(self, loader, error):
        self.loader, self.error = loader, error

    def __iter__(self):
        yield from list(self.loader)[:2]
        raise self.error


def raiser(error):
    def call(*args, **kwargs):
        raise error

    return call


def break_model(trainer, loaders, error):
    Steps(trainer.model.mlp, 7, error)  # an epoch has 4 batches of training and 2 of validation
    return loaders


def break_train_loader(trainer, loaders, error):
    return BrokenLoader(loaders[0], error), loaders[1]


def break_val_loader(trainer, loaders, error):
    return loaders[0], BrokenLoader(loaders[1], error)


def break_metric(trainer, loaders, error):
    trainer.evaluate_fn = raiser(error)
    return loaders


def break_optimizer(trainer, loaders, error):
    trainer.optimizer.step = raiser(error)
    return loaders


def break_scheduler(trainer, loaders, error):
    trainer.scheduler.step = raiser(error)
    return loaders


@pytest.mark.parametrize("error", [Boom("user's own"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize(
    ("break_it", "epochs"),
    [
        (break_model, 1),
        (break_train_loader, 0),
        (break_val_loader, 0),
        (break_metric, 0),
        (break_optimizer, 0),
        (break_scheduler, 1),
    ],
)
def test_the_users_own_error_arrives_and_the_loggers_are_finished_once(
    make_trainer, loaders, fake_logger, break_it, epochs, error
):
    trainer = make_trainer(
        n_epoch=3,
        model_logger=fake_logger,
        scheduler_fn=lr_scheduler.ExponentialLR,
        scheduler_params={"gamma": 0.9},
    )
    with pytest.raises(type(error)) as raised:
        trainer.fit(*break_it(trainer, loaders, error))
    assert raised.value is error
    assert raised.value.__cause__ is None
    assert fake_logger.order == ["log_hyperparams", *["log_metrics"] * epochs, "finish"]
    assert len(trainer.history) == epochs


def test_the_error_that_ended_training_is_not_hidden_by_one_in_the_clearing_up(
    make_trainer, loaders, monkeypatch, caplog
):
    trainer = make_trainer(n_epoch=3)
    error = Boom()
    Steps(trainer.model.mlp, 7, error)
    monkeypatch.setattr(trainer.model, "load_state_dict", raiser(RuntimeError("no")))
    with pytest.raises(Boom) as raised:
        trainer.fit(*loaders)
    assert raised.value is error
    assert "best weights could not be restored" in caplog.text


def test_a_disk_that_is_full_ends_training_with_its_error_and_the_old_file(
    make_trainer, loaders, scores, fake_logger, monkeypatch, same_weights, saved
):
    trainer = make_trainer(n_epoch=3, model_logger=fake_logger)
    script = scores(trainer, [0.5, 0.6, 0.7])
    save = torch.save
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(
        torch, "save", lambda *a: save(*a) if len(trainer.history) == 1 else raiser(full)()
    )
    with pytest.raises(OSError, match="No space left") as raised:
        trainer.fit(*loaders)
    assert raised.value.__cause__ is full
    assert raised.value.filename == str(trainer.model_path / "model.pth")
    assert fake_logger.order[-1] == "finish"
    assert same_weights(saved(), script.weights[0])
    assert [file.name for file in trainer.model_path.iterdir()] == ["model.pth"]


# Errors before the first step


def untouched(trainer, make_model, same_weights):
    return trainer.history == [] and same_weights(
        trainer.model.state_dict(), make_model().state_dict()
    )


def change(loader, **columns):
    dataset = loader.dataset
    x = {k: v for k, v in {**dataset.x, **columns}.items() if v is not None}
    return TableLoader(TorchDataset(x, columns.pop("y", dataset.y)), loader.batch_size)


def late(values, wrong):
    """A copy whose last entry is wrong."""
    values = values.clone()
    values[-1] = wrong
    return values


@pytest.mark.parametrize("which", [0, 1], ids=["train", "val"])
@pytest.mark.parametrize(
    ("column", "wrong", "error", "message"),
    [
        ("user", None, KeyError, "no column 'user'.*columns there are: price"),
        ("price", None, KeyError, "no column 'price'.*columns there are: user"),
        ("user", 10, IndexError, "'user': id 10 .*vocab_size=10"),
        ("user", -1, IndexError, "'user': id -1 .*vocab_size=10"),
    ],
)
def test_wrong_inputs_are_found_before_the_first_step(
    make_trainer,
    make_model,
    loaders,
    same_weights,
    fake_logger,
    which,
    column,
    wrong,
    error,
    message,
):
    values = None if wrong is None else late(loaders[which].dataset.x[column], wrong)
    given = list(loaders)
    given[which] = change(loaders[which], **{column: values})
    trainer = make_trainer(model_logger=fake_logger)
    with pytest.raises(error, match=message):
        trainer.fit(*given)
    assert untouched(trainer, make_model, same_weights)
    assert fake_logger.order == ["finish"]
    assert not (trainer.model_path / "model.pth").exists()


@pytest.mark.parametrize("which", [0, 1], ids=["train", "val"])
@pytest.mark.parametrize("wrong", [2, -1, NAN])
def test_wrong_labels_are_found_before_the_first_step(
    make_trainer, make_model, loaders, same_weights, which, wrong
):
    given = list(loaders)
    labels = late(loaders[which].dataset.y, wrong)
    given[which] = TableLoader(TorchDataset(loaders[which].dataset.x, labels), 10)
    trainer = make_trainer()
    message = "labels 0 and 1, but holds {wrong:g}: map" if wrong == wrong else "1 missing value"
    with pytest.raises(ValueError, match=message.format(wrong=wrong)):
        trainer.fit(*given)
    assert untouched(trainer, make_model, same_weights)


def test_a_foreign_loader_is_checked_batch_by_batch(make_trainer, loaders):
    dataset = TorchDataset(loaders[0].dataset.x, late(loaders[0].dataset.y, 2))
    foreign = [dataset[i : i + 10] for i in range(0, 35, 10)]
    trainer = make_trainer()
    steps = []
    trainer.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    with pytest.raises(ValueError, match="labels 0 and 1, but holds 2: map"):
        trainer.fit(foreign)
    assert len(steps) == 3
    assert trainer.history == []


@pytest.mark.parametrize("which", [0, 1], ids=["train", "val"])
def test_a_loader_without_batches_is_refused(make_trainer, loaders, which):
    given = list(loaders)
    given[which] = TableLoader(TorchDataset({"user": [], "price": []}, []), 10)
    with pytest.raises(ValueError, match=f"{('train', 'val')[which]}_dataloader has no batches"):
        make_trainer().fit(*given)


def test_an_iterable_without_batches_is_refused_when_that_shows(make_trainer, loaders, fake_logger):
    with pytest.raises(ValueError, match="train_dataloader yielded no batch"):
        make_trainer(model_logger=fake_logger).fit(iter([]))
    assert fake_logger.order == ["log_hyperparams", "finish"]


def test_batches_without_labels_cannot_be_trained_on(make_trainer, loaders):
    with pytest.raises(ValueError, match=r"must yield \(x, y\)"):
        make_trainer().fit([x for x, _ in loaders[0]])


def test_an_unknown_setting_of_the_optimizer_is_refused_by_the_optimizer(make_trainer):
    with pytest.raises(TypeError, match="unexpected keyword argument 'learning_rate'"):
        make_trainer(optimizer_params={"learning_rate": 0.1})


@pytest.mark.parametrize(
    ("given", "rate", "decay"), [(None, 1e-3, 1e-5), ({}, 1e-3, 0.0), ({"lr": 0.5}, 0.5, 0.0)]
)
def test_settings_of_the_optimizer(make_trainer, given, rate, decay):
    (group,) = make_trainer(optimizer_params=given).optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (rate, decay)


@pytest.mark.parametrize("wrong", ["wandb", 3, [object()], RunLogger, [RunLogger]])
def test_what_is_no_logger_is_refused_when_the_trainer_is_made(make_trainer, wrong):
    with pytest.raises(TypeError, match="model_logger takes loggers"):
        make_trainer(model_logger=wrong)


def test_a_finished_logger_is_refused_before_training(
    make_trainer, make_model, loaders, same_weights
):
    logger = RunLogger()
    trainer = make_trainer(model_logger=logger)
    trainer.fit(*loaders)
    before = trainer.model.state_dict()
    with pytest.raises(LoggerClosedError, match="RunLogger was finished already"):
        trainer.fit(*loaders)
    assert same_weights(trainer.model.state_dict(), before)


# Where the model goes


def test_the_folder_is_made(make_trainer, loaders, tmp_path):
    trainer = make_trainer(model_path=tmp_path / "a" / "b")
    trainer.fit(*loaders)
    assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == ["model.pth"]


def test_the_folder_may_be_given_as_text_and_below_home(
    make_trainer, loaders, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_trainer(model_path="~/models").fit(*loaders)
    assert (tmp_path / "models" / "model.pth").is_file()


@pytest.mark.parametrize("below", ["file", "file/folder"])
def test_a_file_in_the_way_is_an_error_before_training(
    make_trainer, make_model, loaders, tmp_path, below, same_weights, fake_logger
):
    (tmp_path / "file").write_text("mine")
    trainer = make_trainer(model_path=tmp_path / below, model_logger=fake_logger)
    message = re.escape(f"model_path='{tmp_path / below}' cannot be written to (")
    with pytest.raises(OSError, match=message):
        trainer.fit(*loaders)
    assert untouched(trainer, make_model, same_weights)
    assert (tmp_path / "file").read_text() == "mine"
    assert fake_logger.order == ["finish"]


def test_a_folder_without_permission_is_an_error_before_training(
    make_trainer, make_model, loaders, same_weights, monkeypatch
):
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", raiser(denied))
    trainer = make_trainer()
    with pytest.raises(
        PermissionError, match=r"cannot be written to \(Permission denied\); the"
    ) as e:
        trainer.fit(*loaders)
    assert e.value.__cause__ is denied
    assert untouched(trainer, make_model, same_weights)


# Loaders of other kinds


class Stream(IterableDataset):
    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        return iter(self.loader)


def test_streams_train_like_tables(make_trainer, loaders, same_weights):
    # in 0.9: a loader without a length failed on `if val_dataloader`
    by_table, by_stream = make_trainer(), make_trainer()
    by_table.fit(*loaders)
    streams = [DataLoader(Stream(loader), batch_size=None) for loader in loaders]
    with pytest.raises(TypeError):
        len(streams[0])
    by_stream.fit(*streams)
    assert same_weights(by_stream.model.state_dict(), by_table.model.state_dict())
    for first, second in zip(by_stream.history, by_table.history):
        assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_torchs_own_loader_trains_like_ours(make_trainer, loaders, same_weights):
    ours, torchs = make_trainer(), make_trainer()
    ours.fit(*loaders)
    torchs.fit(*(DataLoader(loader.dataset, batch_size=10) for loader in loaders))
    assert same_weights(ours.model.state_dict(), torchs.model.state_dict())


# Progress and cost


@pytest.mark.parametrize("progress", [True, False, None])
def test_progress_can_be_switched(make_trainer, loaders, capsys, progress):
    make_trainer(progress=progress).fit(*loaders)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("epoch 1" in captured.err) is (progress is True)


class FakeBar(list):
    disable = False

    def __init__(self, batches):
        super().__init__(batches)
        self.shown = []

    def set_postfix(self, loss, refresh):
        self.shown.append(loss)


@pytest.mark.parametrize(("interval", "times"), [(1, 4), (2, 2), (4, 1), (5, 0)])
def test_the_bar_shows_the_mean_loss_every_so_many_batches(make_trainer, loaders, interval, times):
    trainer, bar = make_trainer(), FakeBar(loaders[0])
    trainer.batches.bar = lambda data_loader, title: bar
    loss = trainer.train_one_epoch(loaders[0], log_interval=interval)
    assert len(bar.shown) == times
    assert bar.shown[-1:] == [f"{loss:.5g}"] * (times > 0)


def test_each_epoch_is_logged_in_one_line(make_trainer, loaders, caplog):
    caplog.set_level(logging.INFO, logger="torch_rechub")
    trainer = make_trainer(progress=None)
    trainer.fit(*loaders)
    assert [r.getMessage() for r in caplog.records] == [
        f"epoch {row['epoch']}: train/loss {row['train/loss']:.6g}, learning_rate 0.05, "
        f"val/auc {row['val/auc']:.6g} ({row['seconds']:.1f} s)"
        for row in trainer.history
    ]


def test_nothing_of_the_data_is_kept_after_training(make_trainer, loaders):
    trainer = make_trainer()
    trainer.fit(*loaders)
    assert trainer.batches.verified == ()


WITHOUT_A_LOGGER = """
import sys
import torch
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import WideDeep
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

x = {"user": torch.arange(40) % 8}
train, val, _ = DataGenerator(x, x["user"] % 2).generate_dataloader(split_ratio=[0.5, 0.5])
fields = [SparseFeature("user", 8, 4)]
trainer = CTRTrainer(
    WideDeep(fields, fields, {"dims": [4]}),
    n_epoch=2,
    model_path=sys.argv[1],
    progress=False,  # messages that are shown are searched for secrets
)
files = set()
sys.setprofile(lambda frame, event, arg: files.add(frame.f_code.co_filename))
trainer.fit(train, val)
sys.setprofile(None)
print(len(trainer.history), any(file.endswith("trainer.py") for file in files))
print([file for file in files if "tracking" in file])
packages = {name.split(".")[0] for name in sys.modules}
print(sorted(packages & {"wandb", "swanlab", "tensorboardX"}))
print(sorted(package for package in packages if package.startswith("rechub_")))
"""


def test_without_a_logger_no_tracking_code_runs(tmp_path):
    done = run_script(["-c", WITHOUT_A_LOGGER, tmp_path])
    assert done.stdout.splitlines() == ["2 True", "[]", "[]", "[]"], done.stderr
    assert [file.name for file in Path(tmp_path).iterdir()] == ["model.pth"]


# One loop, short


def test_an_option_that_does_not_exist_is_named_with_those_that_do(make_trainer):
    with pytest.raises(TypeError, match=r"CTRTrainer takes no argument 'progres'.*scheduler_step"):
        make_trainer(progres=True)


@pytest.mark.parametrize(
    ("file", "limit"),
    [
        ("training.trainer", 210),
        *((f"trainers.{t}_trainer", 190) for t in ("ctr", "match", "mtl", "seq", "tiger", "rqvae")),
    ],
)
def test_the_loop_and_its_tasks_stay_short(file, limit):
    module = importlib.import_module(f"torch_rechub.{file}")
    assert len(inspect.getsource(module).splitlines()) <= limit
    trainers = [c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, Trainer)]
    assert all(c is Trainer or c.__bases__[-1] is Trainer for c in trainers)
