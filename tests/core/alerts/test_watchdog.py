"""The watchdog: a process that was killed is reported, and no other."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from core.alerts.loopback import server
from torch_rechub.alerts.watchdog import said_farewell

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

SCRIPT = """
    import os, signal, sys, time
    from torch_rechub.alerts import Alerts, PlainJSON
    alerts = Alerts(webhooks=PlainJSON(os.environ.pop("HOOK")), name="ctr", watchdog=True)
    alerts.log_hyperparams({"model": "DeepFM"})
    alerts.log_metrics({"val/auc": 0.5}, step=0)
    print("recorded", flush=True)
"""


def run(url, ending):
    code = textwrap.dedent(SCRIPT) + textwrap.dedent(ending)
    environment = {**os.environ, "HOOK": url}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_a_killed_process_is_reported():
    with server() as (url, received):
        done = run(url, "os.kill(os.getpid(), signal.SIGKILL)")
        assert done.returncode == -signal.SIGKILL, done.stderr
        (body,) = received.wait(1)
    assert body["text"].startswith("[torch_rechub] ctr: the process ended without finishing")
    assert (body["rule"], body["status"], body["run"]) == ("run_ended", "killed", "ctr")


def test_a_killed_process_is_reported_although_its_children_live_on():
    ending = """
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        print(child, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    with server() as (url, received):
        code = textwrap.dedent(SCRIPT) + textwrap.dedent(ending)
        with subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "HOOK": url}, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"recorded\n"
            child = int(process.stdout.readline())
            (body,) = received.wait(1)
            os.kill(child, signal.SIGKILL)
    assert body["status"] == "killed"


@pytest.mark.parametrize(
    ("ending", "statuses"),
    [
        pytest.param("alerts.finish()", ["finished"], marks=pytest.mark.slow),
        pytest.param(
            "alerts.log_failure(ValueError(1)); alerts.finish()", ["failed"], marks=pytest.mark.slow
        ),
        ("alerts.finish(); os.kill(os.getpid(), signal.SIGKILL)", ["finished"]),
    ],
)
def test_a_process_that_finished_its_run_is_not_reported_as_killed(ending, statuses):
    with server() as (url, received):
        done = run(url, ending)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        received.wait(1)
        time.sleep(0.3)  # a second message would come from the child process
    assert [body["status"] for _, _, body in received.requests] == statuses


def test_the_child_process_has_the_url_in_neither_its_arguments_nor_its_environment():
    ending = """
        child = alerts._watchdog._process.pid
        for name in ("cmdline", "environ"):
            assert b"k3yk3yk3y" not in open(f"/proc/{child}/{name}", "rb").read(), name
        modules = open(f"/proc/{child}/maps").read()
        assert "torch" not in modules.replace("torch_rechub", "") and "numpy" not in modules
        alerts.finish()
        assert alerts._watchdog._process.returncode == 0
        print("checked")
    """
    if not os.path.isdir("/proc/self"):
        pytest.skip("there is no /proc")
    with server() as (url, _):
        done = run(url, ending)
    assert done.stdout == "recorded\nchecked\n", done.stderr


@pytest.mark.parametrize(
    ("written", "closed", "lives", "expected"),
    [
        (b"finished\n", False, True, True),
        (b"finished\n", True, False, True),
        (b"", True, False, False),
        (b"", False, False, False),  # the pipe is held by a process that it forked
        (b"finish", True, False, False),
    ],
)
def test_a_farewell_is_distinguished_from_the_end_of_the_parent(written, closed, lives, expected):
    reading, writing = os.pipe()
    try:
        os.write(writing, written)
        if closed:
            os.close(writing)
        assert said_farewell(reading, 1, lambda parent: lives) is expected
    finally:
        os.close(reading)
        if not closed:
            os.close(writing)


def test_a_pipe_that_is_closed_while_the_parent_lives_is_no_end(monkeypatch):
    """A logger was dropped without being finished."""
    monkeypatch.setattr("torch_rechub.alerts.watchdog._GONE", 0.05)
    reading, writing = os.pipe()
    os.close(writing)
    assert said_farewell(reading, 1, lambda parent: True) is True
    os.close(reading)
