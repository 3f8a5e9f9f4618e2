"""SIGTERM becomes an exit that can be cleaned up after, where nobody else wants it."""

import signal
import sys
import threading
import time
from contextlib import nullcontext

import pytest

from torch_rechub.training.interruption import sigterm_raises


@pytest.fixture(autouse=True)
def default_handler():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_leaves_the_block_as_an_exit_of_status_143():
    with pytest.raises(SystemExit) as exit, sigterm_raises():
        signal.raise_signal(signal.SIGTERM)
    assert exit.value.code == 143


@pytest.mark.parametrize("error", [None, ValueError("inside"), KeyboardInterrupt()])
def test_afterwards_sigterm_does_what_it_did_before(error):
    with nullcontext() if error is None else pytest.raises(type(error)), sigterm_raises():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        if error is not None:
            raise error
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_a_handler_of_the_user_is_left_alone(handler):
    signal.signal(signal.SIGTERM, handler)
    with sigterm_raises():
        signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is handler
    assert signal.getsignal(signal.SIGTERM) is handler


def test_in_another_thread_nothing_changes():
    seen = []

    def work():
        with sigterm_raises():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


class SignalsWhenFinalized:
    """Python ignores the exceptions of finalizers, as it does those of a fork."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_whose_exception_python_ignores_arrives_again():
    with pytest.raises(SystemExit) as exit, sigterm_raises():  # noqa: PT012
        SignalsWhenFinalized()
        time.sleep(10)  # which the second signal interrupts
    assert exit.value.code == 143


def test_other_ignored_exceptions_reach_the_hook_that_was_there(monkeypatch):
    class Fails:
        def __del__(self):
            raise ValueError("in a finalizer")

    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(unraisable.exc_type))
    hook = sys.unraisablehook
    with sigterm_raises():
        Fails()
    assert seen == [ValueError]
    assert sys.unraisablehook is hook
