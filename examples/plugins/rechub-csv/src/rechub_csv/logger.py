"""`CSVLogger`: a run as a CSV file behind the logger interface of Torch-RecHub."""

import csv
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch_rechub.basic.tracking import RunLogger
from torch_rechub.basic.tracking.labels import run_labels
from torch_rechub.basic.tracking.plugin import (
    ending,
    failure_text,
    in_utf8,
    local_directory,
    plain_config,
    without_secrets,
)


class CSVLogger(RunLogger):
    """Records one run as a file with the columns kind, step, name and value.

    Args:
        name: The run's name.
        config: Initial hyper-parameters; a value logged later under the same name replaces it.
        dir: The folder of the file; ``~`` is expanded.
        group: The runs that belong together.
        parent: The id of the run that this one belongs to.
        tags: Any words to find the run by.

    Attributes:
        path: The file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with CSVLogger("first", dir=folder) as logger:
        ...         logger.log_metrics({"val/auc": 0.75}, step=0)
    """

    def __init__(
        self,
        name: str = "run",
        config: Mapping[str, Any] | None = None,
        dir: str | os.PathLike[str] = "runs",
        group: str | None = None,
        parent: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        params = {
            **(plain_config("CSVLogger", config) or {}),
            **run_labels("CSVLogger", group, parent, tags),
        }
        called = without_secrets("CSVLogger", {"name": name})
        folder = Path(local_directory("CSVLogger", "dir", dir))
        folder.mkdir(parents=True, exist_ok=True)
        self.path = str(folder / f"{secrets.token_hex(4)}.run.csv")
        self._file = open(self.path, "x", encoding="utf-8", newline="")  # noqa: SIM115
        self._write("start", None, called["name"])
        self.write_hyperparams(params)

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Write a row for each metric."""
        for name, value in metrics.items():
            self._write("metric", step, name, repr(value))

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Write a row for each hyper-parameter, with its value as JSON."""
        for name, value in params.items():
            self._write("param", None, name, json.dumps(value))

    def close(self, failure: BaseException | None) -> None:
        """Write the status of the run."""
        error = "" if failure is None else failure_text(failure)
        self._write("end", None, ending(failure), error)
        self._file.close()

    def _write(self, kind: str, step: int | None, name: str, value: str = "") -> None:
        csv.writer(self._file).writerow(in_utf8([kind, step, name, value]))
        self._file.flush()  # a killed process loses nothing
