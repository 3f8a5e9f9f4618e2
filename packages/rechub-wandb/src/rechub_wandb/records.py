"""The records of wandb's files, and the state of a run after them."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.runs.checks import moment
from torch_rechub.runs.damage import Damage
from torch_rechub.runs.framing import leveldb_messages

_IDENT, _VERSION = b":W&B\xe1\xbe", 0
# wandb's exit codes for runs ended by a signal, as in a shell: SIGINT, SIGTERM
_INTERRUPTED = {130, 143, 255}


def wandb_records(path: Path, damage: Damage) -> Iterator[tuple[int, Any]]:
    """Iterate over the position and protobuf message of each record (``wandb.proto``)."""
    record: Any = import_module("wandb.proto.wandb_internal_pb2").Record
    return leveldb_messages(path, _IDENT, _VERSION, damage, record.FromString)


def add_file(state: "State", path: Path) -> None:
    """Apply the records of a file to the state of its run."""
    with Damage(path, "record", "byte") as damage:
        damage.apply(state.add, wandb_records(path, damage))


class State:
    """The state of the run after the records so far."""

    def __init__(self, name: str) -> None:
        self.fields: dict[str, Any] = {"name": name}
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, list[tuple[int, float]]] = {}
        self.axes: dict[str, str] = {}
        self.last = 0.0

    def add(self, record: Any) -> None:
        """Apply a record."""
        kind = record.WhichOneof("record_type")
        if kind == "history":
            self.last = max(self.last, _add_row(record.history, self.axes, self.metrics))
        elif kind == "metric" and record.metric.name:
            self.axes[record.metric.name] = record.metric.step_metric
        elif kind == "run":
            self.fields |= _about(record.run)
            _update(self.params, record.run.config)
        elif kind == "config":
            _update(self.params, record.config)
        elif kind == "exit":
            code = record.exit.exit_code
            self.fields["status"] = "finished" if code == 0 else "failed"
            if code:
                self.fields["status"] = "interrupted" if code in _INTERRUPTED else "failed"
                self.fields["error"] = f"exit code {code}"
            started = self.fields.get("started")
            self.fields["ended"] = _end(started, record.exit.runtime, self.last)


def _about(run: Any) -> dict[str, Any]:
    return {
        "name": run.display_name or run.run_id,
        "project": run.project or None,
        "group": run.run_group or None,
        "tags": tuple(run.tags),
        "started": moment(run.start_time.seconds + run.start_time.nanos / 1e9),
    }


def _add_row(
    history: Any, axes: Mapping[str, str], metrics: dict[str, list[tuple[int, float]]]
) -> float:
    """Add the numbers of a row; return the time of the row, in seconds."""
    media = {item.nested_key[0] for item in history.item if "_type" in item.nested_key[1:]}
    row = {
        "/".join(item.nested_key) or item.key: _number(item)
        for item in history.item
        if not media.intersection(item.nested_key[:1])
    }
    time = row.pop("_timestamp", None)
    row.pop("_runtime", None)
    counted = row.pop("_step", None)
    step = row.pop("step", history.step.num if counted is None else counted)
    points = []
    for name, value in row.items():
        own = row.get(axes.get(name, ""))
        at = own if own is not None and float(own).is_integer() else step
        if value is not None and at is not None and name not in axes.values():
            points.append((name, int(at), float(value)))
    for name, at, value in points:  # a row is added as a whole or not at all
        metrics.setdefault(name, []).append((at, value))
    return time or 0.0


def _number(item: Any) -> int | float | None:
    # newer versions of wandb may write numbers as numbers, in addition to JSON
    value: Any = None
    if item.value_json:
        value = json.loads(item.value_json)
    else:
        for kind in ("number", "integer", "boolean"):
            if kind in item.DESCRIPTOR.fields_by_name and item.HasField(kind):
                value = getattr(item, kind)
    return value if isinstance(value, int | float) else None


def _update(params: dict[str, Any], config: Any) -> None:
    for item in config.update:
        keys = list(item.nested_key) or [item.key]
        if keys[0] == "_wandb":
            continue
        inner = params
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = json.loads(item.value_json)
    for item in config.remove:
        params.pop(item.key, None)


def _end(started: datetime | None, runtime: int, last: float) -> datetime | None:
    """Estimate the end from the duration, in whole seconds, and the times of the rows."""
    row = moment(last) if last else None
    ends = [] if row is None else [row]
    if started is not None:
        ends.append(started + timedelta(seconds=runtime))
    return max(ends, default=None)
