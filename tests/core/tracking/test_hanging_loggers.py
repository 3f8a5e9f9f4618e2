"""A logger that does not return from a call costs a run its time-out, once."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from torch_rechub.basic.tracking import BaseLogger, LoggerGroup, RunLogger


class Hanging(RunLogger):
    """Never returns from the methods it is given, and notes the others."""

    def __init__(self, *methods):
        super().__init__()
        self.methods = methods
        self.calls = []
        self.released = threading.Event()

    recovery = "Its files are in /runs."

    def _note(self, method):
        self.calls.append(method)
        if method in self.methods:
            self.released.wait(30)

    def write_metrics(self, metrics, step):
        self._note("log_metrics")

    def write_hyperparams(self, params):
        self._note("log_hyperparams")

    def close(self, failure):
        self._note("finish")


@pytest.fixture
def hanging():
    made = []
    yield lambda *methods: made.append(Hanging(*methods)) or made[-1]
    for logger in made:
        logger.released.set()


@pytest.fixture(autouse=True)
def _this_process_may_live_on(monkeypatch):
    monkeypatch.setattr("torch_rechub.basic.tracking.member.end_process_in_time", lambda *_: None)


def fit(loggers, epochs=5, **options):
    started = time.monotonic()
    with LoggerGroup(loggers, **options) as group:
        group.log_hyperparams({"lr": 1})
        for epoch in range(epochs):
            group.log_metrics({"auc": 0.5}, step=epoch)
    return time.monotonic() - started


@pytest.mark.parametrize("method", ["log_hyperparams", "log_metrics", "finish"])
def test_it_is_left_behind_after_one_time_out_and_the_others_go_on(method, hanging, caplog):
    bad, good = hanging(method), hanging()
    assert 0.5 <= fit([good, bad], timeout=0.5) < 5
    assert good.calls == ["log_hyperparams", *["log_metrics"] * 5, "finish"]
    assert bad.calls[-1] == method
    assert bad.calls.count(method) == 1
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0] == (
        f"Hanging hangs in {method} (no answer for 0.5 s): off. Its files are in /runs."
    )
    lost = {"log_hyperparams": 6, "log_metrics": 5, "finish": 0}[method]
    assert messages[1:] == [f"Hanging: {lost} records were lost in this run."] * bool(lost)


def test_on_error_raise_raises_that_it_hangs(hanging):
    good = hanging()
    with pytest.raises(TimeoutError, match=r"no answer for 0\.5 s"):
        fit([good, hanging("log_metrics")], timeout=0.5, on_error="raise")
    assert good.calls == ["log_hyperparams", "log_metrics", "finish"]


@pytest.mark.parametrize(
    ("class_", "other_thread"), [(RunLogger, True), (BaseLogger, False)], ids=lambda c: str(c)
)
def test_only_a_logger_that_can_bear_it_is_called_from_other_threads(class_, other_thread):
    threads = []

    class Asking(class_):
        def log_metrics(self, metrics, step=None):
            threads.append(threading.get_ident())

    fit(Asking(), epochs=1)
    fit(Asking(), epochs=1, timeout=None)
    here = threading.get_ident()
    assert [thread == here for thread in threads] == [not other_thread, True]


def test_ctrl_c_cuts_no_call_short_that_the_next_one_must_come_after():
    calls = []

    class Slow(RunLogger):
        def write_metrics(self, metrics, step):
            calls.append("begins")
            threading.Timer(0.01, lambda: signal.raise_signal(signal.SIGINT)).start()
            time.sleep(0.2)
            calls.append("ends")

        def close(self, failure):
            calls.append(type(failure))

    with pytest.raises(KeyboardInterrupt), LoggerGroup(Slow()) as group:
        group.log_metrics({"auc": 0.5}, step=0)
    assert calls == ["begins", "ends", KeyboardInterrupt]


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_time_out_is_above_zero(value):
    with pytest.raises(ValueError, match="timeout must be above 0 seconds"):
        LoggerGroup([], timeout=value)


@pytest.mark.parametrize(
    ("ending", "status"), [("pass", 0), ("raise ValueError", 1), ("raise KeyboardInterrupt", 130)]
)
def test_a_logger_that_hangs_at_the_end_of_the_process_too_is_given_the_time_again(ending, status):
    code = f"""
import atexit, time
from torch_rechub.basic.tracking import LoggerGroup, RunLogger

class Hanging(RunLogger):
    def close(self, failure):
        time.sleep(60)

atexit.register(time.sleep, 60)
with LoggerGroup(Hanging(), timeout=0.2):
    pass
print("trained")
{ending}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (status, "trained\n")
    assert "a tracker still hangs after 0.2 s: exit" in done.stderr
