import pickle
import threading

import numpy as np
import pytest

from torch_rechub.basic.tracking import BaseLogger, LoggerClosedError, RunLogger
from torch_rechub.testing import LoggerContract, RecordedRun


class ListLogger(RunLogger):
    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def write_metrics(self, metrics, step):
        self.rows.append(("metrics", step, metrics))

    def write_hyperparams(self, params):
        self.rows.append(("params", params))

    def close(self, failure):
        self.rows.append(("close", failure))


class TestTheContractWithALoggerThatKeepsAList(LoggerContract):
    """The contract as a plug-in author meets it; nothing is on disk but a witness of the run."""

    def make_logger(self, directory, **kwargs):
        logger = ListLogger(rows=RUNS.setdefault(directory, []), **kwargs)
        (directory / "run").touch()
        return logger

    def read_run(self, directory):
        run = RecordedRun()
        for kind, *row in RUNS[directory]:
            if kind == "metrics":
                for name, value in row[1].items():
                    run.metrics.setdefault(name, []).append((row[0], value))
            elif kind == "params":
                run.hyperparams.update(row[0])
            else:
                run.failed = row[0] is not None
        return run


RUNS = {}


def test_the_base_logger_does_nothing():
    with BaseLogger() as logger:
        assert logger.log_metrics({"a": 1}) is None
        assert logger.log_hyperparams({"a": 1}) is None


@pytest.mark.parametrize("step", [0, np.int64(0), 0.0, False])
def test_whole_steps_of_any_type_become_ints(step):
    rows = []
    ListLogger(rows).log_metrics({"a": 1}, step=step)
    assert rows == [("metrics", 0, {"a": 1.0})]
    assert type(rows[0][1]) is int


@pytest.mark.parametrize("step", [-1, 2**62, 0.5, "3", float("nan"), float("inf")])
def test_other_steps_are_refused(step):
    with pytest.raises(ValueError, match="step must be a non-negative integer"):
        ListLogger([]).log_metrics({"a": 1}, step=step)


def test_a_row_without_a_number_is_not_written_and_takes_no_step():
    rows = []
    logger = ListLogger(rows)
    logger.log_metrics({"a": "text"})
    logger.log_metrics({"a": 1})
    assert rows == [("metrics", 0, {"a": 1.0})]


def test_a_logger_whose_close_fails_counts_as_closed():
    class Stubborn(ListLogger):
        def close(self, failure):
            raise OSError("disk full")

    logger = Stubborn([])
    with pytest.raises(OSError, match="disk full"):
        logger.finish()
    logger.finish()
    with pytest.raises(LoggerClosedError, match="Create a new logger for what comes after"):
        logger.log_metrics({"a": 1})


def test_a_copy_is_closed_and_has_no_hold_on_the_run():
    logger = ListLogger([])
    logger.place, logger.connection = "runs/1", threading.Lock()  # which cannot be pickled
    copy = pickle.loads(pickle.dumps(logger))  # noqa: S301
    assert (copy.place, copy.closed, logger.closed) == ("runs/1", True, False)
    with pytest.raises(LoggerClosedError):
        copy.log_metrics({"a": 1})
    copy.finish()
