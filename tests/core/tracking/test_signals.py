"""A signal that arrives while a logger is finished waits until it is, but not for ever."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from torch_rechub.basic.tracking import BaseLogger, LoggerGroup, RunLogger
from torch_rechub.basic.tracking.signals import SignalsDeferred

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows sends no signals to threads")

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)


@pytest.fixture(autouse=True)
def handlers():
    """Those that a training run has: Ctrl-C and SIGTERM raise."""
    before = [signal.signal(signal.SIGINT, signal.default_int_handler)]
    before.append(signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)))
    yield
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])


def installed():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


class Slow(BaseLogger):
    """Takes its time to finish; signals arrive meanwhile."""

    def __init__(self, numbers, any_thread, seconds=0.2):
        self.numbers, self.any_thread, self.seconds = numbers, any_thread, seconds
        self.events = []

    def finish(self):
        self.events.append("begins")
        for number in self.numbers:
            time.sleep(0.05)
            signal.pthread_kill(threading.main_thread().ident, number)
        time.sleep(self.seconds)
        self.events.append("ends")


@BOTH
@pytest.mark.parametrize("any_thread", [True, False], ids=["guarded", "plain"])
def test_one_signal_ends_the_run_properly_and_then_the_process(number, any_thread):
    slow, other = Slow([number], any_thread), Slow([], any_thread, 0)
    before = installed()
    with pytest.raises((KeyboardInterrupt, SystemExit)) as raised, LoggerGroup([other, slow]):
        pass
    assert type(raised.value) is (KeyboardInterrupt if number == signal.SIGINT else SystemExit)
    assert slow.events == other.events == ["begins", "ends"]
    assert installed() == before


@BOTH
@pytest.mark.parametrize("first", [KeyboardInterrupt(), SystemExit(143)], ids=repr)
def test_it_takes_not_the_place_of_the_interruption_before(number, first):
    slow = Slow([number], True)
    with pytest.raises(type(first)) as raised, LoggerGroup(slow):
        raise first
    assert raised.value is first
    assert slow.events == ["begins", "ends"]


@BOTH
def test_an_error_of_training_is_reported_when_a_signal_comes_on_top(number, caplog):
    error, slow = ValueError("the loss is nan"), Slow([number], True)
    with pytest.raises((KeyboardInterrupt, SystemExit)) as raised, LoggerGroup(slow):
        raise error
    assert raised.value.__context__ is error
    assert "Training had already failed with: ValueError: the loss is nan" in caplog.text


@pytest.mark.parametrize("any_thread", [True, False], ids=["guarded", "plain"])
def test_a_second_one_is_not_kept_waiting_and_the_other_loggers_are_finished(any_thread):
    hanging = Slow([signal.SIGINT, signal.SIGINT], any_thread, 2)
    other = Slow([], any_thread, 0)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), LoggerGroup([other, hanging]):
        pass
    assert time.monotonic() - started < 1.5
    assert other.events == ["begins", "ends"]


def test_a_signal_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr("torch_rechub.basic.tracking.signals.PATIENCE", 0.1)
    hanging = Slow([signal.SIGTERM], False, 20)
    started = time.monotonic()
    with pytest.raises(SystemExit), LoggerGroup(hanging):
        pass
    assert time.monotonic() - started < 10
    assert hanging.events == ["begins"]


@BOTH
def test_a_logger_that_is_finished_by_hand_is_closed_too(number):
    events = []

    class Closing(RunLogger):
        def close(self, failure):
            signal.raise_signal(number)
            events.append("closed")

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        Closing().finish()
    with pytest.raises((KeyboardInterrupt, SystemExit)), LoggerGroup(Closing(), timeout=None):
        pass
    assert events == ["closed"] * 2


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "noted"])
def test_a_handler_that_raises_nothing_is_called_and_nothing_is_raised(handler):
    signal.signal(signal.SIGTERM, handler)
    with LoggerGroup(Slow([signal.SIGTERM] * 3, True)):
        pass
    assert signal.getsignal(signal.SIGTERM) is handler


def test_in_another_thread_nothing_changes():
    seen = []

    def work():
        with SignalsDeferred(None):
            seen.extend(installed())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == installed()


@pytest.mark.parametrize(("name", "status"), [("SIGINT", -signal.SIGINT), ("SIGTERM", -15)])
def test_the_process_ends_as_the_signal_has_it(name, status, tmp_path):
    code = f"""
import os, signal, time
from torch_rechub.basic.tracking import JSONLLogger, LoggerGroup

class Slow(JSONLLogger):
    def close(self, failure):
        os.kill(os.getpid(), signal.{name})
        time.sleep(0.2)
        super().close(failure)

signal.signal(signal.SIGINT, signal.default_int_handler)
with LoggerGroup(Slow(dir={str(tmp_path)!r}, id="a")) as group:
    group.log_metrics({{"auc": 0.5}}, step=0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done.stderr
    assert '"event":"finish"' in (tmp_path / "a.run.jsonl").read_text()
