"""The trackers that runs are copied to: how a logger is opened, and what it left is removed."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..basic.tracking.discovery import find_logger
from ..basic.tracking.stored_files import safe_name
from .record import Run

DEFAULT_PROJECT = "copied"


@dataclass(frozen=True)
class Target:
    """A tracker that records copies below a folder.

    Attributes:
        name: The backend.
        logger: The name of its logger.
        folder: The folder that is the default.
        by_step: Whether its steps must not go back.
        open: Opens a logger from its class, a folder, the id of the copy, and the run.
        files: Returns the files and folders of a copy from the folder and the id.
        remove: Removes a copy in another way, from the class, a folder, the id, and the run.
    """

    name: str
    logger: str
    folder: str
    by_step: bool
    open: Callable[[Any, Path, str, Run], Any]
    files: Callable[[Path, str], Iterable[Path]]
    remove: Callable[[Any, Path, str, Run], None] | None = None

    def logger_class(self) -> Any:
        """Return the class of the logger.

        Raises:
            ImportError: Its package is not installed.
        """
        found = find_logger(self.logger)
        if found is None:
            raise ImportError(
                f"{self.logger} needs the package rechub-{self.name}, which is not installed. "
                f"Install it with: pip install rechub-{self.name}"
            )
        return found

    def clean(self, folder: Path, id: str, run: Run) -> None:
        """Remove what an interrupted copy left."""
        for path in self.files(folder, id):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
        if self.remove is not None:
            self.remove(self.logger_class(), folder, id, run)


def _labels(run: Run) -> dict[str, Any]:
    return {"group": run.group, "parent": run.parent, "tags": list(run.tags) or None}


def _jsonl(logger: Any, folder: Path, id: str, run: Run) -> Any:
    return logger(run.project, run.name, dir=folder, id=id, **_labels(run))


def _wandb(logger: Any, folder: Path, id: str, run: Run) -> Any:
    settings: dict[str, Any] = {"silent": True}
    if run.started is not None:
        settings["x_start_time"] = run.started.timestamp()
    return logger(
        run.project or DEFAULT_PROJECT, run.name, dir=folder, id=id, mode="offline",
        settings=settings, **_labels(run),
    )  # fmt: skip


def _swanlab(logger: Any, folder: Path, id: str, run: Run) -> Any:
    project = run.project or DEFAULT_PROJECT
    return logger(project, run.name, logdir=folder, id=id, mode="offline", **_labels(run))


def _tensorboardx(logger: Any, folder: Path, id: str, run: Run) -> Any:
    return logger(folder / id / (safe_name(run.name) or "run"), **_labels(run))


def _mlflow(logger: Any, folder: Path, id: str, run: Run) -> Any:
    return logger(run.project or DEFAULT_PROJECT, run.name, dir=folder, id=id, **_labels(run))


def _remove_mlflow(logger: Any, folder: Path, id: str, run: Run) -> None:
    logger.remove(run.project or DEFAULT_PROJECT, id, dir=folder)


def _none(folder: Path, id: str) -> Iterable[Path]:
    return ()


TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target(
            "jsonl", "JSONLLogger", "runs", False, _jsonl,
            lambda folder, id: (folder / f"{id}.run.jsonl", folder / f"{id}.files"),
        ),
        Target(
            "wandb", "WandbLogger", ".", True, _wandb,
            lambda folder, id: (folder / "wandb").glob(f"*run-*-{id}"),
        ),
        Target(
            "swanlab", "SwanLabLogger", "swanlog", True, _swanlab,
            lambda folder, id: folder.glob(f"run-*-{id}"),
        ),
        Target(
            "tensorboardx", "TensorBoardXLogger", "runs", False, _tensorboardx,
            lambda folder, id: (folder / id,),
        ),
        Target("mlflow", "MLflowLogger", ".", False, _mlflow, _none, _remove_mlflow),
    )
}  # fmt: skip
