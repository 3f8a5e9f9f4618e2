"""Exceptions of SDKs other than errors: exits, cancellations, errors that cannot be shown."""

import asyncio
import math
import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest

from torch_rechub.basic.tracking import BaseLogger, JSONLLogger, LoggerGroup
from torch_rechub.basic.tracking.deadline import Deadline, exit_status
from torch_rechub.basic.tracking.plugin import failure_text
from torch_rechub.runs import read_runs


class Outcome(BaseException):
    """Like those of pytest, which no `except Exception` catches."""


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")

    def __repr__(self):
        raise SystemExit(4)


KINDS = [
    SystemExit(0), SystemExit(1), SystemExit("text"), GeneratorExit(), asyncio.CancelledError(),
    Outcome(), BaseException(), MemoryError(), RecursionError(), StopIteration(), Unprintable(),
]  # fmt: skip


class Acting(BaseLogger):
    """Calls a function in one of its methods."""

    def __init__(self, method, act, any_thread):
        self.method, self.act, self.any_thread = method, act, any_thread
        self.calls = []

    def _in(self, method):
        self.calls.append(method)
        if method == self.method:
            self.act()

    def log_metrics(self, metrics, step=None):
        self._in("log_metrics")

    def log_hyperparams(self, params):
        self._in("log_hyperparams")

    def flush(self):
        self._in("flush")

    def finish(self):
        self._in("finish")


def raising(error):
    def act():
        raise error

    return act


def fit(folder, logger, epochs=4, **options):
    """A run next to two files of JSON lines; returns how these ended, and their steps."""
    others = [JSONLLogger(name=name, dir=folder) for name in "ab"]
    try:
        with LoggerGroup([others[0], logger, others[1]], **options) as group:
            group.log_hyperparams({"lr": 1})
            for epoch in range(epochs):
                group.log_metrics({"auc": 0.5}, step=epoch)
                group.offer("flush")
    finally:
        ends = [(run.status, len(run.metrics.get("auc", []))) for run in read_runs(folder)]
    return ends


@pytest.mark.parametrize("any_thread", [True, False], ids=["guarded", "plain"])
@pytest.mark.parametrize("method", ["log_hyperparams", "log_metrics", "flush", "finish"])
def test_whatever_a_logger_raises_ends_no_training(method, any_thread, tmp_path, caplog):
    for number, error in enumerate(KINDS):
        logger = Acting(method, raising(error), any_thread)
        assert fit(tmp_path / str(number), logger) == [("finished", 4)] * 2
        assert logger.calls[-1] == "finish"
    failures = [m for m in caplog.messages if m.startswith(f"Acting failed in {method} (")]
    assert len(failures) == len(KINDS)
    assert failures[0] == (
        f"Acting failed in {method} (SystemExit(0)); training and the other loggers go on."
    )
    assert "(<its text raises SystemExit>)" in failures[-1]


@pytest.mark.parametrize("any_thread", [True, False], ids=["guarded", "plain"])
@pytest.mark.parametrize("method", ["log_metrics", "finish"])
def test_ctrl_c_is_the_users(method, any_thread, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, Acting(method, raising(KeyboardInterrupt()), any_thread))
    assert all(run.status != "unfinished" for run in read_runs(tmp_path))


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), Outcome("x")], ids=repr)
def test_on_error_raise_makes_an_error_of_what_would_end_the_process_in_silence(error, tmp_path):
    with pytest.raises(RuntimeError, match=r"Acting raised .* in log_metrics") as raised:
        fit(tmp_path, Acting("log_metrics", raising(error), False), on_error="raise")
    assert raised.value.__cause__ is error
    assert [run.status for run in read_runs(tmp_path)] == ["failed", "failed"]


class Handler:
    """Handlers of signals in every form in which Python takes them."""

    def method(self, number, frame):
        raise TimeoutError("of the user")

    def __call__(self, number, frame):
        raise TimeoutError("of the user")


def once(number, frame):
    signal.signal(number, signal.SIG_IGN)
    raise TimeoutError("of the user")


def of_any_arguments(*arguments):
    raise TimeoutError("of the user")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
@pytest.mark.parametrize("any_thread", [True, False], ids=["guarded", "plain"])
@pytest.mark.parametrize(
    "handler",
    [once, of_any_arguments, Handler(), Handler().method, partial(Handler.method, None)],
    ids=["function", "arguments", "object", "method", "partial"],
)
def test_what_a_handler_of_a_signal_raises_meets_a_logger_but_is_meant_for_training(
    handler, any_thread, tmp_path
):
    before = signal.signal(signal.SIGUSR1, handler)
    logger = Acting("log_metrics", lambda: _send(signal.SIGUSR1), any_thread)
    try:
        with pytest.raises(TimeoutError, match="of the user"):
            fit(tmp_path, logger)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [run.error for run in read_runs(tmp_path)] == ["TimeoutError: of the user"] * 2


