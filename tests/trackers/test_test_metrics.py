"""Test metrics are in the run of the training that they test, in every tracker."""

import pytest
from backends import BACKENDS, TOGETHER, open_logger, read_run
from expected_trackers import EXPECTED
from tiny_clicks import model_and_loaders

from torch_rechub.runs import read_runs
from torch_rechub.trainers import CTRTrainer, Recording

EPOCHS = 3


def train(loggers, folder, n_epoch=EPOCHS, record=None, resume=False):
    model, train, val = model_and_loaders()
    trainer = CTRTrainer(
        model,
        n_epoch=n_epoch,
        model_path=folder / "models",
        model_logger=loggers,
        record=record,
        metrics=("auc", "log_loss"),
    )
    trainer.fit(train, val, resume=resume, test_dataloader=train.dataset)
    return trainer


@pytest.mark.parametrize("record", [None, Recording(every_n_steps=1, best=True)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_run_has_the_test_metrics_after_its_last_epoch(
    backend, record, tmp_path, warnings_of_trackers
):
    trainer = train(open_logger(backend, tmp_path / "log"), tmp_path, record=record)
    run = read_run(backend, tmp_path / "log")
    for name in ("test/auc", "test/log_loss"):
        ((step, value),) = run.metrics[name]
        assert (step, value) == (EPOCHS, pytest.approx(trainer.test_metrics[name], rel=1e-6))
    assert [step for step, _ in run.metrics["val/auc"]] == list(range(EPOCHS))
    assert run.status == "finished"
    assert warnings_of_trackers() == []


def test_all_loggers_of_a_trainer_have_them(tmp_path):
    loggers = [open_logger(backend, tmp_path / backend) for backend in TOGETHER]
    trainer = train(loggers, tmp_path)
    for backend in TOGETHER:
        found = read_run(backend, tmp_path / backend).last("test/auc")
        assert found == (EPOCHS, pytest.approx(trainer.test_metrics["test/auc"], rel=1e-6))


@pytest.mark.parametrize("backend", ["jsonl", *sorted({"tensorboardx", "mlflow"} & set(EXPECTED))])
def test_a_run_that_is_continued_has_them_once(backend, tmp_path):
    for n_epoch in (1, EPOCHS, EPOCHS):
        continued = {} if backend == "tensorboardx" else {"id": "exp", "resume": "allow"}
        logger = open_logger(backend, tmp_path / "log", **continued)
        trainer = train(logger, tmp_path, n_epoch, resume=True)
        (run,) = read_runs(tmp_path / "log")
        value = pytest.approx(trainer.test_metrics["test/auc"], rel=1e-6)
        assert run.metrics["test/auc"] == [(n_epoch, value)]
        assert [step for step, _ in run.metrics["val/auc"]] == list(range(n_epoch))


IDS = {"jsonl": "exp", "wandb": "exp", "swanlab": "abcdefgh", "mlflow": "exp"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_metric_that_is_recorded_after_fit_is_read_in_the_run(backend, tmp_path):
    continued = {"id": IDS[backend], "resume": "allow"} if backend in IDS else {}
    trainer = train(open_logger(backend, tmp_path / "log", **continued), tmp_path)
    with open_logger(backend, tmp_path / "log", **continued) as logger:
        logger.log_metrics({"later/auc": trainer.test_metrics["test/auc"]})
    (run,) = read_runs(tmp_path / "log")
    assert run.last("later/auc")[1] == pytest.approx(trainer.test_metrics["test/auc"], rel=1e-6)
    assert [step for step, _ in run.metrics["val/auc"]] == list(range(EPOCHS))
    assert run.hyperparams["n_epoch"] == EPOCHS
