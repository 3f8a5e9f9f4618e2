"""Trackers restore the process: its state, forks, signals and streams."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from backends import TOGETHER, read_run

from warm_python import run_script

SCRIPT = str(Path(__file__).with_name("process_scenarios.py"))
LIMIT = 120


def run(folder, name, *arguments, through=None):
    """A scenario in a process of its own, perhaps by way of a shell; see `process_scenarios`."""
    command = [SCRIPT, name, str(folder), *map(str, arguments)]
    if through is None:
        done = run_script(command, timeout=LIMIT, new_session=True)
        return done.returncode, done.stdout, done.stderr
    command = ["bash", "-c", through, "bash", sys.executable, *command]
    out, err = folder / "stdout", folder / "stderr"
    with out.open("w") as stdout, err.open("w") as stderr:  # which no service of an SDK keeps open
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, timeout=LIMIT,
            check=False, start_new_session=True,
        )  # fmt: skip
    return done.returncode, out.read_text(), err.read_text()


def test_the_process_is_as_before_when_runs_are_finished(tmp_path):
    status, out, err = run(tmp_path, "state")
    assert status == 0, err
    assert json.loads(out.splitlines()[-1]) == []


@pytest.mark.slow
def test_a_forked_process_that_exits_ends_and_leaves_the_runs_alone(tmp_path):
    status, out, err = run(tmp_path, "fork")
    assert status == 0, err
    ends = json.loads(out.splitlines()[-1])
    assert ends == {"exit": 3, "finish": 3, "error": 1, "worker": 0, "later": 3}
    assert "Exception ignored" not in err
    for backend in TOGETHER:
        recorded = read_run(backend, tmp_path / backend)
        assert recorded.metrics == {"a": [(n, n / 8) for n in range(4)]}, backend
        assert recorded.status == "finished"


@pytest.mark.parametrize(
    ("first", "second", "status", "expected"),
    [
        pytest.param("none", "SIGINT", "finished", -signal.SIGINT, marks=pytest.mark.slow),
        ("none", "SIGTERM", "finished", 143),
        pytest.param("SIGINT", "SIGTERM", "interrupted", -signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("SIGTERM", "SIGINT", "interrupted", 143, marks=pytest.mark.slow),
        pytest.param("SIGTERM", "SIGTERM", "interrupted", 143, marks=pytest.mark.slow),
    ],
)
def test_a_signal_while_runs_are_finished_ends_them_and_then_the_process(
    first, second, status, expected, tmp_path
):
    code, _, err = run(tmp_path, "signals", first, second)
    assert code == expected, err
    for backend in TOGETHER:
        recorded = read_run(backend, tmp_path / backend)
        assert recorded.status == status, backend
        steps = [step for step, _ in recorded.metrics["train/loss"]]
        assert steps == ([0, 1] if first == "none" else [0])


@pytest.mark.parametrize(
    "through",
    [
        pytest.param('exec "$@" <&- >&- 2>&-', id="closed", marks=pytest.mark.slow),
        pytest.param(
            '{ "$@"; } 2>&1 | head -c 1 > /dev/null',
            id="a pipe without a reader",
            marks=pytest.mark.slow,
        ),
        pytest.param('exec "$@" > /dev/full 2>&1', id="full", marks=pytest.mark.slow),
    ],
)
def test_runs_are_whole_where_nothing_can_be_printed(through, tmp_path):
    run(tmp_path, "streams", through=through)
    assert (tmp_path / "trained").exists()
    for backend in TOGETHER:
        recorded = read_run(backend, tmp_path / backend)
        assert recorded.status == "finished", backend
        assert [step for step, _ in recorded.metrics["train/loss"]] == [0, 1]


@pytest.mark.slow
def test_an_error_that_cannot_be_shown_is_recorded_and_arrives(tmp_path):
    status, out, err = run(tmp_path, "unprintable")
    assert status == 0, err
    assert json.loads(out.splitlines()[-1]) == [True] * 4
    for text in ("raises", "exits", "surrogates", "long"):
        for backend in TOGETHER:
            recorded = read_run(backend, tmp_path / text / backend)
            assert recorded.status == "failed", backend
            assert recorded.error.startswith("exit code 1" if backend == "wandb" else "Unprintable")
            assert len(recorded.error) < 5000
