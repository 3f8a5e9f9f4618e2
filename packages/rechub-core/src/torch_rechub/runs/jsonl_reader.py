"""Reads the files of `JSONLLogger`."""

import logging
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from ..basic.tracking.jsonl import SUFFIX, VERSION, from_json_line
from .record import Run, Status

log = logging.getLogger("torch_rechub.runs")


class JSONLRunReader:
    """Each ``start`` in a file begins a run; lines that are damaged or cut off are left out."""

    patterns = (f"*{SUFFIX}",)
    whole_folders = False

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """The runs of `files`."""
        for path in files:
            yield from _runs(path)


def _runs(path: Path) -> Iterator[Run]:
    fields: dict[str, Any] | None = None
    for record in _records(path):
        event = record.get("event")
        if event == "start":
            if fields is not None:
                yield Run(**fields)
            fields = _start(path, record)
        elif fields is not None and event == "hyperparams":
            fields["hyperparams"].update(record["hyperparams"])
        elif fields is not None and event == "metrics":
            for name, value in record["metrics"].items():
                fields["metrics"].setdefault(name, []).append((record["step"], value))
        elif fields is not None and event == "resume":
            _supersede(fields["metrics"], record["step"], record["steps"])
            fields |= {"status": "unfinished", "error": None, "ended": None}
        elif fields is not None and event == "finish":
            fields |= {"status": cast(Status, record["status"]), "error": record["error"]}
            fields["ended"] = _time(record["time"])
    if fields is not None:
        yield Run(**fields)


def _start(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": record["name"] or record["id"],
        "backend": "jsonl",
        "path": str(path),
        "project": record["project"],
        "started": _time(record["time"]),
        "hyperparams": {},
        "metrics": {},
    }


def _supersede(metrics: dict[str, list[tuple[int, float]]], step: int, steps: Any) -> None:
    for name, points in list(metrics.items()):
        metrics[name] = [point for point in points if point[0] < steps.get(name, step)]
        if not metrics[name]:
            del metrics[name]


def _time(text: str) -> datetime:
    # Python 3.10 reads a fraction of a second only where it has 3 or 6 digits
    return datetime.fromisoformat(re.sub(r"\.(\d+)", lambda found: f".{found[1]:0<6.6}", text))


def _records(path: Path) -> Iterator[dict[str, Any]]:
    damaged = 0
    with path.open("rb") as file:
        for line in file:
            try:
                record = from_json_line(line)
            except ValueError:
                # the last line may have been cut off; a line before it may not
                damaged += line.endswith(b"\n")
                continue
            if record.get("v", 0) > VERSION:
                raise ValueError(
                    f"{path} has format {record['v']}, this version of rechub-core reads "
                    f"{VERSION}: pip install -U rechub-core"
                )
            yield record
    if damaged:
        log.warning("%s: %d damaged lines are left out.", path, damaged)
