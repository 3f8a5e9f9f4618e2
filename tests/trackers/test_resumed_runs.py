"""A training run that is continued continues its runs: no epoch and no step twice, none missing."""

import pytest
from backends import open_logger
from expected_trackers import EXPECTED
from tiny_clicks import model_and_loaders

from torch_rechub.runs import read_runs
from torch_rechub.trainers import CTRTrainer, Recording

EPOCHS, STEPS = 4, 3


def reopen(backend, folder):
    """The loggers of a script that is run again after an interruption."""
    continued = {} if backend == "tensorboardx" else {"id": "exp", "resume": "allow"}
    return open_logger(backend, folder, **continued)


def train(backend, folder, record, stops_at=None):
    model, train, val = model_and_loaders()
    trainer = CTRTrainer(
        model,
        n_epoch=EPOCHS,
        model_path=folder / "models",
        model_logger=reopen(backend, folder / "log"),
        record=record,
    )
    losses = trainer.losses

    def interrupted(batch):
        if trainer.steps.count == stops_at:
            raise KeyboardInterrupt
        return losses(batch)

    trainer.losses = interrupted
    trainer.fit(train, val, resume=True)


BACKENDS = ["jsonl", *sorted({"tensorboardx", "mlflow"} & set(EXPECTED))]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("record", [None, Recording(every_n_steps=1)], ids=["epochs", "steps"])
@pytest.mark.parametrize("stops_at", [1, 3, 7, 8])
def test_the_run_is_that_of_a_training_run_without_a_break(backend, record, stops_at, tmp_path):
    train(backend, tmp_path / "whole", record)
    with pytest.raises(KeyboardInterrupt):
        train(backend, tmp_path / "broken", record, stops_at)
    (broken,) = read_runs(tmp_path / "broken" / "log")
    assert broken.status == "interrupted"
    train(backend, tmp_path / "broken", record)
    (whole,) = read_runs(tmp_path / "whole" / "log")
    (resumed,) = read_runs(tmp_path / "broken" / "log")
    assert resumed.metrics == whole.metrics
    assert [step for step, _ in resumed.metrics["train/loss"]] == list(range(EPOCHS))
    if record is not None:
        steps = [step for step, _ in resumed.metrics["train/loss_step"]]
        assert steps == list(range(1, EPOCHS * STEPS + 1))
    assert (resumed.status, resumed.error) == ("finished", None)
    if stops_at >= STEPS:  # there was a checkpoint, which has the id
        assert resumed.run_id == broken.run_id is not None
    assert resumed.run_id != whole.run_id
    assert {**resumed.hyperparams, "run_id": ""} == {**whole.hyperparams, "run_id": ""}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_finished_training_that_is_run_again_changes_no_metric(backend, tmp_path):
    train(backend, tmp_path, None)
    (before,) = read_runs(tmp_path / "log")
    train(backend, tmp_path, None)
    (after,) = read_runs(tmp_path / "log")
    assert (after.metrics, after.status) == (before.metrics, "finished")


if "tensorboardx" in EXPECTED:

    def test_tensorboard_itself_forgets_the_steps_that_were_trained_again(tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        record = Recording(every_n_steps=1)
        with pytest.raises(KeyboardInterrupt):
            train("tensorboardx", tmp_path, record, stops_at=8)
        train("tensorboardx", tmp_path, record)
        shown = EventAccumulator(str(tmp_path / "log" / "n"), {"scalars": 0}).Reload()
        steps = [event.step for event in shown.Scalars("train/loss_step")]
        assert steps == list(range(1, EPOCHS * STEPS + 1))
        assert [event.step for event in shown.Scalars("val/auc")] == list(range(EPOCHS))
