"""The readers of the tracker packages, held against the SDKs' own ways of reading."""

import json
import subprocess
import sys
from datetime import datetime, timezone

import pytest
from backends import open_logger, read_run
from expected_trackers import EXPECTED
from readers import only

from torch_rechub.basic import tracking
from torch_rechub.runs import compare, read_runs
from torch_rechub.runs.curves import labels
from torch_rechub.runs.views import comparison_table

FILES = {"wandb": "run-*.wandb", "swanlab": "run-*.swanlab", "tensorboardx": "events.*"}
EACH = pytest.mark.parametrize("backend", EXPECTED)
# whose records are read in the order of a file; MLflow has a database
EACH_FILE = pytest.mark.parametrize("backend", [b for b in EXPECTED if b in FILES])


def record(backend, directory, error=None, steps=5):
    logger = open_logger(backend, directory)
    logger.log_hyperparams({"lr": 0.1, "mlp": {"dropout": 0.5}})
    for step in range(steps):
        logger.log_metrics({"train/loss": 1 / (step + 1), "val/auc": step / 7}, step)
    if error is not None:
        logger.log_failure(error)
    logger.finish()


def stored_according_to_wandb(directory):
    """Metrics as ``wandb leet inspect`` prints them."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json"]
    done = subprocess.run(
        [*command, str(only(directory, FILES["wandb"]))],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    metrics = {}
    for line in done.stdout.splitlines():
        for name, value in json.loads(line).get("history", {}).get("item", {}).items():
            if not name.startswith("_"):
                step = json.loads(line)["history"]["step"]["num"]
                metrics.setdefault(name, []).append((step, value))
    return metrics


def stored_according_to_swanlab(directory):
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.sdk.internal.core_python.store import DataStoreReader

    reader = DataStoreReader()
    reader.open(str(only(directory, FILES["swanlab"])))
    metrics = {}
    while data := reader.scan():
        item = Record.FromString(data).scalar
        if item.key:
            metrics.setdefault(item.key, []).append((item.step, item.value.number))
    return metrics


def stored_according_to_tensorboard(directory):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = only(directory, FILES["tensorboardx"]).parent
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def stored_according_to_mlflow(directory):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{directory}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("p").experiment_id])
    return {
        name: [
            (point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)
        ]
        for name in run.data.metrics
    }


ORACLE = {
    "wandb": stored_according_to_wandb,
    "swanlab": stored_according_to_swanlab,
    "tensorboardx": stored_according_to_tensorboard,
    "mlflow": stored_according_to_mlflow,
}


@EACH
def test_metrics_are_those_that_the_sdk_reads(backend, tmp_path):
    record(backend, tmp_path, steps=1_000)  # several blocks of the file
    run = read_run(backend, tmp_path)
    assert len(run.metrics["val/auc"]) == 1_000
    assert run.metrics == ORACLE[backend](tmp_path)


@EACH
def test_the_record_of_a_run_is_complete(backend, tmp_path):
    before = datetime.now(timezone.utc)
    record(backend, tmp_path)
    run = read_run(backend, tmp_path)
    assert (run.name, run.backend, run.status, run.error) == ("n", backend, "finished", None)
    assert run.project == (None if backend == "tensorboardx" else "p")
    assert run.path.startswith(str(tmp_path))
    nested = {"mlp/dropout": 0.5} if backend == "tensorboardx" else {"mlp": {"dropout": 0.5}}
    assert run.hyperparams == {"lr": 0.1, **nested}
    second = 1.0  # wandb keeps the duration in whole seconds
    assert -second < (run.started - before).total_seconds()
    assert run.started <= run.ended
    assert (run.ended - datetime.now(timezone.utc)).total_seconds() < second


@EACH
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ValueError("nan"), "failed", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (SystemExit(143), "interrupted", 143),
    ],
)
def test_how_a_run_ended_is_read(backend, error, status, code, tmp_path):
    record(backend, tmp_path, error)
    run = read_run(backend, tmp_path)
    if backend == "wandb":  # which keeps an exit code alone
        assert (run.status, run.error) == (status, f"exit code {code}")
    else:
        assert (run.status, run.error.split(":")[0]) == (status, type(error).__name__)


@EACH_FILE
def test_a_file_that_is_cut_off_gives_what_is_there(backend, tmp_path, caplog):
    record(backend, tmp_path)
    whole = read_run(backend, tmp_path).metrics
    file = only(tmp_path, FILES[backend])
    data = file.read_bytes()
    complete = 0
    for size in range(0, len(data), 5):
        file.write_bytes(data[:size])
        (run,) = read_runs(tmp_path)
        for name, pairs in run.metrics.items():
            assert pairs == whole[name][: len(pairs)]
        count = sum(map(len, run.metrics.values()))
        assert count >= complete
        complete = count
    assert complete >= 8
    assert [r for r in caplog.records if r.name == "torch_rechub.runs"] == []


@EACH_FILE
def test_damage_is_reported_and_takes_no_run_down(backend, tmp_path, caplog):
    (tmp_path / "damaged").mkdir()
    record(backend, tmp_path / "damaged", steps=50)
    read_run(backend, tmp_path)  # is complete
    file = only(tmp_path / "damaged", FILES[backend])
    data = file.read_bytes()
    for at in range(8, len(data), 111):
        file.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        assert len(read_runs(tmp_path)) <= 1
    assert "damaged" in caplog.text


if "tensorboardx" in EXPECTED:

    def test_a_file_that_resumes_takes_the_place_of_what_was_recorded_from_there_on(tmp_path):
        for first, last, value in ((0, 6, 0.0), (3, 9, 1.0)):
            options = {"purge_step": first} if first else {}
            with tracking.TensorBoardXLogger(tmp_path, **options) as logger:
                for step in range(first, last):
                    logger.log_metrics({"a": value}, step)
        (run,) = read_runs(tmp_path)
        assert run.metrics["a"] == [(s, float(s >= 3)) for s in range(9)]
        assert run.status == "finished"

    def test_what_pytorch_writes_is_read_too(tmp_path):
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(tmp_path / "old")) as writer:
            writer.add_scalar("a", 0.5, 3)
        with SummaryWriter(str(tmp_path / "new")) as writer:
            writer.add_scalar("a", 0.5, 3, new_style=True)
            writer.add_text("words", "no number", 3)
        for run in read_runs(tmp_path):
            assert (run.metrics, run.status) == ({"a": [(3, 0.5)]}, "unfinished")


def test_the_same_fit_is_the_same_run_in_every_backend(tmp_path):
    loggers = [open_logger(backend, tmp_path / backend) for backend in EXPECTED]
    loggers.append(tracking.JSONLLogger("p", "n", dir=tmp_path / "jsonl"))
    with tracking.LoggerGroup(loggers) as group:
        group.log_hyperparams({"lr": 0.1, "layers": 3, "scheduler": None})
        for step in range(4):
            group.log_metrics({"val/auc": 1 / (step + 3)}, step)
    runs = {backend: read_run(backend, tmp_path / backend) for backend in EXPECTED}
    (runs["jsonl"],) = read_runs(tmp_path / "jsonl")
    for backend, run in runs.items():
        digits = 1e-7 if backend == "tensorboardx" else 0  # which keeps 32-bit floats
        assert run.hyperparams == {"lr": 0.1, "layers": 3, "scheduler": None}
        assert [step for step, _ in run.metrics["val/auc"]] == [0, 1, 2, 3]
        for step, value in run.metrics["val/auc"]:
            assert value == pytest.approx(1 / (step + 3), rel=digits, abs=0), backend


def test_the_same_training_differs_in_no_hyper_parameter_whichever_tracker_recorded_it(tmp_path):
    loggers = [open_logger(backend, tmp_path / backend) for backend in ("jsonl", *EXPECTED)]
    params = {
        "lr": 0.1, "seed": 0, "none": None, "dict": {}, "list": [], "text": "", "nested": {"a": {}},
        "features": [{"name": "f", "pooling": None}, {}, None], "dims": [64, 32], "flag": False,
    }  # fmt: skip
    with tracking.LoggerGroup(loggers) as group:
        group.log_hyperparams(params)
        group.log_metrics({"val/auc": 0.5}, 0)
    for backend in EXPECTED:
        read_run(backend, tmp_path / backend)  # is complete
    found = compare(tmp_path)
    assert (len(found.rows), found.differing) == (1 + len(EXPECTED), ())
    columns = ["#", "name", "backend", "seeds", "best val/auc", "at", "last"]
    assert list(comparison_table(found, found.rows).header) == columns
    assert sorted(labels(found)) == sorted(f"n ({backend})" for backend in ("jsonl", *EXPECTED))
