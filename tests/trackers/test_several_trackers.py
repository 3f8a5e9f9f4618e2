import signal
import sys

import pytest
from readers import swanlab_run, tensorboard_run, wandb_run

from torch_rechub.basic.tracking import (
    LoggerGroup,
    SwanLabLogger,
    TensorBoardXLogger,
    WandbLogger,
)


def three_loggers(directory):
    (directory / "wandb").mkdir(parents=True)
    return [
        TensorBoardXLogger(directory / "tensorboard"),
        WandbLogger("p", dir=directory / "wandb"),
        SwanLabLogger("p", logdir=directory / "swanlab", mode="offline"),
    ]


def three_runs(directory):
    return [
        tensorboard_run(directory / "tensorboard"),
        wandb_run(directory / "wandb"),
        swanlab_run(directory / "swanlab"),
    ]


def test_three_trackers_record_the_same_run_twice_in_one_process(tmp_path):
    hooks = (sys.excepthook, sys.exit, signal.getsignal(signal.SIGINT))
    for run, auc in (("first", 0.5), ("second", 0.75)):
        with LoggerGroup(three_loggers(tmp_path / run)) as group:
            group.log_hyperparams({"learning_rate": 0.5, "run": run})
            for epoch in range(3):
                group.log_metrics({"val/auc": auc, "learning_rate": 0.5**epoch}, epoch)
    assert (sys.excepthook, sys.exit, signal.getsignal(signal.SIGINT)) == hooks
    for run, auc in (("first", 0.5), ("second", 0.75)):
        for recorded in three_runs(tmp_path / run):
            assert recorded.metrics == {
                "val/auc": [(0, auc), (1, auc), (2, auc)],
                "learning_rate": [(0, 1.0), (1, 0.5), (2, 0.25)],
            }
            assert recorded.hyperparams == {"learning_rate": 0.5, "run": run}
            assert recorded.failed is False


def test_a_failure_is_recorded_in_all_and_arrives_unchanged(tmp_path):
    error = RuntimeError("out of memory")
    with pytest.raises(RuntimeError) as raised, LoggerGroup(three_loggers(tmp_path)) as group:  # noqa: PT012
        group.log_metrics({"val/auc": 0.5}, 0)
        raise error
    assert raised.value is error
    assert [recorded.failed for recorded in three_runs(tmp_path)] == [True, True, True]
