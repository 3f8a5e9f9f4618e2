"""Relative folders of loggers are those of the moment in which the logger is opened."""

import os

import pytest
from backends import BACKENDS, open_logger, read_run
from tiny_clicks import model_and_loaders

from torch_rechub.basic import tracking
from torch_rechub.runs import read_runs
from torch_rechub.trainers import CTRTrainer

EACH = pytest.mark.parametrize("backend", BACKENDS)
DEFAULTS = {
    "jsonl": lambda **kwargs: tracking.JSONLLogger("p", "n", **kwargs),
    "wandb": lambda **kwargs: tracking.WandbLogger("p", "n", **kwargs),
    "swanlab": lambda **kwargs: tracking.SwanLabLogger("p", "n", mode="offline", **kwargs),
    "tensorboardx": lambda **kwargs: tracking.TensorBoardXLogger("n", **kwargs),
    "mlflow": lambda **kwargs: tracking.MLflowLogger("p", "n", **kwargs),
}


@pytest.fixture
def folders(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    return tmp_path


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def train(backend, folders, leaves):
    """Train with relative folders in each of two folders, and change to a third meanwhile."""
    for name in ("a", "b"):
        os.chdir(folders / name)
        model, train, val = model_and_loaders()
        trainer = CTRTrainer(
            model, n_epoch=2, model_path="models", model_logger=leaves["open"](backend)
        )
        losses = trainer.losses

        def moves(batch, losses=losses, trainer=trainer):
            if len(trainer.history) == leaves["epoch"]:
                os.chdir(folders / "c")
            return losses(batch)

        trainer.losses = moves
        trainer.fit(train, val, resume=True)


@EACH
@pytest.mark.parametrize(("default", "epoch"), [(False, 0), (False, 1), (True, 0)])
def test_a_change_of_the_working_directory_moves_no_run(
    backend, default, epoch, folders, monkeypatch
):
    monkeypatch.chdir(folders)
    opened = (lambda b: DEFAULTS[b]()) if default else (lambda b: open_logger(b, "runs"))
    train(backend, folders, {"epoch": epoch, "open": opened})
    assert files(folders / "c") == []
    for name in ("a", "b"):
        assert read_run(backend, folders / name).metrics["val/auc"][-1][0] == 1
        assert sorted(os.listdir(folders / name / "models")) == ["model.checkpoint", "model.pth"]


SET_ELSEWHERE = [
    (backend, how)
    for backend in BACKENDS
    for how in ("environment", "settings")
    if backend in ("wandb", "swanlab")
] or [("jsonl", "nothing")]  # which has no such setting


@pytest.mark.parametrize(("backend", "how"), SET_ELSEWHERE)
def test_so_it_is_with_a_folder_that_is_set_elsewhere(backend, how, folders, monkeypatch):
    options = {}
    if how == "environment":
        variable = {"wandb": "WANDB_DIR", "swanlab": "SWANLAB_LOG_DIR"}[backend]
        monkeypatch.setenv(variable, "runs")
    elif how == "settings":
        options["settings"] = {{"wandb": "root_dir", "swanlab": "log_dir"}[backend]: "runs"}
    for name in ("a", "b"):
        monkeypatch.chdir(folders / name)
        logger = DEFAULTS[backend](**options)
        monkeypatch.chdir(folders / "c")
        logger.log_metrics({"a": 1.0}, step=0)
        logger.finish()
    assert files(folders / "c") == []
    for name in ("a", "b"):
        assert read_run(backend, folders / name / "runs").metrics == {"a": [(0, 1.0)]}


@EACH
@pytest.mark.parametrize("url", ["s3://bucket/runs", "file:///tmp/runs", "dbfs:/runs"])
def test_a_url_is_refused_and_leaves_nothing(backend, url, folders, monkeypatch):
    monkeypatch.chdir(folders)
    opens = {
        "jsonl": lambda: tracking.JSONLLogger(dir=url),
        "wandb": lambda: tracking.WandbLogger("p", dir=url),
        "swanlab": lambda: tracking.SwanLabLogger("p", logdir=url, mode="offline"),
        "tensorboardx": lambda: tracking.TensorBoardXLogger(url),
        "mlflow": lambda: tracking.MLflowLogger("p", dir=url),
    }
    with pytest.raises(ValueError, match=rf"(dir|log_dir|logdir) must be a local path.*{url}"):
        opens[backend]()
    assert files(folders) == []
    assert read_runs(folders) == ()
