"""Runs on a server of MLflow, started here with a database of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from rechub_mlflow import MLflowLogger
from torch_rechub.runs import details, read_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server, and the folder of its database."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", f"{folder}/mlartifacts"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/health", timeout=1)
            break
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.5)
    yield address, folder
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)


def test_a_run_on_a_server_is_that_which_was_recorded(server, tmp_path, capfd):
    from matplotlib.figure import Figure

    address, folder = server
    figure = Figure()
    figure.subplots().plot([1, 2])
    file = tmp_path / "values.npz"
    file.write_bytes(b"\0values")
    params = {"lr": 0.1, "mlp": {"dims": [64, 32]}, "long": ["x" * 100] * 150}
    logger = MLflowLogger("p", "n", params, ["base"], tracking_uri=address, id="a", group="g")
    with logger:
        logger.log_hyperparams({"lr": 0.2})
        for step in range(3):
            logger.log_metrics({"val/auc": step / 7, "a:b": float("nan")}, step)
        logger.log_text("model", "LR()", 0)
        logger.log_table("top", ["item"], [["a"]], 1)
        logger.log_figure("val/roc", figure, 2)
        logger.log_artifact("test_values", str(file), "test_values")
    assert capfd.readouterr() == ("", "")
    history = logger.client.get_metric_history(logger.run_id, "val/auc")
    assert [(point.step, point.value) for point in history] == [(0, 0), (1, 1 / 7), (2, 2 / 7)]
    assert logger.client.get_run(logger.run_id).info.status == "FINISHED"

    (run,) = read_runs(folder)  # the database of the server, without the server
    assert (run.name, run.project, run.status, run.group) == ("n", "p", "finished", "g")
    assert run.hyperparams == {**params, "lr": 0.2}
    assert run.metrics["val/auc"] == [(0, 0.0), (1, 1 / 7), (2, 2 / 7)]
    assert len(run.metrics["a:b"]) == 3
    found = details(run)
    assert [text.text for text in found.texts] == ["LR()"]
    assert [table.rows for table in found.tables] == [[["a"]]]
    assert [figure.name for figure in found.figures] == ["val/roc"]
    with open(found.files["test_values"], "rb") as stored:
        assert stored.read() == b"\0values"


def test_a_run_on_a_server_is_continued(server):
    address, folder = server
    for steps in (range(2), range(2, 4)):
        with MLflowLogger("q", tracking_uri=address, id="b", resume="allow") as logger:
            for step in steps:
                logger.log_metrics({"a": step}, step)
    (run,) = [run for run in read_runs(folder) if run.project == "q"]
    assert run.metrics == {"a": [(step, step) for step in range(4)]}
    MLflowLogger.remove("q", "b", tracking_uri=address)
    assert [run for run in read_runs(folder) if run.project == "q"] == []


DIES = """
import json, os, signal, sys, time
from rechub_mlflow import MLflowLogger
from torch_rechub.basic.tracking import LoggerGroup
from torch_rechub.basic.tracking.jsonl import JSONLLogger
address, folder, server = sys.argv[1:]
logger = MLflowLogger("p", "dies", tracking_uri=address)
started = time.monotonic()
with LoggerGroup([logger, JSONLLogger(dir=folder)], timeout=5) as group:
    for step in range(6):
        if step == 2:
            os.kill(int(server), signal.SIGSTOP)  # it accepts, and never answers
        group.log_metrics({"a": step}, step)
print(json.dumps(time.monotonic() - started))
"""


def test_a_server_that_stops_answering_holds_training_up_for_one_time_out(server, tmp_path):
    address, _ = server
    children = subprocess.run(
        ["bash", "-c", f"ss -ltnp 'sport = :{address.rsplit(':', 1)[1]}' | grep -o 'pid=[0-9]*'"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    pids = sorted({int(text.removeprefix("pid=")) for text in children.split()})
    if not pids:
        pytest.skip("the processes of the server cannot be listed here")
    try:
        done = subprocess.run(
            [sys.executable, "-c", DIES, address, str(tmp_path), str(pids[-1])],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) < 60
    (run,) = read_runs(tmp_path)
    assert run.metrics == {"a": [(step, step) for step in range(6)]}
