"""Copies of runs in another tracker: what is read back is what was recorded, and once."""

import os
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import mlflow_database
import pytest
from backends import open_logger
from expected_trackers import EXPECTED

from torch_rechub.basic.tracking.copied import recorded_at
from torch_rechub.cli import main
from torch_rechub.runs import compare, details, read_runs
from torch_rechub.runs.copies import ORIGIN
from torch_rechub.runs.copying import copy_runs
from torch_rechub.runs.record import flat

BACKENDS = ("jsonl", *EXPECTED)
# an opening of MLflow or wandb takes long: one pair of each is in the default run
QUICK = {("jsonl", "tensorboardx"), ("tensorboardx", "jsonl"), ("jsonl", "swanlab")}
PAIRS = [
    pair if pair in QUICK or pair[0] == pair[1] == "jsonl" else
    pytest.param(*pair, marks=pytest.mark.slow)
    for pair in product(BACKENDS, BACKENDS)
]  # fmt: skip
START = 1_700_000_000.0
PARAMS = {
    "lr": 0.1, "layers": 3, "mlp": {"dims": [64, 32], "dropout": 0.5}, "amp": True, "none": None,
    "run_id": "4b2e", "seed": 0,
}  # fmt: skip


def record(backend, folder, error=None, ends=True, steps=4):
    """A run with a record of every kind, at times of its own where the tracker can."""
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.parent / "values.npz"
    file.write_bytes(b"\0values")
    with recorded_at(START):
        logger = open_logger(backend, folder, group="night", tags=["a", "b: c"], parent="p-1")
        logger.log_hyperparams(PARAMS)
    for step in range(steps):
        with recorded_at(START + 10 * step + 1):
            logger.log_metrics({"train/loss": 1 / (step + 1), "val/auc": step / 8}, step)
            logger.log_text("model", f"LR {step}\n  of two lines", step)
    with recorded_at(START + 100):
        logger.log_histogram("norms", [1, 2], [0.0, 0.5, 1.0], 1)
        logger.log_table("top", ["item", "score"], [["a|b", 0.5], [None, True]], 2)
        logger.log_figure("val/roc", figure, 3)
        logger.log_artifact("test_values", str(file), "test_values")
        if error is not None:
            logger.log_failure(error)
        if ends:
            logger.finish()
    return logger


def plain(run):
    """The hyper-parameters of a run in the form that all trackers have."""
    params = dict(flat({n: v for n, v in run.hyperparams.items() if n != ORIGIN}))
    listed = {n: "[64, 32]" if v == [64, 32] else v for n, v in params.items()}
    return {
        n: None if v == {} else v for n, v in listed.items() if not n.startswith(f"{ORIGIN}/")
    }  # fmt: skip


def contents(run, kinds=("texts", "histograms", "tables", "figures")):
    found = details(run)
    values = {
        "texts": [(t.name, t.step, t.text) for t in found.texts],
        "histograms": [(h.name, h.step, h.counts, h.edges) for h in found.histograms],
        "tables": [(t.name, t.step, t.columns, t.rows) for t in found.tables],
        "figures": [(f.name, f.step, f.png[:8]) for f in found.figures],
    }
    return {kind: values[kind] for kind in kinds}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_copy_is_read_back_as_the_run_was_recorded(source, target, tmp_path):
    record(source, tmp_path / "from", ValueError("the loss is nan"))
    if target == "mlflow":
        mlflow_database.prepare(tmp_path / "to")
    (run,) = read_runs(tmp_path / "from")
    result = copy_runs([run], target, tmp_path / "to")
    assert (result.copied, result.there, result.failed) == (1, 0, {})
    (copy,) = read_runs(tmp_path / "to")
    assert (copy.name, copy.backend, copy.status) == (run.name, target, "failed")
    assert (copy.group, copy.tags, copy.parent) == (run.group, run.tags, run.parent)
    assert plain(copy) == plain(run)
    assert copy.metrics.keys() == run.metrics.keys()
    for name, pairs in run.metrics.items():
        steps, values = zip(*copy.metrics[name], strict=True)
        assert list(steps) == [step for step, _ in pairs]
        assert list(values) == pytest.approx([value for _, value in pairs], rel=1e-6)
    if "wandb" not in (source, target):
        assert copy.error == run.error
    without = {"swanlab": ("histograms",)}.get(target, ())
    kinds = [kind for kind in ("texts", "histograms", "tables", "figures") if kind not in without]
    assert contents(copy, kinds) == contents(run, kinds)
    for name, path in details(run).files.items():
        assert Path(details(copy).files[name]).read_bytes() == Path(path).read_bytes()
    if target != "swanlab" and source != "swanlab":
        for name, times in details(run).times.items():
            assert details(copy).times[name] == pytest.approx(times, abs=0.01)
    if target in ("jsonl", "mlflow", "tensorboardx") and source in ("jsonl", "mlflow"):
        assert abs((copy.started - run.started).total_seconds()) < 0.01
        assert abs((copy.ended - run.ended).total_seconds()) < 0.01
    lost = {"histogram": 1} if target == "swanlab" and source != "swanlab" else {}
    assert dict(+result.left_out) == lost