def _send(number):
    signal.pthread_kill(threading.main_thread().ident, number)
    threading.Event().wait(0.05)


@pytest.mark.parametrize("error", [ConnectionError("no service"), SystemExit(1), Outcome()])
@pytest.mark.parametrize("hook", ["log_metrics", "log_text", "log_failure", "closed"])
def test_a_logger_that_fails_at_the_look_up_of_a_method_is_like_one_that_fails_in_it(hook, error):
    class Lazy(BaseLogger):
        found = False

        def __getattribute__(self, name):
            if name == hook and object.__getattribute__(self, "found"):
                raise error
            return object.__getattribute__(self, name)

    logger = Lazy()
    with pytest.raises(ValueError, match="of training"), LoggerGroup([logger]) as group:  # noqa: PT012
        logger.found = True
        group.log_metrics({"auc": 0.5}, step=0)
        group.offer("log_text", "model", "LR()", 0)
        raise ValueError("of training")


# Threads


@pytest.mark.parametrize("lost", range(1, 7))
def test_a_call_for_which_there_is_no_thread_is_made_and_later_ones_are_guarded_again(
    lost, tmp_path, monkeypatch
):
    start, starts = threading.Thread.start, []

    def no_thread_once(thread):
        starts.append(thread)
        if len(starts) == lost:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", no_thread_once)
    threads = []
    logger = Acting("log_metrics", lambda: threads.append(threading.current_thread()), True)
    assert fit(tmp_path, logger) == [("finished", 4)] * 2
    assert len(threads) == 4
    assert threads.count(threading.main_thread()) <= 1


def test_a_logger_that_hangs_without_a_thread_to_watch_the_end_ends_no_training(monkeypatch):
    released = threading.Event()
    start = threading.Thread.start

    def no_watch(thread):
        if thread.name == "torch_rechub-exit":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", no_watch)
    logger = Acting("finish", lambda: released.wait(5), True)
    started = time.monotonic()
    with LoggerGroup(logger, timeout=0.05) as group:
        group.log_metrics({"auc": 0.5}, step=0)
    assert time.monotonic() - started < 4
    assert logger.calls == ["log_metrics", "finish"]
    released.set()


# Time-outs


@pytest.mark.parametrize(
    "timeout", [math.inf, 1e12, 10**400, threading.TIMEOUT_MAX, np.float32(5), 1, 0.5, None]
)
def test_a_time_out_is_any_positive_number_of_seconds(timeout, tmp_path):
    logger = Acting("log_metrics", lambda: None, True)
    assert fit(tmp_path, logger, timeout=timeout) == [("finished", 4)] * 2
    assert logger.calls.count("log_metrics") == 4


@pytest.mark.parametrize("timeout", [0, -1, -math.inf, math.nan, 0.0, np.float32("nan")])
def test_other_numbers_are_refused(timeout):
    with pytest.raises(ValueError, match="timeout must be above 0 seconds, or None, got"):
        LoggerGroup([], timeout=timeout)


@pytest.mark.parametrize("timeout", [True, False, "30", b"30", [30], 1j, object()])
def test_what_is_no_number_is_refused(timeout):
    with pytest.raises(TypeError, match="timeout must be a number of seconds, or None, got"):
        LoggerGroup([], timeout=timeout)


def test_a_deadline_in_centuries_is_none():
    results = []
    Deadline(math.inf)(results.append, 1)
    assert results == [1]


# Errors and their texts


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unprintable(), "Unprintable: <its text raises ValueError>"),
        (ValueError("\udce9"), "ValueError: \\udce9"),
        (ValueError(""), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_any_error_of_training_is_recorded_and_arrives(error, text, tmp_path):
    assert failure_text(error) == text
    with pytest.raises(type(error)) as raised, LoggerGroup(JSONLLogger(dir=tmp_path)):
        raise error
    assert raised.value is error
    (run,) = read_runs(tmp_path)
    assert run.error == text
    assert run.status == ("interrupted" if isinstance(error, SystemExit) else "failed")


def test_a_long_text_is_cut(tmp_path, caplog):
    error = ValueError("x" * 1_000_000)
    assert 100 < len(failure_text(error)) < 3000
    fit(tmp_path, Acting("log_metrics", raising(error), False))
    assert all(len(message) < 3000 for message in caplog.messages)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, 0), (ValueError(), 1), (KeyboardInterrupt(), 130), (GeneratorExit(), 1),
        (SystemExit(), 0), (SystemExit(0), 0), (SystemExit(3), 3), (SystemExit(143), 143),
        (SystemExit(-1), 255), (SystemExit("text"), 1),
    ],
)  # fmt: skip
def test_the_exit_status_is_pythons(error, status):
    assert exit_status(error) == status
