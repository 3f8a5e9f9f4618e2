"""Several processes of one training, real ones: only rank 0 opens a run."""

import os
import socket
import subprocess
import sys
from inspect import signature

import pytest
import torch

from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import BaseLogger, JSONLLogger
from torch_rechub.basic.tracking.logger import RunLogger
from torch_rechub.data.loader import TableLoader, TorchDataset
from torch_rechub.distributed import process_rank
from torch_rechub.models.ranking import LR
from torch_rechub.runs import read_runs
from torch_rechub.trainers import CTRTrainer, Recording

VARIABLES = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE")

USE = """
from torch_rechub.basic.tracking import JSONLLogger, LoggerClosedError, LoggerGroup
logger = JSONLLogger("p", dir=sys.argv[1])
with LoggerGroup([logger]) as group:
    group.log_hyperparams({"lr": 0.1})
    group.log_metrics({"a": 0.5}, 0)
assert isinstance(logger, JSONLLogger) and logger.closed
try:
    logger.log_metrics({"a": 1.0})
except LoggerClosedError:
    print("torch" in sys.modules)
"""

DISTRIBUTED = """
import torch.distributed as dist
dist.init_process_group("gloo", init_method=sys.argv[2], rank=int(sys.argv[3]), world_size=2)
"""


def start(code, *args, **environment):
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys\n{code}", *map(str, args)],
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outputs(processes):
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        yield output.strip()


@pytest.fixture
def environment(monkeypatch):
    def environment(**variables):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return environment


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, 0),
        ({"WORLD_SIZE": "4", "RANK": "0"}, 0),
        ({"WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "0"}, 2),  # the second of two machines
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "1"}, 1),
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "0", "NODE_RANK": "1"}, 1),
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "0", "NODE_RANK": "0"}, 0),
        ({"RANK": "3"}, 0),  # somebody's own variable, not a launcher's
        ({"WORLD_SIZE": "1", "RANK": "3"}, 0),
        ({"WORLD_SIZE": "small", "RANK": "gold"}, 0),
    ],
)
def test_the_rank_is_that_of_the_launcher(environment, variables, rank):
    environment(**variables)
    assert process_rank() == rank


def test_only_rank_0_opens_a_run_and_nothing_imports_torch(tmp_path):
    ranks = [start(USE, tmp_path, RANK=str(r), LOCAL_RANK=str(r), WORLD_SIZE="3") for r in range(3)]
    assert list(outputs(ranks)) == ["False"] * 3
    (run,) = read_runs(tmp_path)
    assert (run.metrics, run.hyperparams) == ({"a": [(0, 0.5)]}, {"lr": 0.1})


@pytest.mark.slow
def test_processes_that_torch_joined_are_known_without_variables(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    code = DISTRIBUTED + USE + "dist.destroy_process_group()"
    assert list(outputs([start(code, tmp_path, meeting, r) for r in range(2)])) == ["True"] * 2
    assert len(read_runs(tmp_path)) == 1


def test_what_a_logger_without_run_lacks_is_explained(environment, tmp_path):
    environment(WORLD_SIZE="2", RANK="1")
    logger = JSONLLogger(dir=tmp_path)
    with pytest.raises(AttributeError, match=r"JSONLLogger has no 'path'.*only rank 0.*rank 1"):
        _ = logger.path
    assert not hasattr(logger, "run_id")
    assert list(tmp_path.iterdir()) == []


def test_no_hook_of_a_tracker_is_reached_in_processes_without_run(environment):
    hooks = [name for name in vars(RunLogger) | vars(BaseLogger) if is_hook(name)]

    def reached(self, *args, **kwargs):
        raise AssertionError("a hook of the tracker was called")

    Tracker = type("Tracker", (RunLogger,), dict.fromkeys(hooks, reached))
    environment(WORLD_SIZE="2", RANK="1")
    tracker = Tracker()
    assert {"write_resume", "define_axis", "flush", "close"} < set(hooks)
    for name in hooks:
        getattr(tracker, name)(*[None] * (len(signature(getattr(RunLogger, name)).parameters) - 1))


def is_hook(name):
    return name.startswith("write_") or name in ("define_axis", "flush", "close")


def test_a_resumed_training_reports_no_fault_of_a_logger_without_run(environment, tmp_path, caplog):
    x, y = {"user": torch.arange(8) % 4}, (torch.arange(8) % 2).float()
    loader = TableLoader(TorchDataset(x, y), 4)

    def train(n_epoch):
        trainer = CTRTrainer(
            LR([SparseFeature("user", 4)]),
            n_epoch=n_epoch,
            model_path=tmp_path,
            model_logger=JSONLLogger(dir=tmp_path, id="run", resume="allow"),
            record=Recording(every_n_steps=1, best=True, embeddings=True, architecture=True),
            progress=False,
        )
        trainer.fit(loader, loader, resume=True)
        return [row["epoch"] for row in trainer.history]

    environment()
    assert train(1) == [0]  # leaves a checkpoint, and its run
    environment(WORLD_SIZE="2", RANK="1")
    assert train(2) == [0, 1]
    assert "JSONLLogger failed" not in caplog.text
    (run,) = read_runs(tmp_path)
    assert len(run.metrics["val/auc"]) == 1


def test_processes_without_a_launcher_each_open_their_run(tmp_path):
    list(outputs([start(USE, tmp_path) for _ in range(2)]))
    assert len(read_runs(tmp_path)) == 2
