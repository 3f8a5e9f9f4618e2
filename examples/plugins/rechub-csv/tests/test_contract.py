"""The contract of loggers of Torch-RecHub for `CSVLogger`."""

from torch_rechub.basic.tracking import CSVLogger
from torch_rechub.runs import read_runs
from torch_rechub.testing import LoggerContract


class TestCSVLogger(LoggerContract):
    def make_logger(self, directory, **kwargs):
        return CSVLogger(dir=directory, **kwargs)

    def read_run(self, directory):
        (run,) = read_runs(directory)
        return run


def test_values_names_and_the_end_are_read_back(tmp_path):
    params = {"lr": 0.1, "dims": [64, 32], "text": 'a,b\n"c"'}
    logger = CSVLogger("first", params, dir=tmp_path, group="night", tags=["base"])
    logger.log_metrics({"val/auc": 1 / 3}, step=2)
    logger.log_failure(ValueError("nan"))
    logger.finish()
    (run,) = read_runs(tmp_path)
    assert (run.name, run.backend, run.group, run.tags) == ("first", "csv", "night", ("base",))
    assert run.hyperparams == params
    assert run.metrics == {"val/auc": [(2, 1 / 3)]}
    assert (run.status, run.error) == ("failed", "ValueError: nan")


def test_a_row_that_is_cut_off_costs_that_row_alone(tmp_path, caplog):
    with CSVLogger(dir=tmp_path) as logger:
        logger.log_metrics({"a": 1.0}, step=0)
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text() + "metric,1,a")
    (run,) = read_runs(tmp_path)
    assert (run.metrics, run.status) == ({"a": [(0, 1.0)]}, "finished")
    assert "1 damaged row is left out" in caplog.text
