"""A folder or id that is used again holds no run of two series: steps 0 1 2 0 1 are never one."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from backends import open_logger
from expected_trackers import EXPECTED
from tiny_clicks import model_and_loaders

from torch_rechub.basic import tracking
from torch_rechub.runs import read_runs
from torch_rechub.trainers import CTRTrainer, Recording
from warm_python import run_script

OPEN = {
    "jsonl": lambda folder: tracking.JSONLLogger(dir=folder, id="a", resume="allow"),
    "tensorboardx": lambda folder: tracking.TensorBoardXLogger(folder / "a"),
    "mlflow": lambda folder: open_logger("mlflow", folder, id="a", resume="allow"),
}
BACKENDS = ["jsonl", *sorted({"tensorboardx", "mlflow"} & set(EXPECTED))]
EACH = pytest.mark.parametrize("backend", BACKENDS)


def train(logger, folder, n_epoch=3, resume=False, **options):
    model, loader, val = model_and_loaders()
    trainer = CTRTrainer(
        model, n_epoch=n_epoch, model_path=folder / "models", model_logger=logger, **options
    )
    trainer.fit(loader, val, resume=resume)
    return [row["train/loss"] for row in trainer.history]


def by_hand(logger, steps):
    with logger:
        logger.log_hyperparams({"n": len(steps)})
        for step in steps:
            logger.log_metrics({"a": step / 2}, step)


def series(folder, name):
    return sorted(run.metrics[name] for run in read_runs(folder) if name in run.metrics)


def shown_by_tensorboard(folder, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for path in {file.parent for file in folder.rglob("*tfevents*")}:
        shown = EventAccumulator(str(path), {"scalars": 0}).Reload()
        if name in shown.Tags()["scalars"]:
            found[path.name] = [(event.step, event.value) for event in shown.Scalars(name)]
    return found


@EACH
def test_a_script_that_is_run_again_makes_another_run(backend, tmp_path, warnings_of_trackers):
    losses = [train(OPEN[backend](tmp_path / "log"), tmp_path) for _ in range(3)]
    expected = sorted([(n, pytest.approx(v)) for n, v in enumerate(values)] for values in losses)
    assert series(tmp_path / "log", "train/loss") == expected
    assert all(run.hyperparams["n_epoch"] == 3 for run in read_runs(tmp_path / "log"))
    assert {run.status for run in read_runs(tmp_path / "log")} == {"finished"}
    assert sum("this run is recorded in" in text for text in warnings_of_trackers()) == 2
    if backend == "tensorboardx":
        shown = shown_by_tensorboard(tmp_path / "log", "train/loss")
        assert sorted(shown) == ["a", "a-2", "a-3"]
        assert all([step for step, _ in values] == [0, 1, 2] for values in shown.values())


@EACH
@pytest.mark.parametrize("steps", [[0, 1], [2, 3], [1], [0, 5]])
def test_a_step_that_the_run_has_makes_another_run_by_hand_too(backend, steps, tmp_path):
    by_hand(OPEN[backend](tmp_path), [0, 1, 2])
    by_hand(OPEN[backend](tmp_path), steps)
    first, second = sorted(read_runs(tmp_path), key=lambda run: run.hyperparams["n"] != 3)
    assert first.metrics == {"a": [(0, 0.0), (1, 0.5), (2, 1.0)]}
    assert second.metrics == {"a": [(step, step / 2) for step in steps]}
    assert (first.hyperparams, second.hyperparams) == ({"n": 3}, {"n": len(steps)})


@EACH
def test_what_comes_after_is_added_to_the_run(backend, tmp_path, warnings_of_trackers):
    by_hand(OPEN[backend](tmp_path), [0, 1])
    with OPEN[backend](tmp_path) as logger:
        logger.log_metrics({"a": 1.0})
        logger.log_metrics({"test/auc": 0.75}, step=0)
    (run,) = read_runs(tmp_path)
    assert run.metrics == {"a": [(0, 0.0), (1, 0.5), (2, 1.0)], "test/auc": [(0, 0.75)]}
    assert warnings_of_trackers() == []


@EACH
def test_a_logger_that_is_still_open_keeps_its_run(backend, tmp_path, warnings_of_trackers):
    first = OPEN[backend](tmp_path)
    first.log_metrics({"a": 1.0}, step=0)
    if backend != "tensorboardx":
        with pytest.raises(BlockingIOError, match="another logger is writing this run"):
            OPEN[backend](tmp_path)
    else:
        second = OPEN[backend](tmp_path)
        second.log_metrics({"a": 2.0}, step=1)
        second.finish()
        assert "another logger is writing" in warnings_of_trackers()[0]
    first.log_metrics({"a": 3.0}, step=1)
    first.finish()
    others = [[(1, 2.0)]] if backend == "tensorboardx" else []
    assert series(tmp_path, "a") == [[(0, 1.0), (1, 3.0)], *others]


PROCESS = """
import os, sys, time
from pathlib import Path
if sys.argv[2] == "tensorboardx": from torch_rechub.basic.tracking import TensorBoardXLogger
elif sys.argv[2] == "mlflow": from torch_rechub.basic.tracking import MLflowLogger
else: from torch_rechub.basic.tracking import JSONLLogger
folder, kind, meeting = sys.argv[1:]
def meet(place):
    Path(meeting, f"{place}-{os.getpid()}").touch()
    while len(list(Path(meeting).glob(f"{place}-*"))) < 3: time.sleep(0.01)
