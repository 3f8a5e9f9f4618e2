"""An empty database of MLflow, whose creation takes seconds: made once, then copied."""

import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path


def prepare(folder: Path) -> None:
    """Put an empty ``mlflow.db`` in a folder that has none."""
    target = Path(folder).expanduser() / "mlflow.db"
    if target.exists() or not _can_be_made(target.parent):
        return
    shutil.copyfile(_template(), target)


def _can_be_made(folder: Path) -> bool:
    """Whether the folder can be made; where it cannot, the logger under test says so."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _template() -> Path:
    versions = "-".join(metadata.version(name) for name in ("mlflow-skinny", "sqlalchemy"))
    kept = Path(tempfile.gettempdir()) / f"rechub-tests-{os.getuid()}-mlflow-{versions}.db"
    if not kept.exists():
        from rechub_mlflow import MLflowLogger

        with tempfile.TemporaryDirectory() as folder:
            logger = MLflowLogger("empty", dir=folder)
            logger.finish()
            logger.client.delete_run(logger.run_id)
            made = Path(folder) / "mlflow.db"
            copy = Path(f"{kept}.{os.getpid()}")
            shutil.copyfile(made, copy)
        os.replace(copy, kept)
    return kept
