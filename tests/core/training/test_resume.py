"""Continuing an interrupted training ends where an unbroken one would have."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CheckpointError, CTRTrainer, Metric
from torch_rechub.utils.data import DataGenerator

EPOCHS = 5
ENTRIES = (
    "over",
    "model",
    "optimizer",
    "scheduler",
    "early_stopper",
    "history",
    "steps",
    "task",
    "random",
    "form",
)


class PowerCutError(Exception):
    pass


class Noisy(DeepFM):
    """Draws from every generator there is, and fails in an epoch of its choice."""

    def __init__(self, *args, fail_at=None):
        super().__init__(*args)
        self.calls, self.fail_at = 0, fail_at

    def logits(self, x):
        if self.training:
            self.calls += 1
            if self.calls == self.fail_at:
                raise PowerCutError
        return super().logits(x) + 0.01 * (np.random.rand() + random.random())  # noqa: NPY002


def make(folder, fail_at=None, n_epoch=EPOCHS, **kwargs):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    generator = np.random.default_rng(0)
    x = {"a": generator.integers(0, 20, 200), "b": generator.integers(0, 9, 200)}
    y = ((x["a"] + x["b"]) % 2).astype("float32")
    train, val, _ = DataGenerator(x, y).generate_dataloader(split_ratio=[0.7, 0.3], batch_size=32)
    fields = [SparseFeature("a", 20, embed_dim=4), SparseFeature("b", 9, embed_dim=4)]
    model = Noisy(fields, fields, {"dims": [8], "dropout": 0.3}, fail_at=fail_at)
    trainer = CTRTrainer(
        model, optimizer_params={"lr": 0.05}, n_epoch=n_epoch, model_path=folder, **kwargs
    )
    return trainer, train, val


def without_seconds(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


SCHEDULES = [
    {},
    {"scheduler_fn": StepLR, "scheduler_params": {"step_size": 2}},
    {"scheduler_fn": CosineAnnealingLR, "scheduler_params": {"T_max": EPOCHS}},
    {"scheduler_fn": MultiStepLR, "scheduler_params": {"milestones": [1, 3]}},
    {"scheduler_fn": LambdaLR, "scheduler_params": {"lr_lambda": lambda epoch: 0.9**epoch}},
    {
        "scheduler_fn": OneCycleLR,
        "scheduler_params": {"max_lr": 0.1, "epochs": EPOCHS, "steps_per_epoch": 5},
        "scheduler_step": "batch",
    },
    {"optimizer_fn": torch.optim.SGD},
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: next(iter(s.values()), "plain"))
@pytest.mark.parametrize("fail_at", [3, 7, 18])  # in the first epoch, the second, the fourth
def test_an_interrupted_training_ends_in_the_very_same_weights(tmp_path, schedule, fail_at):
    unbroken, train, val = make(tmp_path / "unbroken", **schedule)
    unbroken.fit(train, val, resume=True)

    broken, train, val = make(tmp_path / "broken", fail_at, **schedule)
    with pytest.raises(PowerCutError):
        broken.fit(train, val, resume=True)
    again, train, val = make(tmp_path / "broken", **schedule)
    again.fit(train, val, resume=True)

    assert without_seconds(again.history) == without_seconds(unbroken.history)
    for (name, found), expected in zip(
        again.model.state_dict().items(), unbroken.model.state_dict().values(), strict=True
    ):
        assert torch.equal(found, expected), name
    best = torch.load(tmp_path / "broken/model.pth", weights_only=True)
    assert all(torch.equal(best[n], v) for n, v in unbroken.early_stopper.best_weights.items())


def test_only_what_is_left_is_trained(tmp_path):
    first, train, val = make(tmp_path, n_epoch=2)
    first.fit(train, val, resume=True)
    second, train, val = make(tmp_path, n_epoch=4)
    second.fit(train, val, resume=True)
    assert [row["epoch"] for row in second.history] == [0, 1, 2, 3]
    assert second.model.calls == 2 * len(train)


def test_a_training_run_that_stopped_early_is_over(tmp_path):
    kwargs = {"earlystop_patience": 1, "n_epoch": 30}
    first, train, val = make(tmp_path, **kwargs)
    first.fit(train, val, resume=True)
    assert len(first.history) < 30
    second, train, val = make(tmp_path, **kwargs)
    second.fit(train, val, resume=True)
    assert second.model.calls == 0
    assert without_seconds(second.history) == without_seconds(first.history)
    for name, value in second.model.state_dict().items():
        assert torch.equal(value, first.model.state_dict()[name])


def test_without_resume_there_is_no_checkpoint(tmp_path):
    trainer, train, val = make(tmp_path)
    trainer.fit(train, val)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]


def test_the_checkpoint_holds_tensors_and_plain_data_only(tmp_path):
    trainer, train, val = make(tmp_path)
    trainer.fit(train, val, resume=True)
    state = torch.load(tmp_path / "model.checkpoint", weights_only=True)
    assert state["history"] == trainer.history


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", "cut"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    trainer, train, val = make(tmp_path)
    trainer.fit(train, val, resume=True)
    path = tmp_path / "model.checkpoint"
    path.write_bytes(path.read_bytes()[:1000] if damage == "cut" else damage)
    again, train, val = make(tmp_path)
    with pytest.raises(CheckpointError, match=r"model\.checkpoint"):
        again.fit(train, val, resume=True)
    assert again.model.calls == 0


def without(name):
    return lambda state: state.pop(name)


def changed(name, value):
    return lambda state: state.update({name: value})


def inside(entry, name, value):
    return lambda state: state[entry].update({name: value})


DAMAGES = {
    **{f"{name} missing": (without(name), f"{name!r} is missing") for name in ENTRIES},
    "a list": (changed("model", [1]), "'model' is list"),
    "a history that is a number": (changed("history", 5), "'history' is int"),
    "a history of text": (changed("history", ["x"]), "history lacks epochs"),
    "a history with a gap": (changed("history", [{"epoch": 1}]), "history lacks epochs"),
    "steps that are text": (changed("steps", "x"), "'steps' is str"),
    "no optimizer": (changed("optimizer", None), "'optimizer' is NoneType"),
    "an optimizer of no parameters": (
        changed("optimizer", {"state": {}, "param_groups": []}),
        "'optimizer.state.0.step' is missing",
    ),
    "an optimizer without moments": (
        inside("optimizer", "state", {}),
        "'optimizer.state.0.step' is missing",
    ),
    "moments of another shape": (
        lambda state: state["optimizer"]["state"][0].update(exp_avg=torch.zeros(2, 3)),
        r"'optimizer.state.0.exp_avg' is torch.float32 \(2, 3\), not torch.float32 \(1,\)",
    ),
    "a learning rate that is text": (
        lambda state: state["optimizer"]["param_groups"][0].update(lr="fast"),
        "'optimizer.param_groups.0.lr' is str, not float",
    ),
    "a learning rate that is NaN": (
        lambda state: state["optimizer"]["param_groups"][0].update(lr=float("nan")),
        "NaN in 'optimizer.param_groups..*lr'",
    ),
    "a best score that is NaN": (
        inside("early_stopper", "best_auc", float("nan")),
        "NaN in 'early_stopper.best_auc'",
    ),
    "steps below 0": (changed("steps", -1), "counts below 0"),
    "a trial counter below 0": (inside("early_stopper", "trial_counter", -1), "counts below 0"),
    "metrics that are text": (changed("history", [{"epoch": 0, "train/loss": "x"}]), "no numbers"),
    "a history without losses": (changed("history", [{"epoch": 0}]), "no 'train/loss'"),
    "the state of a task that has none": (changed("task", {"x": 1}), "'task.x' is int"),
    "weights that are whole numbers": (
        lambda state: state.update(model={n: w.long() for n, w in state["model"].items()}),
        "as torch.int64, which this model has as torch.float32",
    ),
    "weights of no device": (
        lambda state: state.update(model={n: w.to("meta") for n, w in state["model"].items()}),
        "no plain tensor in 'model",
    ),
    "sparse weights": (
        lambda state: state["model"].update(
            {n: w.to_sparse() for n, w in state["model"].items() if w.dim() == 2}
        ),
        "no plain tensor in 'model",
    ),
    "a best score that is text": (inside("early_stopper", "best_auc", "x"), "'best_auc' is str"),
    "best weights of another model": (
        inside("early_stopper", "best_weights", {"w": torch.zeros(2)}),
        "another model",
    ),
    "a random state of another size": (inside("random", "torch", torch.zeros(3)), "RNG state"),
    "NaN": (
        lambda state: state["model"]["mlp.mlp.0.bias"].fill_(torch.nan),
        "holds NaN in 'model",
    ),
    "NaN in the optimizer": (
        lambda state: state["optimizer"]["state"][0]["exp_avg"].fill_(torch.nan),
        "holds NaN in 'optimizer",
    ),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    trainer, train, val = make(folder, n_epoch=1)
    trainer.fit(train, val, resume=True)
    return folder / "model.checkpoint"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_named_and_changes_nothing(tmp_path, sound, damage):
    change, message = DAMAGES[damage]
    state = torch.load(sound, weights_only=True)
    change(state)
    torch.save(state, tmp_path / "model.checkpoint")
    again, train, val = make(tmp_path)
    weights = {name: value.clone() for name, value in again.model.state_dict().items()}
    drawn = torch.get_rng_state(), random.getstate()
    with pytest.raises(CheckpointError, match=f"model\\.checkpoint .*{message}"):
        again.fit(train, val, resume=True)
    assert again.model.calls == 0
    assert all(torch.equal(weights[name], v) for name, v in again.model.state_dict().items())
    assert torch.equal(drawn[0], torch.get_rng_state())
    assert drawn[1] == random.getstate()
    assert not again.optimizer.state


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.RMSprop])
def test_the_checkpoint_of_another_optimizer_is_refused(tmp_path, optimizer):
    trainer, train, val = make(tmp_path, n_epoch=1)
    trainer.fit(train, val, resume=True)
    again, train, val = make(tmp_path, optimizer_fn=optimizer)
    message = f"another optimizer, Adam, not {optimizer.__name__}"
    with pytest.raises(CheckpointError, match=message):
        again.fit(train, val, resume=True)


def test_numbers_of_numpy_are_read_back(tmp_path):
    def of_numpy(n_epoch):
        rate = {"optimizer_params": {"lr": np.float32(0.05), "weight_decay": np.float64(0)}}
        plateau = {"patience": np.int64(0), "factor": np.float64(0.5)}
        schedule = {"scheduler_fn": ReduceLROnPlateau, "scheduler_params": plateau}
        trainer, train, val = make(tmp_path, n_epoch=n_epoch)
        trainer = CTRTrainer(
            trainer.model, n_epoch=n_epoch, model_path=tmp_path, **rate, **schedule
        )
        scores = iter(np.array([0.6, 0.5, 0.7, 0.8]))
        trainer.evaluate_fn = Metric("scripted", lambda y, p: next(scores), "max")
        return trainer, train, val

    first, train, val = of_numpy(2)
    first.fit(train, val, resume=True)
    again, train, val = of_numpy(4)
    again.fit(train, val, resume=True)
    lr = float(np.float32(0.05))
    assert [row["val/scripted"] for row in again.history] == [0.6, 0.5, 0.6, 0.5]
    assert [row["learning_rate"] for row in again.history] == [lr, lr, lr / 2, lr / 4]


def test_a_checkpoint_of_the_first_format_is_continued(tmp_path, sound):
    state = torch.load(sound, weights_only=True)
    del state["form"]
    torch.save({**state, "format": 1}, tmp_path / "model.checkpoint")
    again, train, val = make(tmp_path, n_epoch=2)
    again.fit(train, val, resume=True)
    assert [row["epoch"] for row in again.history] == [0, 1]
    assert again.model.calls == 5  # batches of one epoch


def test_the_checkpoint_of_another_model_is_refused(tmp_path):
    trainer, train, val = make(tmp_path)
    trainer.fit(train, val, resume=True)
    other = CTRTrainer(nn.Linear(2, 1), model_path=tmp_path)
    with pytest.raises(CheckpointError, match="another model"):
        other.fit([(torch.zeros(1, 2), torch.zeros(1))], resume=True)


def test_a_crash_while_writing_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    trainer, train, val = make(tmp_path, n_epoch=1)
    trainer.fit(train, val, resume=True)
    before = (tmp_path / "model.checkpoint").read_bytes()
    again, train, val = make(tmp_path, n_epoch=2)
    save = torch.save

    def full_disk(state, stream):
        if "optimizer" in state:
            stream.write(b"half")
            raise OSError(28, "No space left on device")
        save(state, stream)

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        again.fit(train, val, resume=True)
    assert (tmp_path / "model.checkpoint").read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"model.pth", "model.checkpoint"}
