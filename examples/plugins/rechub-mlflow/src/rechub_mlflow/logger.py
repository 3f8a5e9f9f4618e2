"""`MLflowLogger`: a run of MLflow behind the logger interface of Torch-RecHub."""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch_rechub.basic.tracking import RunLogger
from torch_rechub.basic.tracking.foreign import undisturbed
from torch_rechub.basic.tracking.plugin import (
    LegalNames,
    ending,
    failure_text,
    load_sdk,
    local_directory,
    plain_config,
    shortened,
    without_secrets,
)

from .values import CHANGED, ERROR, as_text

DATABASE = "mlflow.db"

_STATES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_TELEMETRY = "MLFLOW_DISABLE_TELEMETRY"  # read at import and on creating a run
_ILLEGAL = re.compile(r"[^-\w. :/]", re.ASCII)
_PARAMS_AT_ONCE = 100
_LONGEST_NAME, _LONGEST_PARAM = 240, 6_000


class MLflowLogger(RunLogger):
    """Records one run in a local database of MLflow; view it with ``mlflow ui``.

    MLflow does not allow changes of parameters. A second value of a hyper-parameter is stored as
    the tag ``hyperparams/<name>``, which `torch_rechub.runs` reads in its place.

    Args:
        project: MLflow's experiment, created if it does not exist.
        name: The run's name; MLflow invents one by default.
        config: Initial hyper-parameters.
        dir: The folder of the database ``mlflow.db``; ``~`` is expanded.

    Attributes:
        client: The ``mlflow.MlflowClient``, for direct use of MLflow.
        run_id: The id of the run in MLflow.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with MLflowLogger("demo", dir=folder) as logger:
        ...         logger.log_metrics({"val/auc": 0.75}, step=0)
    """

    def __init__(
        self,
        project: str,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        dir: str | os.PathLike[str] = "mlruns",
    ) -> None:
        super().__init__()
        params = plain_config("MLflowLogger", config)
        called = without_secrets("MLflowLogger", {"project": project, "name": name})
        folder = Path(local_directory("MLflowLogger", "dir", dir)).resolve()
        self.client, self.run_id = _open(folder, called["project"], called["name"])
        self._names = LegalNames("MLflowLogger", _legal)
        self._params: dict[str, str] = {}
        self.write_hyperparams(params or {})

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Write one row per metric to the database, in one transaction."""
        entities: Any = load_sdk("mlflow.entities", "rechub-mlflow")
        now = int(time.time() * 1000)
        rows = [
            entities.Metric(self._names[name], value, now, step) for name, value in metrics.items()
        ]
        self.client.log_batch(self.run_id, metrics=rows)

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Write parameters, and changed values as tags."""
        entities: Any = load_sdk("mlflow.entities", "rechub-mlflow")
        new = []
        for name, value in params.items():
            key = shortened(_legal(name), _LONGEST_NAME)
            text = shortened(as_text(value), _LONGEST_PARAM)
            if key not in self._params:
                new.append(entities.Param(key, text))
            elif text != self._params[key]:
                self.client.set_tag(self.run_id, CHANGED + key, text)
            self._params[key] = text
        for start in range(0, len(new), _PARAMS_AT_ONCE):
            self.client.log_batch(self.run_id, params=new[start : start + _PARAMS_AT_ONCE])

    def close(self, failure: BaseException | None) -> None:
        """Write the status of the run."""
        if failure is not None:
            self.client.set_tag(self.run_id, ERROR, failure_text(failure))
        self.client.set_terminated(self.run_id, _STATES[ending(failure)])


@undisturbed
def _open(folder: Path, project: str, name: str | None) -> tuple[Any, str]:
    """Return a client of the folder's database, and the id of a new run."""
    with _without_telemetry():
        tracking = load_sdk("mlflow.tracking", "rechub-mlflow")
        folder.mkdir(parents=True, exist_ok=True)
        client: Any = tracking.MlflowClient(f"sqlite:///{folder / DATABASE}")
        experiment = client.get_experiment_by_name(project)
        experiment_id = (
            experiment.experiment_id
            if experiment
            else client.create_experiment(project, (folder / "artifacts").as_uri())
        )
        return client, client.create_run(experiment_id, run_name=name).info.run_id


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Disable MLflow's telemetry, unless the user enabled it; the environment is restored."""
    asked = os.environ.get(_TELEMETRY)
    os.environ.setdefault(_TELEMETRY, "true")
    try:
        yield
    finally:
        if asked is None:
            os.environ.pop(_TELEMETRY, None)


def _legal(name: str) -> str:
    """Make a name legal for MLflow: a path without empty parts or parts of dots only."""
    parts = _ILLEGAL.sub("_", name).split("/")
    legal = "/".join(part if part.strip(". ") else f"_{part}" for part in parts)
    # characters before the digest of a long name
    return shortened(legal, _LONGEST_NAME).replace("#", ":")
