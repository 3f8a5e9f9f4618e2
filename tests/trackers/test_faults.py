"""The faults that trackers and training survive: each in its own process, under a time limit.

Every tracker that is here is open in each of these runs; `scenarios` holds them. Other faults
are tested where they belong:

- a logger that raises, alone or again and again, and one of a bad form: ``test_logger_group.py``
- a logger that hangs: ``test_hanging_loggers.py``, ``test_wandb_logger.py``
- a logger that exits, errors without a text, no thread to be had, odd time-outs:
  ``test_loggers_that_exit.py``
- signals while runs are finished: ``test_signals.py``, ``test_process_state.py``
- processes that are forked: ``test_forked_processes.py``, ``test_process_state.py``
- what a tracker leaves behind in the process: ``test_process_state.py``
- no standard streams, or broken ones: ``test_standard_streams.py``, ``test_process_state.py``
- SIGTERM: ``test_trainers.py``, ``test_interruption.py``
- a training run that is continued: ``test_resumed_runs.py``, ``test_jsonl_logger.py``
- no key and no terminal: ``test_wandb_logger.py``, ``test_swanlab_logger.py``
- a package or SDK that is missing or broken: ``test_missing_trackers.py``, ``test_missing_sdks.py``
- use after the end, odd numbers, names, steps: `torch_rechub.testing`, ``test_call_sequences.py``
- losses that are no numbers: ``test_trainer.py``
- odd data: ``test_odd_inputs.py``; odd settings: ``test_plain_hyperparams.py``
- damaged and hostile checkpoints: ``test_checkpoint.py``, ``test_resume.py``
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from backends import BACKENDS, TOGETHER, open_logger, read_run
from expected_trackers import EXPECTED
from scenarios import PLACES

from torch_rechub.runs import read_runs
from warm_python import run_script

SCENARIOS = str(Path(__file__).with_name("scenarios.py"))
LIMIT = 240  # seconds: a hundred times what most need, for machines that are busy
EACH = pytest.mark.parametrize("backend", BACKENDS)


def run(folder, name, *arguments):
    return run_script([SCENARIOS, name, folder, *arguments], timeout=LIMIT)


def launched(launcher, folder, name):
    return subprocess.run(
        [sys.executable, *launcher, SCENARIOS, name, str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )


def result(folder, name, *arguments):
    """The return value of a scenario, and its output on stderr."""
    done = run(folder, name, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def runs_below(folder):
    return {backend: read_run(backend, folder / backend) for backend in TOGETHER}


# An error, Ctrl-C, kill -9


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("errors")
    return folder, result(folder, "an_error")[0]


@pytest.mark.parametrize("place", PLACES)
def test_an_error_arrives_unchanged_and_every_run_is_recorded_as_failed(errors, place):
    folder, told = errors
    is_the_same, has_no_cause, raised_by, closings = told[place]
    assert (is_the_same, has_no_cause, raised_by) == (True, True, "fails")
    assert closings == [1] * len(TOGETHER)
    for backend, recorded in runs_below(folder / place).items():
        assert recorded.status == "failed", backend
        why = "exit code 1" if backend == "wandb" else f"ValueError: in the {place}"
        assert recorded.error == why
        assert recorded.metrics["train/loss"][0][0] == 0


@pytest.mark.parametrize("times", [pytest.param("once", marks=pytest.mark.slow), "again"])
def test_ctrl_c_ends_every_run_and_arrives_even_if_pressed_again(tmp_path, times):
    (closings, hooks_are_back), _ = result(tmp_path, "ctrl_c", times)
    assert closings == [1] * len(TOGETHER)
    assert hooks_are_back
    for backend, recorded in runs_below(tmp_path).items():
        assert recorded.status == "interrupted", backend
        why = "exit code 130" if backend == "wandb" else "KeyboardInterrupt"
        assert recorded.error.startswith(why)
        assert "\n" not in recorded.error


def test_kill_9_loses_no_completed_epoch(tmp_path):
    assert run(tmp_path, "killed").returncode == -signal.SIGKILL
    for backend in TOGETHER:
        (recorded,) = read_runs(tmp_path / backend)
        assert recorded.status == "unfinished"
        assert recorded.hyperparams["n_epoch"] == 9
        assert [step for step, _ in recorded.metrics["val/auc"]] == [0, 1, 2], backend
    checkpoint = torch.load(tmp_path / "models" / "model.checkpoint", weights_only=True)
    assert len(checkpoint["history"]) == 3


def test_kill_9_while_a_checkpoint_is_written_leaves_the_one_before(tmp_path):
    assert run(tmp_path, "killed_while_saving").returncode == -signal.SIGKILL
    checkpoint = torch.load(tmp_path / "models" / "model.checkpoint", weights_only=True)
    assert len(checkpoint["history"]) == 2


# The disk


@pytest.mark.slow
def test_a_full_disk_stops_no_training_and_is_reported(tmp_path):
    told, stderr = result(tmp_path, "full_disk")
    assert told == "trained"
    assert "JSONLLogger failed in log_metrics" in stderr
    assert "swanlab" not in EXPECTED or "SwanLabLogger: the run's file cannot be" in stderr
    assert "tensorboardx" not in EXPECTED or "TensorBoardXLogger failed in log_metrics" in stderr
    assert "wandb" not in EXPECTED or "lacks the end of the run" in stderr
    for backend in TOGETHER:
        (recorded,) = read_runs(tmp_path / backend)
        pairs = recorded.metrics["metric/0"]
        assert pairs == [(s, pytest.approx(s / 3)) for s in range(len(pairs))]
        assert len(pairs) > 10


def test_a_checkpoint_that_does_not_fit_on_the_disk_is_an_error_and_the_old_one_stays(tmp_path):
    (message, epochs), _ = result(tmp_path, "full_disk_for_checkpoints")
    assert "File too large" in message
    assert "model.checkpoint" in message
    assert epochs == 3
    checkpoint = torch.load(tmp_path / "models" / "model.checkpoint", weights_only=True)
    assert len(checkpoint["history"]) == 2
    assert [p.name for p in (tmp_path / "models").iterdir() if p.name.endswith(".tmp")] == []


@pytest.mark.slow
def test_a_folder_that_is_deleted_stops_no_training(tmp_path):
    assert result(tmp_path, "folder_deleted")[0] == 3


@EACH
@pytest.mark.parametrize("what", ["a file", "below a file", "not to be made", "too long"])
def test_a_folder_that_cannot_be_is_refused_at_once(backend, what, tmp_path):
    (tmp_path / "file").touch()
    folder = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "below",
        "not to be made": Path("/proc/nowhere"),
        "too long": tmp_path / ("x" * 300),
    }[what]
    if backend == "tensorboardx" and what == "a file":
        (tmp_path / "n").touch()
        folder = tmp_path
    with pytest.raises((OSError, ValueError, RuntimeError)):
        open_logger(backend, folder)


@EACH
@pytest.mark.parametrize("name", ["精排 é", "slash/", "~/runs"])
def test_a_folder_of_any_other_name_is_found(backend, name, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = name if name.startswith("~") else f"{tmp_path}/{name}"
    with open_logger(backend, folder) as logger:
        logger.log_metrics({"a": 0.5}, 0)
    found = Path(os.path.expanduser(folder))
    assert read_run(backend, found).metrics == {"a": [(0, 0.5)]}


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "tensorboardx"])
def test_two_runs_of_one_second_in_one_folder_stay_two(backend, tmp_path):
    for value in (1.0, 2.0):
        with open_logger(backend, tmp_path) as logger:
            logger.log_metrics({"a": value}, 0)
    if backend == "wandb":
        for folder in (tmp_path / "wandb").glob("offline-run-*"):
            read_run(backend, folder)  # is written
    values = [recorded.metrics["a"] for recorded in read_runs(tmp_path)]
    assert sorted(values) == [[(0, 1.0)], [(0, 2.0)]]


@EACH
def test_a_clock_that_jumps_back_loses_and_overwrites_nothing(backend, tmp_path, monkeypatch):
    now, shift = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: now() + shift[0])
    for run, hours in enumerate((0, -2)):
        (tmp_path / f"{run}").mkdir()
        shift[0] = 3600 * hours
        with open_logger(backend, tmp_path / f"{run}") as logger:
            for step in range(3):
                shift[0] -= 600
                logger.log_metrics({"a": run}, step)
    for run in range(2):
        recorded = read_run(backend, tmp_path / f"{run}")
        assert recorded.metrics == {"a": [(0, run), (1, run), (2, run)]}
        assert recorded.status == "finished"


# Several at once


@pytest.mark.slow
def test_training_runs_at_once_and_one_after_another_keep_apart(tmp_path):
    (losses, hooks_are_back, threads), _ = result(tmp_path, "together")
    assert hooks_are_back
    assert threads[1] == threads[0]  # wandb keeps those that it starts with the first run
    assert len({tuple(values) for values in losses.values()}) == len(losses) == 6
    for name, values in losses.items():
        for backend in TOGETHER if len(name) == 2 else set(TOGETHER) - {"swanlab"}:
            recorded = read_run(backend, tmp_path / name / backend)
            assert recorded.status == "finished"
            pairs = recorded.metrics["train/loss"]
            assert pairs == [(n, pytest.approx(value)) for n, value in enumerate(values)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_batches_may_come_from_other_processes_and_trainers_may_go_to_them(tmp_path, method):
    assert result(tmp_path, "workers", method)[0] == [1, "CTRTrainer"]
    for backend, recorded in runs_below(tmp_path).items():
        assert recorded.status == "finished", backend
        assert [step for step, _ in recorded.metrics["train/loss"]] == [0]


@pytest.mark.slow
def test_of_two_processes_of_torchrun_one_records(tmp_path):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = launched(launcher, tmp_path, "distributed")
    assert done.returncode == 0, done.stderr
    for backend, recorded in runs_below(tmp_path).items():
        assert len(recorded.metrics["train/loss"]) == 3, backend
    assert {p.name for p in (tmp_path / "models").iterdir()} == {"model.pth", "model.checkpoint"}


# For long


@pytest.mark.slow
@pytest.mark.parametrize("backend", [b for b in BACKENDS if b in ("jsonl", "tensorboardx")])
def test_100_000_steps_take_no_more_memory_than_10_000(backend, tmp_path):
    peaks, _ = result(tmp_path, "memory", backend)
    assert peaks[-1] - peaks[0] < 4 * 1024  # KiB
    assert len(read_run(backend, tmp_path / backend).metrics["val/auc"]) == 100_000


# The network


@pytest.fixture
def port(request):
    """A port of this machine where a server answers wrongly, never, or is not there."""
    server = socket.create_server(("127.0.0.1", 0))
    number = server.getsockname()[1]
    held = []

    def answer():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            held.append(connection)
            if request.param in ("says 500", "speaks no TLS"):
                connection.recv(65536)
                text = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                connection.sendall(text)
                connection.close()

    if request.param == "refuses":
        server.close()
        yield number
        return
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield number
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()
    for connection in held:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("backend", [b for b in EXPECTED if b != "tensorboardx"])
@pytest.mark.parametrize(
    "port",
    # a minute and more until SDKs give up
    ["refuses", "says 500", "speaks no TLS", pytest.param("stalls", marks=pytest.mark.results)],
    indirect=True,
)
def test_a_server_that_cannot_be_used_is_an_error_before_training(
    backend, port, request, tmp_path, monkeypatch
):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("SWANLAB_API_KEY", "0" * 21)
    monkeypatch.delenv("WANDB_MODE")
    scheme = "https" if "speaks no TLS" in request.node.name else "http"
    (seconds, message), _ = result(tmp_path, "server", backend, f"{scheme}://127.0.0.1:{port}")
    assert seconds < LIMIT / 2
    assert ("dir='…'" if backend == "mlflow" else "mode='offline'") in message
