"""The records of every trainer in every tracker: hyper-parameters, its own metrics, the end."""

import signal

import backends
import numpy as np
import pytest
import torch
from expected_trackers import EXPECTED

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.basic.tracking import BaseLogger
from torch_rechub.models.generative import HSTUModel
from torch_rechub.models.matching import YoutubeDNN
from torch_rechub.models.multi_task import MMOE
from torch_rechub.models.ranking import DeepFM
from torch_rechub.testing import RecordedRun
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer
from torch_rechub.utils.data import DataGenerator, SequenceDataGenerator

EPOCHS = 3


def table():
    draw = np.random.default_rng(0)
    x = {"user": draw.integers(0, 9, 64), "item": draw.integers(1, 9, 64)}
    return x, ((x["user"] + x["item"]) % 2).astype("float32")


def loaders(x, y):
    train, val, _ = DataGenerator(x, y).generate_dataloader(split_ratio=[0.5, 0.5], batch_size=16)
    return train, val


def ctr(**kwargs):
    fields = [SparseFeature(name, 9, embed_dim=4) for name in ("user", "item")]
    trainer = CTRTrainer(DeepFM(fields, fields, {"dims": [8]}), n_epoch=EPOCHS, **kwargs)
    return trainer, loaders(*table())


def match(**kwargs):
    x, _ = table()
    x["negatives"] = np.random.default_rng(1).integers(1, 9, (64, 3))
    item = SparseFeature("item", 9, embed_dim=4)
    negatives = SequenceFeature("negatives", 9, 4, pooling="concat", shared_with="item")
    users = [SparseFeature("user", 9, embed_dim=4)]
    model = YoutubeDNN(users, [item], [negatives], {"dims": [4]})
    return MatchTrainer(model, mode=2, n_epoch=EPOCHS, **kwargs), loaders(x, np.zeros(64))


def mtl(method=None, **kwargs):
    x, y = table()
    features = [SparseFeature(name, 9, embed_dim=4) for name in ("user", "item")]
    kinds = ["classification", "regression"]
    model = MMOE(features, kinds, 2, {"dims": [8]}, [{"dims": [4]}, {"dims": [4]}])
    balance = None if method is None else {"method": method}
    trainer = MTLTrainer(model, kinds, adaptive_params=balance, n_epoch=EPOCHS, **kwargs)
    labels = np.stack([y, x["item"] / 9], axis=1).astype("float32")
    return trainer, loaders(x, labels)


def balanced(**kwargs):
    return mtl(method="uwl", **kwargs)


def seq(**kwargs):
    tokens = np.random.default_rng(0).integers(1, 9, (32, 6))
    data = SequenceDataGenerator(
        tokens[:, :5], np.tile(np.arange(5), (32, 1)), tokens[:, 5], np.zeros((32, 5), dtype=int)
    )
    train, val, _ = data.generate_dataloader(batch_size=8, split_ratio=[0.5, 0.5, 0.0])
    model = HSTUModel(9, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=5)
    return SeqTrainer(model, n_epoch=EPOCHS, **kwargs), (train, val)


TASKS = [f"train/task_{i}_loss" for i in range(2)] + [f"val/task_{i}_score" for i in range(2)]
RECORDED = {
    ctr: {"train/loss", "learning_rate", "val/auc"},
    match: {"train/loss", "learning_rate", "val/auc"},
    mtl: {"learning_rate", *TASKS},
    balanced: {"learning_rate", *TASKS, "loss_weight/task_0", "loss_weight/task_1"},
    seq: {"train/loss", "learning_rate", "val/loss", "val/accuracy"},
}
HYPERPARAMS = {
    ctr: ("loss_mode", True),
    match: ("loss_mode", 2),
    mtl: ("adaptive_method", None),
    balanced: ("adaptive_method", "uwl"),
    seq: ("loss_type", "cross_entropy"),
}


class Remembering(BaseLogger):
    """A logger of a user's own, which keeps the calls in order."""

    def __init__(self):
        self.calls = []

    def log_hyperparams(self, params):
        self.calls.append(("hyperparams", params))

    def log_metrics(self, metrics, step=None):
        self.calls.append(("metrics", step, metrics))

    def finish(self):
        self.calls.append(("finish",))


