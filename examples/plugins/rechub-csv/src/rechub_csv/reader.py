"""Turns the files of `CSVLogger` into `torch_rechub.runs.Run` records."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch_rechub.runs import Run
from torch_rechub.runs.damage import Damage

csv.field_size_limit(2**24)  # a hyper-parameter may be a long list


class CSVRunReader:
    """Each ``<id>.run.csv`` is a run; rows that cannot be read are reported and left out."""

    patterns = ("*.run.csv",)
    whole_folders = False

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """Iterate over the runs of `files`."""
        for path in files:
            about: dict[str, Any] = {"name": path.name, "hyperparams": {}, "metrics": {}}
            with path.open(encoding="utf-8", newline="") as file, Damage(path, "row") as damage:
                for number, row in enumerate(csv.reader(file), 1):
                    try:
                        _add(about, *row)
                    except (TypeError, ValueError) as error:
                        damage.add(number, str(error))
            yield Run(backend="csv", path=str(path), **about)


def _add(about: dict[str, Any], kind: str, step: str, name: str, value: str) -> None:
    if kind == "start":
        about["name"] = name
    elif kind == "param":
        about["hyperparams"][name] = json.loads(value)
    elif kind == "metric":
        point = (int(step), float(value))
        about["metrics"].setdefault(name, []).append(point)
    elif kind == "end":
        about |= {"status": name, "error": value or None}
