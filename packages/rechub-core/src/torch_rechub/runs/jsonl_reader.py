"""Reads the files of `JSONLLogger`."""

import logging
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..basic.tracking.json_lines import SUFFIX, VERSION, read_records, step_of
from .checks import checked_time, plain_params
from .damage import Damage
from .record import Run

log = logging.getLogger("torch_rechub.runs")

_STATUS = ("finished", "failed", "interrupted")
_FRACTION = re.compile(r"\.(\d+)")


class JSONLRunReader:
    """Each ``start`` in a file begins a run.

    Damaged or invalid lines are skipped and reported. Lines without a readable ``start`` form a run
    with the name of the file. Lines of a later format are skipped, and the message gives the
    command that installs a version that reads them.
    """

    patterns = (f"*{SUFFIX}",)
    whole_folders = False

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """The runs of `files`."""
        for path in files:
            yield from _runs(path)


def _runs(path: Path) -> Iterator[Run]:
    run: _Run | None = None
    later: list[int] = []
    with path.open("rb") as file, Damage(path) as damage:
        for number, record in read_records(file, damage.add):
            if record["v"] > VERSION:
                later.append(record["v"])
                continue
            # a new run, even if the start line itself is invalid
            if record.get("event") == "start":
                if run is not None:
                    yield run.as_run()
                run = None
            try:
                run = _add(path, run, record)
            except ValueError as error:
                damage.add(number, str(error))
    if later:
        log.warning(
            "%s has format %d in %d lines, which are left out; this version of rechub-core reads "
            "%d: pip install -U rechub-core", path, max(later), len(later), VERSION,
        )  # fmt: skip
    elif run is not None and not run.begun and not damage.count:
        log.warning("%s has no start; its run is named after the file", path)
    if run is not None:
        yield run.as_run()


def _add(path: Path, run: "_Run | None", record: dict[str, Any]) -> "_Run | None":
    """Apply a record to the run, atomically.

    Raises:
        ValueError: The record is invalid.
    """
    event = record.get("event")
    if event in ("text", "histogram"):
        return run
    if event == "start":
        return _Run(path, record)
    add = _EVENTS.get(event) if isinstance(event, str) else None
    if add is None:
        raise ValueError(f"an unknown event {str(event)[:40]!r}")
    run = run or _Run(path)
    add(run, record)
    return run


class _Run:
    """The run as read so far; without a start it is named after its file."""

    def __init__(self, path: Path, start: dict[str, Any] | None = None) -> None:
        self.begun = start is not None
        name = path.name.removesuffix(SUFFIX)
        self.fields: dict[str, Any] = {"name": name, "backend": "jsonl", "path": str(path)}
        if start is not None:
            self.fields["name"] = _text(start, "name") or _text(start, "id") or name
            self.fields |= {"project": _text(start, "project"), "started": _time(start)}
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, list[tuple[int, float]]] = {}

    def as_run(self) -> Run:
        return Run(hyperparams=self.params, metrics=self.metrics, **self.fields)

    def add_hyperparams(self, record: dict[str, Any]) -> None:
        self.params.update(plain_params(_dict(record, "hyperparams")))

    def add_metrics(self, record: dict[str, Any]) -> None:
        step = step_of(record)
        points = [(name, _number(name, v)) for name, v in _dict(record, "metrics").items()]
        for name, value in points:
            self.metrics.setdefault(name, []).append((step, value))

    def resume(self, record: dict[str, Any]) -> None:
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
        if record.get("status") not in _STATUS:
            raise ValueError(f"status is not one of {', '.join(_STATUS)}")
        ended = _time(record)
        error = _text(record, "error")
        self.fields |= {"status": record["status"], "error": error, "ended": ended}


_EVENTS = {
    "hyperparams": _Run.add_hyperparams,
    "metrics": _Run.add_metrics,
    "resume": _Run.resume,
    "finish": _Run.finish,
}


def _text(record: dict[str, Any], key: str) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} is no text")
    return value


def _dict(record: dict[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{key} is no object")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the metric {name[:40]!r} is no number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"the metric {name[:40]!r} is beyond the range of floats") from None


def _time(record: dict[str, Any]) -> datetime:
    # Python 3.10 reads a fraction of a second only where it has 3 or 6 digits, and no Z
    text = (_text(record, "time") or "").replace("Z", "+00:00")
    try:
        time = datetime.fromisoformat(_FRACTION.sub(lambda found: f".{found[1]:0<6.6}", text))
    except ValueError:
        raise ValueError("time is no ISO 8601 time") from None
    return checked_time(time)