meet("imported")
try:
    if kind == "tensorboardx": logger = TensorBoardXLogger(Path(folder) / "a")
    elif kind == "mlflow": logger = MLflowLogger("p", dir=folder, id="a", resume="allow")
    else: logger = JSONLLogger(dir=folder, id="a", resume="allow" if kind == "jsonl" else None)
finally:
    meet("opened")
for step in range(5):
    logger.log_metrics({"a": step}, step)
logger.finish()
"""


SDKS = [pytest.param(kind, marks=pytest.mark.slow) for kind in BACKENDS if kind != "jsonl"]


@pytest.mark.parametrize("kind", ["jsonl", *SDKS, "jsonl, new"])
def test_three_processes_at_once_make_runs_of_their_own_or_are_refused(kind, tmp_path):
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    folder = tmp_path / "runs"
    command = [sys.executable, "-c", PROCESS, str(folder), kind, str(meeting)]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in started]
    runs = [[(step, float(step)) for step in range(5)]] * (3 if kind == "tensorboardx" else 1)
    assert series(folder, "a") == runs
    refused = [text for text, code in ends if code]
    assert len(refused) == 3 - len(runs)
    for text in refused:
        assert "BlockingIOError" in text or "FileExistsError" in text
    if kind == "tensorboardx":
        shown = shown_by_tensorboard(folder, "a")
        assert sorted(shown.values()) == runs
        assert sum("another logger is writing" in text for text, _ in ends) == 2


KILLED = """
import os, sys
from pathlib import Path
sys.path[:0] = {paths!r}
import test_runs_apart as tests
from torch_rechub.trainers import Recording
from torch_rechub.training.checkpoints.resume import TrainingState
write, records = TrainingState.write, []
def dies(*args, **kwargs):
    records.append(1)
    if len(records) == 2:  # recorded, and not in the checkpoint
        os._exit(9)
    write(*args, **kwargs)
TrainingState.write = dies
folder, backend = Path(sys.argv[1]), sys.argv[2]
tests.train(tests.OPEN[backend](folder / "log"), folder, 4, True, record=Recording(every_n_steps=1))
"""


@EACH
def test_a_kill_between_a_record_and_its_checkpoint_shows_no_epoch_twice(backend, tmp_path):
    here = Path(__file__).parent
    code = KILLED.format(paths=[str(here), str(here.parent)])
    broken, record = tmp_path / "broken", Recording(every_n_steps=1)
    assert run_script(["-c", code, broken, backend]).returncode == 9
    (cut,) = read_runs(broken / "log")
    assert [step for step, _ in cut.metrics["val/auc"]] == [0, 1]
    time.sleep(1)  # TensorBoard orders files by the second in which they began, then by process
    for folder in (broken, tmp_path / "whole"):
        train(OPEN[backend](folder / "log"), folder, 4, True, record=record)
    (run,) = read_runs(broken / "log")
    (whole,) = read_runs(tmp_path / "whole" / "log")
    assert run.metrics == whole.metrics
    assert [step for step, _ in run.metrics["train/loss_step"]] == list(range(1, 13))
    if backend == "tensorboardx":
        for name, pairs in whole.metrics.items():
            assert shown_by_tensorboard(broken / "log", name) == {"a": pairs}
