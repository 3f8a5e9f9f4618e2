"""Random sequences of calls: loggers raise only documented errors, and store what they accept.

These errors are `LoggerClosedError` after `finish()`, and ValueError for a step that is not a whole
number. `call_sequences` generates the calls and the expected records.
"""

import json
import logging
import tempfile
from pathlib import Path

import pytest
from backends import BACKENDS, open_logger, read_run
from call_sequences import ORDINARY, SEQUENCES, Kept, comparable, given
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn

from torch_rechub.basic.tracking import LoggerClosedError

EACH = pytest.mark.parametrize("backend", BACKENDS)
UNTIMED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(autouse=True)
def _without_a_warning_for_each_odd_name(monkeypatch):
    monkeypatch.setattr(logging.getLogger("torch_rechub.tracking"), "disabled", True)


def call(logger, method, *args):
    if method == "log_failure":
        logger.log_failure(*args)
    else:
        getattr(logger, method)(given(args[0]), *[step for step, _ in args[1:]])


def in_order(params):
    """The hyper-parameters as text, which tells 1 from 1.0 and True, and knows NaN."""
    return json.dumps(params, sort_keys=True)


def check(backend, sequence):
    before, after = sequence
    expected = Kept(backend)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        logger = open_logger(backend, directory)
        try:
            for method, *args in before:
                if expected.refuses(method, *args):
                    with pytest.raises(ValueError, match="step must be"):
                        call(logger, method, *args)
                else:
                    call(logger, method, *args)
        finally:
            logger.finish()
        for method, *args in after:
            if method == "log_failure":
                call(logger, method, *args)
                continue
            with pytest.raises(LoggerClosedError):
                call(logger, method, *args)
        logger.finish()
        run = read_run(backend, directory)
    assert comparable(backend, run.metrics) == expected.series()
    if expected.metrics.keys() <= set(ORDINARY):
        assert run.metrics.keys() == expected.metrics.keys()
    assert in_order(run.hyperparams) == in_order(expected.hyperparams())
    assert run.status == expected.status


@EACH
def test_names_that_are_one_as_text_are_two_series(backend):
    check(backend, ([("log_metrics", {"1": (0.0, 0.0), 1: (0.0, 0.0)}, (None, "next"))], []))


@EACH
@settings(max_examples=50, derandomize=True, **UNTIMED)
@drawn(sequence=SEQUENCES)
def test_no_exception_escapes_and_what_was_taken_is_read_back(backend, sequence):
    check(backend, sequence)


@pytest.mark.results
@EACH
@settings(max_examples=10_000, database=None, **UNTIMED)
@drawn(sequence=SEQUENCES)
def test_nor_does_any_of_10_000_others(backend, sequence):
    check(backend, sequence)