@pytest.mark.parametrize(
    "target", [b if b == "jsonl" else pytest.param(b, marks=pytest.mark.slow) for b in BACKENDS]
)
@pytest.mark.parametrize("status", ["finished", "failed", "interrupted", "unfinished"])
def test_the_end_of_a_run_is_that_of_its_copy(status, target, tmp_path):
    errors = {"failed": ValueError("nan"), "interrupted": KeyboardInterrupt()}
    logger = record("jsonl", tmp_path / "from", errors.get(status), status != "unfinished", 1)
    (run,) = read_runs(tmp_path / "from")
    assert run.status == status
    if target == "mlflow":
        mlflow_database.prepare(tmp_path / "to")
    for times in range(2):
        result = copy_runs([run], target, tmp_path / "to")
        assert (result.copied, result.there) == (1 - times, times)
    (copy,) = read_runs(tmp_path / "to")
    ends = status == "unfinished" and target in ("wandb", "swanlab")
    assert copy.status == ("interrupted" if ends else status)
    assert target == "wandb" or ends or copy.error == run.error
    logger.finish()


@pytest.mark.parametrize(
    "target", [b if b == "jsonl" else pytest.param(b, marks=pytest.mark.slow) for b in BACKENDS]
)
def test_a_run_is_copied_once_and_not_back(target, tmp_path):
    for number in range(3):
        record("jsonl", tmp_path / "from", ValueError(f"{number}"), steps=1)
    if target == "mlflow":
        mlflow_database.prepare(tmp_path / "to")
    runs = read_runs(tmp_path / "from")
    assert copy_runs(runs[:2], target, tmp_path / "to").copied == 2
    again = copy_runs(runs, target, tmp_path / "to")
    assert (again.copied, again.there) == (1, 2)
    copies = read_runs(tmp_path / "to")
    assert len(copies) == 3
    back = copy_runs(copies, "jsonl", tmp_path / "from")
    assert (back.copied, back.there) == (0, 3)
    elsewhere = copy_runs(copies, "jsonl", tmp_path / "third")
    assert elsewhere.copied == 3
    assert copy_runs(runs, "jsonl", tmp_path / "third").there == 3


def test_a_copy_differs_in_no_setting(tmp_path):
    record("jsonl", tmp_path / "runs")
    copy_runs(read_runs(tmp_path / "runs"), "jsonl", tmp_path / "copies")
    assert compare(tmp_path, "val/auc").differing == ()


def test_steps_that_go_back_and_values_of_one_step_keep_their_order(tmp_path):
    values = [(8, 1.0), (3, 2.0), (3, 3.0), (3, 3.0)]
    with open_logger("jsonl", tmp_path / "from") as logger:
        for step, value in values:
            logger.log_metrics({"a": value}, step)
    copy_runs(read_runs(tmp_path / "from"), "jsonl", tmp_path / "to")
    assert read_runs(tmp_path / "to")[0].metrics == {"a": values}