def open_logger(tracker, folder):
    """A logger, and what reads its run back."""
    if tracker == "own":
        logger = Remembering()

        def read():
            run = RecordedRun(hyperparams=logger.calls[0][1])
            for _, step, metrics in logger.calls[1:-1]:
                for name, value in metrics.items():
                    run.metrics.setdefault(name, []).append((step, value))
            return run

        return logger, read
    import readers

    if tracker == "wandb":
        from rechub_wandb import WandbLogger

        return WandbLogger("t", dir=folder), lambda: readers.wandb_run(folder)
    if tracker == "swanlab":
        from rechub_swanlab import SwanLabLogger

        logger = SwanLabLogger("t", logdir=str(folder), mode="offline")
        return logger, lambda: readers.swanlab_run(folder)
    if tracker == "mlflow":
        return backends.open_logger("mlflow", folder), lambda: backends.read_run("mlflow", folder)
    from rechub_tensorboardx import TensorBoardXLogger

    return TensorBoardXLogger(folder), lambda: readers.tensorboard_run(folder)


EVERY_TRAINER = pytest.mark.parametrize("make", RECORDED, ids=lambda make: make.__name__)


@pytest.mark.parametrize("tracker", ["own", *EXPECTED])
@EVERY_TRAINER
def test_each_epoch_is_recorded_with_exactly_the_metrics_of_the_trainer(make, tracker, tmp_path):
    torch.manual_seed(0)
    folder = tmp_path / "log"
    folder.mkdir()
    logger, read = open_logger(tracker, folder)
    trainer, (train, val) = make(model_path=tmp_path / "models", model_logger=logger)
    trainer.fit(train, val)
    run = read()
    assert run.metrics.keys() == RECORDED[make]
    for name, points in run.metrics.items():
        expected = [pytest.approx(row[name], rel=1e-6) for row in trainer.history]
        assert points == list(zip(range(EPOCHS), expected, strict=True)), name
    name, value = HYPERPARAMS[make]
    assert run.hyperparams["n_epoch"] == EPOCHS
    assert run.hyperparams["learning_rate"] == pytest.approx(1e-3)
    assert run.hyperparams[name] in (value, str(value), "null", {})  # as each tracker keeps None


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("tracker", ["own", *EXPECTED])
@EVERY_TRAINER
def test_sigterm_ends_the_run_and_keeps_weights_and_metrics(make, tracker, tmp_path):
    torch.manual_seed(0)
    folder = tmp_path / "log"
    folder.mkdir()
    logger, read = open_logger(tracker, folder)
    trainer, (train, val) = make(model_path=tmp_path / "models", model_logger=logger)

    def stop(*_):
        if len(trainer.history) == 2:
            signal.raise_signal(signal.SIGTERM)

    for module in (trainer.model, *trainer.model.children()):
        module.register_forward_pre_hook(stop)
    with pytest.raises(SystemExit) as exit:
        trainer.fit(train, val)
    assert exit.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    run = read()
    assert {step for points in run.metrics.values() for step, _ in points} == {0, 1}
    assert tracker == "own" or run.status == "interrupted"
    (file,) = (tmp_path / "models").glob("*.pth")
    saved = torch.load(file, weights_only=True)
    assert all(torch.equal(saved[n], v) for n, v in trainer.model.state_dict().items())


@pytest.mark.parametrize("error", [None, ValueError("bad"), KeyboardInterrupt(), Interrupted()])
@EVERY_TRAINER
def test_hyperparams_come_first_and_finish_last_and_once_however_it_ends(make, error, tmp_path):
    torch.manual_seed(0)
    logger = Remembering()
    trainer, (train, val) = make(model_path=tmp_path, model_logger=logger)

    def fail(*_):
        if error is not None and len(trainer.history) == 2:
            raise error

    trainer.model.register_forward_pre_hook(fail)
    for module in trainer.model.children():  # a trainer may call a model's methods directly
        module.register_forward_pre_hook(fail)
    if error is None:
        trainer.fit(train, val)
    else:
        with pytest.raises(type(error)) as raised:
            trainer.fit(train, val)
        assert raised.value is error
    epochs = EPOCHS if error is None else 2
    assert [call[0] for call in logger.calls] == ["hyperparams", *["metrics"] * epochs, "finish"]
    assert [call[1] for call in logger.calls[1:-1]] == list(range(epochs))
    (file,) = tmp_path.glob("*.pth")
    saved = torch.load(file, weights_only=True)
    assert all(torch.equal(saved[n], v) for n, v in trainer.model.state_dict().items())


@EVERY_TRAINER
def test_the_epoch_that_stops_training_is_recorded_too(make, tmp_path):
    torch.manual_seed(0)
    logger = Remembering()
    trainer, (train, val) = make(model_path=tmp_path, model_logger=logger, earlystop_patience=1)
    validate = trainer.validate
    trainer.validate = lambda loader: {**validate(loader), trainer.monitor: 0.5}
    trainer.fit(train, val)  # the second epoch is no better than the first
    assert [call[1] for call in logger.calls[1:-1]] == [0, 1]
