"""The lines of a file of `JSONLLogger`, applied to runs one after another."""

import logging
import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..basic.tracking.json_lines import SUFFIX, VERSION, read_records, step_of
from .checks import checked_time, plain_params
from .damage import Damage
from .record import Run

log = logging.getLogger("torch_rechub.runs")

_STATUS = ("finished", "failed", "interrupted")
_FRACTION = re.compile(r"\.(\d+)")

AnyLines = TypeVar("AnyLines", bound="RunLines")


class FileLines(Generic[AnyLines]):
    """The runs of a file, each as an object of the given class.

    Args:
        path: The file.
        kind: The class of the runs.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.tracking import JSONLLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = JSONLLogger(dir=folder)
        ...     lines = FileLines(Path(logger.path), RunLines)
        ...     steps = []
        ...     for step in range(2):
        ...         logger.log_metrics({"val/auc": 0.5}, step=step)
        ...         steps.append(lines.read()[0].as_run().epochs)
        ...     logger.finish()
        >>> steps
        [1, 2]
    """

    def __init__(self, path: Path, kind: type[AnyLines]) -> None:
        self._path, self._kind = path, kind
        self._restart()

    def _restart(self) -> None:
        self._runs: list[AnyLines] = []
        self._run: AnyLines | None = None
        self._identity, self._offset, self._number, self._whole = (0, 0), 0, 0, True

    def read(self) -> list[AnyLines]:
        """Apply the lines that were added since the last call, and return all runs.

        A file that was replaced or has become shorter is read from its beginning.
        """
        later: list[int] = []
        with self._path.open("rb") as file, Damage(self._path) as damage:
            found = os.fstat(file.fileno())
            identity = (found.st_dev, found.st_ino)
            if not self._whole or identity != self._identity or found.st_size < self._offset:
                self._restart()
            self._identity, first = identity, self._offset == 0
            file.seek(self._offset)

            def damaged(number: int, reason: str) -> None:
                self._number = number
                damage.add(number, reason)

            for number, record in read_records(file, damaged, self._number):
                self._number = number
                if record["v"] > VERSION:
                    later.append(record["v"])
                else:
                    self._apply(number, record, damage)
            self._offset = file.tell()
            file.seek(max(self._offset - 1, 0))
            self._whole = file.read(1) in (b"\n", b"")  # else its writer may complete the line
        self._report(later, first and not damage.count)
        return [*self._runs, *([self._run] if self._run is not None else [])]

    def _apply(self, number: int, record: dict[str, Any], damage: Damage) -> None:
        event = record.get("event")
        # a new run, even if the start line itself is invalid
        if event == "start":
            if self._run is not None:
                self._runs.append(self._run)
            self._run = None
        try:
            if event == "metrics" and self._run is not None:  # nearly all lines
                self._run.add_metrics(record)
            else:
                self._run = _add(self._path, self._kind, self._run, record)
        except ValueError as error:
            damage.add(number, str(error))

    def _report(self, later: list[int], undamaged: bool) -> None:
        if later:
            log.warning(
                "%s has format %d in %d lines, which are left out; this version of rechub-core "
                "reads %d: pip install -U rechub-core",
                self._path, max(later), len(later), VERSION,
            )  # fmt: skip
        elif undamaged and self._run is not None and not self._run.begun:
            log.warning("%s has no start; its run is named after the file", self._path)


def _add(
    path: Path, kind: type[AnyLines], run: AnyLines | None, record: dict[str, Any]
) -> AnyLines | None:
    """Apply a record to the run, atomically.

    Raises:
        ValueError: The record is invalid.
    """
    event = record.get("event")
    if event == "start":
        return kind(path, record)
    if event in _OTHERS:
        if run is not None:
            run.add_other(event, record)
        return run
    add = _EVENTS.get(event) if isinstance(event, str) else None
    if add is None:
        raise ValueError(f"an unknown event {str(event)[:40]!r}")
    run = run or kind(path)
    add(run, record)
    return run


