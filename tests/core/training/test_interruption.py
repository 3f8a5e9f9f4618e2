"""SIGTERM becomes an exit that can be cleaned up after, where nobody else wants it."""

import signal
import threading
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
