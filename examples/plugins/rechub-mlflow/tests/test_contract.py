"""The contract of loggers of Torch-RecHub for `MLflowLogger`."""

from torch_rechub.basic.tracking import MLflowLogger
from torch_rechub.runs import read_runs
from torch_rechub.testing import LoggerContract


class TestMLflowLogger(LoggerContract):
    def make_logger(self, directory, **kwargs):
        return MLflowLogger("contract", dir=directory, **kwargs)

    def read_run(self, directory):
        (run,) = read_runs(directory)
        return run


def test_what_is_read_is_what_mlflow_reads(tmp_path):
    with MLflowLogger("ctr", "first", {"lr": 0.1, "tower": "64"}, dir=tmp_path) as logger:
        logger.log_hyperparams({"lr": 0.2})
        for step in range(3):
            logger.log_metrics({"val/auc": 1 / (step + 2)}, step)
    (run,) = read_runs(tmp_path)
    history = logger.client.get_metric_history(logger.run_id, "val/auc")
    assert run.metrics == {"val/auc": [(point.step, point.value) for point in history]}
    info = logger.client.get_run(logger.run_id).info
    assert (run.name, run.project, run.backend) == (info.run_name, "ctr", "mlflow")
    assert run.started.timestamp() * 1000 == info.start_time
    assert run.hyperparams == {"lr": 0.2, "tower": "64"}


def test_runs_of_one_folder_share_a_database_and_say_how_they_ended(tmp_path):
    for error in (None, ValueError("nan"), KeyboardInterrupt()):
        logger = MLflowLogger("ctr", dir=tmp_path)
        if error is not None:
            logger.log_failure(error)
        logger.finish()
    found = [(run.status, run.error) for run in read_runs(tmp_path)]
    assert found == [
        ("finished", None),
        ("failed", "ValueError: nan"),
        ("interrupted", "KeyboardInterrupt"),
    ]
