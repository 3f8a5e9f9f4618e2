"""Each backend that is installed here, and JSONL: how its logger is opened, how its run is read."""

from pathlib import Path

import mlflow_database
import readers
from expected_trackers import EXPECTED

from torch_rechub.basic import tracking
from torch_rechub.runs import Run, read_runs

BACKENDS = ("jsonl", *EXPECTED)

# Those whose loggers are open together in processes of scenarios. MLflow, whose import takes
# seconds, is alone in its own environment, where it has these tests to itself.
TOGETHER = BACKENDS if EXPECTED == ("mlflow",) else tuple(b for b in BACKENDS if b != "mlflow")


def open_logger(backend: str, directory: Path, **kwargs):
    """A logger of `backend` that keeps its files below `directory` and its name, ``n``."""
    if backend == "jsonl":
        return tracking.JSONLLogger("p", "n", dir=directory, **kwargs)
    if backend == "wandb":
        return tracking.WandbLogger("p", "n", dir=directory, **kwargs)
    if backend == "swanlab":
        return tracking.SwanLabLogger("p", "n", logdir=directory, **{"mode": "offline", **kwargs})
    if backend == "mlflow":
        mlflow_database.prepare(Path(directory))
        return tracking.MLflowLogger("p", "n", **{"dir": directory, **kwargs})
    return tracking.TensorBoardXLogger(Path(directory) / "n", **kwargs)


def read_run(backend: str, directory: Path) -> Run:
    """The one run of `backend` below `directory`, when its logger is finished."""
    if backend == "wandb":
        return readers.wandb_run(directory)
    (run,) = read_runs(directory, [backend])
    return run