class RunLines:
    """A run as read so far; without a start it is named after its file."""

    def __init__(self, path: Path, start: dict[str, Any] | None = None) -> None:
        self.begun = start is not None
        name = path.name.removesuffix(SUFFIX)
        self.fields: dict[str, Any] = {"name": name, "backend": "jsonl", "path": str(path)}
        if start is not None:
            self.fields["name"] = text_of(start, "name") or text_of(start, "id") or name
            self.fields |= {"project": text_of(start, "project"), "started": time_of(start)}
            self.fields["tags"] = _tags(start)
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, list[tuple[int, float]]] = {}

    def as_run(self) -> Run:
        """Return the run."""
        return Run(hyperparams=self.params, metrics=self.metrics, **self.fields)

    def add_other(self, event: str, record: dict[str, Any]) -> None:
        """Add a text, histogram, table, figure or artifact; nothing here, see `jsonl_details`."""

    def add_hyperparams(self, record: dict[str, Any]) -> None:
        """Merge hyper-parameters with earlier ones."""
        self.params.update(plain_params(_dict(record, "hyperparams")))

    def add_metrics(self, record: dict[str, Any]) -> None:
        """Add the metrics of a step."""
        step = step_of(record)
        values = _dict(record, "metrics")
        if {*map(type, values.values())} != {float}:
            values = {name: number_of(name, value) for name, value in values.items()}
        metrics = self.metrics
        for name, value in values.items():
            if name in metrics:
                metrics[name].append((step, value))
            else:
                metrics[name] = [(step, value)]

    def resume(self, record: dict[str, Any]) -> None:
        """Drop the metrics that are superseded."""
        step, others = step_of(record), _dict(record, "steps")
        steps = {name: step_of({"step": at}) for name, at in others.items()}
        for name, points in list(self.metrics.items()):
            kept = [point for point in points if point[0] < steps.get(name, step)]
            if kept:
                self.metrics[name] = kept
            else:
                del self.metrics[name]
        self.fields |= {"status": "unfinished", "error": None, "ended": None}

    def finish(self, record: dict[str, Any]) -> None:
        """Set the end of the run."""
        if record.get("status") not in _STATUS:
            raise ValueError(f"status is not one of {', '.join(_STATUS)}")
        ended = time_of(record)
        error = text_of(record, "error")
        self.fields |= {"status": record["status"], "error": error, "ended": ended}


_OTHERS = ("text", "histogram", "table", "figure", "artifact")
# called by name, so that a subclass may do more
_EVENTS: dict[str, Callable[[RunLines, dict[str, Any]], None]] = {
    "hyperparams": lambda run, record: run.add_hyperparams(record),
    "metrics": lambda run, record: run.add_metrics(record),
    "resume": lambda run, record: run.resume(record),
    "finish": lambda run, record: run.finish(record),
}


def _tags(start: dict[str, Any]) -> tuple[str, ...]:
    tags = start.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError("tags are not a list of texts")
    return tuple(tags)


def text_of(record: dict[str, Any], key: str) -> str | None:
    """Return a text of a record, or None; ValueError if it is another value."""
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} is no text")
    return value


def _dict(record: dict[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{key} is no object")
    return value


def number_of(name: str, value: Any) -> float:
    """Return a number of a record as a float; ValueError if it is another value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the metric {name[:40]!r} is no number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"the metric {name[:40]!r} is beyond the range of floats") from None


def time_of(record: dict[str, Any]) -> datetime:
    """Return the time of a record; ValueError if it has none."""
    # Python 3.10 reads a fraction of a second only where it has 3 or 6 digits, and no Z
    text = (text_of(record, "time") or "").replace("Z", "+00:00")
    try:
        time = datetime.fromisoformat(_FRACTION.sub(lambda found: f".{found[1]:0<6.6}", text))
    except ValueError:
        raise ValueError("time is no ISO 8601 time") from None
    return checked_time(time)