def test_a_run_that_cannot_be_copied_leaves_nothing_and_others_are_copied(tmp_path, monkeypatch):
    from torch_rechub.basic.tracking.jsonl import JSONLLogger

    for step in (1, 2):
        with open_logger("jsonl", tmp_path / "from") as logger:
            logger.log_metrics({"a": 1.0}, step)
    write = JSONLLogger.write_metrics

    def refuses(self, metrics, step):
        if step == 1:
            raise OSError("no space left")
        write(self, metrics, step)

    monkeypatch.setattr(JSONLLogger, "write_metrics", refuses)
    result = copy_runs(read_runs(tmp_path / "from"), "jsonl", tmp_path / "to")
    assert (result.copied, list(result.failed.values())) == (1, ["OSError: no space left"])
    assert [run.metrics["a"][0][0] for run in read_runs(tmp_path / "to")] == [2]


def test_the_command_copies_and_says_what_was_there(tmp_path, capsys):
    record("jsonl", tmp_path / "from")
    arguments = ["copy", str(tmp_path / "from"), "--to", "jsonl", "--out", str(tmp_path / "to")]
    assert main([*arguments, "--project", "new"]) == 0
    assert capsys.readouterr().out == f"1 runs copied to jsonl in {tmp_path / 'to'}\n"
    assert [run.project for run in read_runs(tmp_path / "to")] == ["new"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.endswith(", 1 were there already\n")
    (tmp_path / "empty").mkdir()
    assert main(["copy", str(tmp_path / "empty"), "--to", "jsonl"]) == 1


def test_another_tracker_or_a_missing_package_is_an_error_before_anything_is_written(
    tmp_path, monkeypatch
):
    from torch_rechub.runs import copy_targets

    with pytest.raises(ValueError, match="runs can be copied to jsonl, mlflow, swanlab"):
        copy_runs([], "comet", tmp_path / "to")
    monkeypatch.setattr(copy_targets, "find_logger", lambda name: None)
    with pytest.raises(ImportError, match="pip install rechub-mlflow"):
        copy_runs([], "mlflow", tmp_path / "to")
    assert not (tmp_path / "to").exists()


KILLED = """
import os, sys, random
from torch_rechub.basic.tracking.logger import RunLogger
from torch_rechub.runs import read_runs
from torch_rechub.runs.copying import copy_runs
source, target, to, seed = sys.argv[1:]
left = int(seed)
def counted(method):
    def call(self, *args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return method(self, *args, **kwargs)
    return call
for name in ("log_metrics", "log_hyperparams", "log_text", "log_artifact", "finish", "__init__"):
    setattr(RunLogger, name, counted(getattr(RunLogger, name)))
copy_runs(read_runs(source), target, to)
"""


@pytest.mark.parametrize(
    "target", [b if b == "jsonl" else pytest.param(b, marks=pytest.mark.slow) for b in BACKENDS]
)
def test_a_copy_that_is_killed_anywhere_and_run_again_has_every_run_once_and_whole(
    target, tmp_path
):
    for number in range(3):
        record("jsonl", tmp_path / "from", ValueError(f"{number}"), steps=2)
    runs = read_runs(tmp_path / "from")
    if target == "mlflow":
        mlflow_database.prepare(tmp_path / "to")
    few, more = (4, 10, 16), (0, 1, 3, 8, 10, 11, 12, 15, 21)
    for calls in few if target == "jsonl" else more:
        arguments = [str(tmp_path / "from"), target, str(tmp_path / "to"), str(calls)]
        done = subprocess.run(
            [sys.executable, "-c", KILLED, *arguments], timeout=120, check=False,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
        )  # fmt: skip
        assert done.returncode in (0, 9, -signal.SIGKILL)
    copy_runs(runs, target, tmp_path / "to")
    copies = read_runs(tmp_path / "to")
    assert len(copies) == 3
    assert sorted(details(copy).texts[-1].text for copy in copies) == ["LR 1\n  of two lines"] * 3
    assert {copy.status for copy in copies} == {"failed"}
    assert all(copy.metrics.keys() == {"train/loss", "val/auc"} for copy in copies)
    assert all(len(copy.metrics["val/auc"]) == 2 for copy in copies)
