import pickle
import threading
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch

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


NUMBER_TYPES = {
    "int": int,
    "float": float,
    "fraction": Fraction,
    "decimal": Decimal,
    **{kind.__name__: kind for kind in (np.int64, np.uint8, np.float16, np.float32, np.float64)},
    "array without dimensions": np.array,
    "array of one element": lambda value: np.array([[value]]),
    **{str(dtype): partial(torch.tensor, dtype=dtype) for dtype in (torch.int32, torch.bfloat16)},
    "tensor of one element": lambda value: torch.tensor([value]),
    "tensor with a gradient": lambda value: torch.tensor(float(value), requires_grad=True),
}


@pytest.mark.parametrize("kind", NUMBER_TYPES.values(), ids=NUMBER_TYPES)
def test_steps_and_values_are_of_the_same_types(kind):
    rows = []
    ListLogger(rows).log_metrics({"loss": kind(3)}, step=kind(2))
    assert rows == [("metrics", 2, {"loss": 3.0})]
    assert (type(rows[0][1]), type(rows[0][2]["loss"])) == (int, float)


def test_a_step_is_as_exact_as_an_int():
    rows = []
    for step in (np.int64(2**53 + 1), np.array(2**53 + 1), torch.tensor(2**53 + 1), False):
        ListLogger(rows).log_metrics({"a": 1}, step=step)
    assert [step for _, step, _ in rows] == [2**53 + 1] * 3 + [0]


@pytest.mark.parametrize(
    "step",
    [
        *(-1, 2**62, 0.5, "3", b"3", float("nan"), float("inf"), 1 + 0j, [1]),
        *(np.float32(0.5), np.array([1, 2]), torch.tensor(-1), torch.tensor(0.5)),
        *(torch.tensor(float("nan")), torch.arange(2)),
    ],
    ids=repr,
)
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
