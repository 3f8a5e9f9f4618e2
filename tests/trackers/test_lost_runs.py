"""No run is lost in silence: what a call cannot keep it says; what `finish` left can be read."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from backends import BACKENDS, open_logger
from expected_trackers import EXPECTED

from torch_rechub.basic.tracking import LoggerGroup
from torch_rechub.runs import read_runs

EACH = pytest.mark.parametrize("backend", BACKENDS)
PATTERNS = ("*.run.jsonl", "*tfevents*", "run-*.wandb", "run-*.swanlab", "mlflow.db")


def files(folder):
    return [path for pattern in PATTERNS for path in folder.rglob(pattern) if path.is_file()]


def remove_folder(folder):
    shutil.rmtree(folder)


def remove_file(folder):
    for path in files(folder):
        path.unlink()


def replace_folder(folder):
    found = {path: path.read_bytes() for path in files(folder)}
    folder.rename(folder.with_name("moved"))
    for path, content in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def move_file(folder):
    for path in files(folder):
        path.rename(path.with_name("moved"))


LOST = pytest.raises(FileNotFoundError, match=r"Logger: the run's file was removed or replaced")


@EACH
@pytest.mark.parametrize("lose", [remove_folder, remove_file, replace_folder, move_file])
def test_a_record_of_a_run_whose_file_is_gone_is_an_error(backend, lose, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    logger = open_logger(backend, folder)
    logger.log_metrics({"a": 1.0}, step=0)
    lose(folder)
    with LOST:
        logger.log_metrics({"a": 2.0}, step=1)
    with LOST:
        logger.log_hyperparams({"lr": 1})
    with LOST:
        logger.finish()
    assert logger.closed


@EACH
def test_training_goes_on_and_the_loss_is_reported(backend, tmp_path, warnings_of_trackers):
    folder = tmp_path / "runs"
    folder.mkdir()
    with LoggerGroup(open_logger(backend, folder)) as group:
        group.log_metrics({"a": 1.0}, 0)
        remove_folder(folder)
        group.log_metrics({"a": 2.0}, 1)
    text = "\n".join(warnings_of_trackers())
    assert "failed in log_metrics" in text
    assert "removed or replaced" in text
    assert "1 records were lost" in text


@EACH
def test_a_run_that_is_lost_before_its_end_is_reported_at_its_end(
    backend, tmp_path, warnings_of_trackers
):
    folder = tmp_path / "runs"
    folder.mkdir()
    with LoggerGroup(open_logger(backend, folder)) as group:
        group.log_metrics({"a": 1.0}, 0)
        remove_folder(folder)
    assert "failed in finish" in "\n".join(warnings_of_trackers())


READ = """
import sys
import threading
import time
from torch_rechub.runs import read_runs
(run,) = read_runs(sys.argv[1])
print(run.status, len(run.metrics["a"]), run.hyperparams["lr"])
"""


@EACH
def test_a_finished_run_can_be_read_at_once_here_and_elsewhere(backend, tmp_path):
    for number in range(2):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        with open_logger(backend, folder) as logger:
            logger.log_hyperparams({"lr": 1})
            for step in range(60):
                logger.log_metrics({"a": step, **{f"m/{n}": 0.1 for n in range(20)}}, step)
        (run,) = read_runs(folder)
        assert (run.status, run.hyperparams) == ("finished", {"lr": 1})
        assert run.metrics["a"] == [(step, step) for step in range(60)]
    done = subprocess.run(
        [sys.executable, "-c", READ, folder], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split()[:2] == ["finished", "60"]


if "wandb" in EXPECTED:

    def test_what_wandb_says_of_its_upload_is_reported_where_it_must_be_silent(
        tmp_path, warnings_of_trackers
    ):
        import wandb

        assert os.environ["WANDB_SILENT"] == "true"
        with open_logger("wandb", tmp_path):
            wandb.termwarn("Fatal error while uploading data. Some run data will not be synced")
        assert "Fatal error while uploading data" in "\n".join(warnings_of_trackers())

    def test_the_end_of_a_large_run_is_found_in_its_last_blocks(tmp_path):
        from rechub_wandb.ending import is_written

        with open_logger("wandb", tmp_path) as logger:
            for step in range(300):
                logger.log_metrics({f"m{n}": step / 7 for n in range(300)}, step)
        (path,) = files(tmp_path)
        assert path.stat().st_size > 2 * 2**20
        assert is_written(str(path), 0.0)
        content = path.read_bytes()
        Path(path).write_bytes(content[:-400])
        assert not is_written(str(path), 0.0)

    @pytest.mark.parametrize("runs", [15, pytest.param(100, marks=pytest.mark.slow)])
    def test_every_run_of_many_is_read_whole_as_soon_as_it_is_finished(tmp_path, runs):
        for number in range(runs):
            folder = tmp_path / f"{number}"
            folder.mkdir()
            epochs = 1 + 7 * number % 50
            with open_logger("wandb", folder) as logger:
                logger.log_hyperparams({"number": number})
                for epoch in range(epochs):
                    logger.log_metrics({"a": epoch}, epoch)
                    logger.flush()
            (run,) = read_runs(folder)
            assert (run.status, run.hyperparams) == ("finished", {"number": number})
            assert run.metrics["a"] == [(epoch, epoch) for epoch in range(epochs)]

    def test_finish_waits_for_a_file_that_appeared_after_the_run_was_opened(tmp_path, monkeypatch):
        from rechub_wandb import ending

        exists, asked = os.path.exists, []

        def late(path):
            asked.append(path)
            return len(asked) > 3 and exists(path)

        monkeypatch.setattr(ending.os.path, "exists", late)
        logger = open_logger("wandb", tmp_path)
        monkeypatch.undo()
        logger.finish()
        assert len(asked) > 3
        assert read_runs(tmp_path)[0].status == "finished"

    def test_finish_waits_for_an_end_that_is_written_late(tmp_path):
        from rechub_wandb.ending import is_written

        open_logger("wandb", tmp_path).finish()
        (path,) = files(tmp_path)
        content = path.read_bytes()
        path.write_bytes(content[:-60])
        assert not is_written(str(path), 0.1)
        timer = threading.Timer(0.3, lambda: path.write_bytes(content))
        timer.start()
        assert is_written(str(path), 30.0)
        timer.join()

    def test_finish_does_not_wait_for_a_file_that_was_removed(tmp_path):
        from rechub_wandb.ending import is_written

        started = time.monotonic()
        assert not is_written(str(tmp_path / "removed.wandb"), 30.0)
        assert time.monotonic() - started < 5
