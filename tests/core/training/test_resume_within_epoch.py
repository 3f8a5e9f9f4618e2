"""A run that was interrupted in the middle of an epoch ends as an unbroken one, to the bit."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader

from torch_rechub._files import CheckpointError

from . import streamed_training as streamed


class PowerCutError(Exception):
    pass


class Cuts:
    """A callback that ends training after a step."""

    def __init__(self, step):
        self.step = step

    def on_step(self, number, losses):
        if number == self.step:
            raise PowerCutError


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return streamed.write_shards(tmp_path_factory.mktemp("shards"))


def without_seconds(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def assert_same_run(found, expected):
    assert without_seconds(found.history) == without_seconds(expected.history)
    weights = expected.model.state_dict()
    assert all(torch.equal(v, weights[n]) for n, v in found.model.state_dict().items())
    states = [trainer.optimizer.state_dict() for trainer in (found, expected)]
    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.fixture(scope="module")
def unbroken(shards, tmp_path_factory):
    """A run that is not interrupted, without checkpoints within epochs."""
    folder = tmp_path_factory.mktemp("unbroken")
    trainer, *loaders = streamed.make(shards, folder, checkpoint_steps=None)
    trainer.fit(*loaders, resume=True)
    return trainer


def cut(shards, folder, step, **options):
    """Train until a step, after which the power fails."""
    broken, *loaders = streamed.make(shards, folder, callbacks=[Cuts(step)], **options)
    with pytest.raises(PowerCutError):
        broken.fit(*loaders, resume=True)


@pytest.fixture(scope="module")
def checkpoint(shards, tmp_path_factory):
    """A checkpoint in the second of three epochs, after step 15."""
    folder = tmp_path_factory.mktemp("cut")
    cut(shards, folder, step=18)
    return folder / "model.checkpoint"


@pytest.fixture
def folder(checkpoint, tmp_path):
    """A folder of its own with that checkpoint."""
    shutil.copy(checkpoint, tmp_path)
    return tmp_path


def continued(shards, folder, **options):
    trainer, *loaders = streamed.make(shards, folder, **options)
    torch.manual_seed(99)  # a script may draw before it continues
    trainer.fit(*loaders, resume=True)
    return trainer


# the last step of an epoch, the first checkpoint of the next, the last step of all
@pytest.mark.parametrize("step", [11, 26, 33])
def test_a_run_that_ends_within_an_epoch_continues_to_the_same_weights(
    shards, tmp_path, unbroken, step
):
    cut(shards, tmp_path, step)
    assert_same_run(continued(shards, tmp_path), unbroken)
    best = torch.load(tmp_path / "model.pth", weights_only=True)
    expected = torch.load(unbroken.best.path, weights_only=True)
    assert all(torch.equal(best[name], expected[name]) for name in expected)


OPTIONS = [
    {"accumulate": 3, "checkpoint_steps": 3},
    {"scheduler_fn": torch.optim.lr_scheduler.StepLR, "scheduler_params": {"step_size": 1}},
    *[
        pytest.param(options, marks=pytest.mark.slow)
        for options in (
            {"num_workers": 2},
            {"optimizer_fn": torch.optim.SGD, "optimizer_params": {"lr": 0.1, "momentum": 0.9}},
            {"max_grad_norm": 0.1, "embedding_update": "dense"},
        )
    ],
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: next(iter(o)))
def test_a_run_of_any_settings_continues_to_the_same_weights(shards, tmp_path, options):
    options = {"n_epoch": 2, **options}
    unbroken, *loaders = streamed.make(shards, tmp_path / "unbroken", **options)
    unbroken.fit(*loaders, resume=True)
    cut(shards, tmp_path / "cut", unbroken.steps.count - 1, **options)
    assert_same_run(continued(shards, tmp_path / "cut", **options), unbroken)


class Unreadable:
    """Validation data whose disk fails."""

    def __iter__(self):
        raise PowerCutError


def test_a_run_that_ends_in_validation_continues_behind_the_last_batch(shards, tmp_path):
    # an epoch of 11 batches ends in a step of 3, after which a checkpoint is saved
    options = {"n_epoch": 2, "accumulate": 4, "checkpoint_steps": 3}
    unbroken, *loaders = streamed.make(shards, tmp_path / "unbroken", **options)
    unbroken.fit(*loaders, resume=True)
    broken, train, _ = streamed.make(shards, tmp_path / "broken", **options)
    with pytest.raises(PowerCutError):
        broken.fit(train, Unreadable(), resume=True)
    assert_same_run(continued(shards, tmp_path / "broken", **options), unbroken)


@pytest.mark.parametrize("group_column", [None, "user"])
def test_a_run_of_a_table_in_memory_continues_to_the_same_weights(tmp_path, group_column):
    def make(name, **options):
        trainer, *_ = streamed.make(None, tmp_path / name, n_epoch=2, **options)
        return trainer, *streamed.table_loaders(group_column)

    unbroken, *loaders = make("unbroken")
    unbroken.fit(*loaders, resume=True)
    broken, *loaders = make("cut", callbacks=[Cuts(18)])
    with pytest.raises(PowerCutError):
        broken.fit(*loaders, resume=True)
    again, *loaders = make("cut")
    torch.manual_seed(99)
    again.fit(*loaders, resume=True)
    assert_same_run(again, unbroken)


def test_only_the_batches_after_the_checkpoint_are_trained(shards, folder):
    numbers = []
    counts = type("Counts", (), {"on_step": lambda self, number, losses: numbers.append(number)})()
    continued(shards, folder, callbacks=[counts])
    assert numbers == list(range(16, 34))


def test_a_run_without_checkpoints_within_epochs_continues_one_with_them(shards, folder, unbroken):
    assert_same_run(continued(shards, folder, checkpoint_steps=None), unbroken)


def test_after_an_epoch_a_streamed_run_continues_with_the_order_of_the_next(
    shards, tmp_path, unbroken
):
    cut(shards, tmp_path, 18, checkpoint_steps=None)
    assert_same_run(continued(shards, tmp_path, checkpoint_steps=None), unbroken)


def test_early_stopping_counts_on(shards, tmp_path):
    options = {"earlystop_patience": 1, "min_delta": 0.9}
    unbroken, *loaders = streamed.make(shards, tmp_path / "unbroken", **options)
    unbroken.fit(*loaders, resume=True)
    assert len(unbroken.history) == 2
    cut(shards, tmp_path / "cut", 18, **options)
    assert_same_run(continued(shards, tmp_path / "cut", **options), unbroken)


def test_a_checkpoint_of_another_loader_is_refused(shards, folder):
    with pytest.raises(CheckpointError, match=r"another loader .*batch_size=64.*batch_size=16"):
        continued(shards, folder, batch_size=16)
    again, _, val = streamed.make(shards, folder, checkpoint_steps=None)
    with pytest.raises(CheckpointError, match=r"lies within epoch 1, and list has no load_state"):
        again.fit(list(val), val, resume=True)


@pytest.mark.parametrize("entry", ["loader", "losses", "rates", "seconds"])
def test_a_damaged_position_is_refused(shards, folder, entry):
    state = torch.load(folder / "model.checkpoint", weights_only=True)
    for value in ("absent", 3):
        state["within_epoch"].pop(entry, None)
        if value != "absent":
            state["within_epoch"][entry] = value
        torch.save(state, folder / "model.checkpoint")
        with pytest.raises(CheckpointError, match=entry):
            continued(shards, folder)


def test_a_setting_that_cannot_work_is_refused_by_name(shards, tmp_path):
    trainer, train, val = streamed.make(shards, tmp_path)
    with pytest.raises(ValueError, match=r"checkpoint_steps=5 saves.*resume=True"):
        trainer.fit(train, val)
    plain = DataLoader(list(range(8)), batch_size=4, shuffle=True)
    with pytest.raises(ValueError, match=r"and DataLoader has none: train from a .*StreamingLoad"):
        trainer.fit(plain, val, resume=True)
    with pytest.raises(ValueError, match="prefetch=True loads a batch before"):
        streamed.make(shards, tmp_path, prefetch=True)
    with pytest.raises(ValueError, match="checkpoint_steps must be at least 1"):
        streamed.make(shards, tmp_path, checkpoint_steps=0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_run_whose_process_is_killed_at_random_instants_ends_in_the_same_weights(
    shards, tmp_path, unbroken
):
    script = [sys.executable, streamed.__file__, shards, tmp_path]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for run in range(1, int(done.stdout) + 1):
        again, *loaders = streamed.make(shards, tmp_path / str(run))
        again.fit(*loaders, resume=True)  # trains no step, but restores the end of the run
        assert_same_run(again, unbroken)
