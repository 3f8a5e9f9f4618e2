"""Reads what wandb left on disk, of offline and online runs alike; no network, no account."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.runs import Run
from torch_rechub.runs.framing import leveldb_records

_IDENT = b":W&B"
# wandb's exit codes, as a shell gives them to a process that a signal ended: SIGINT, SIGTERM
_INTERRUPTED = {130, 143, 255}


class WandbRunReader:
    """One ``run-<id>.wandb`` is one run.

    wandb keeps no column for metrics logged in nested dicts, whose names are joined with ``/``.
    Values that are no numbers, such as images, are left out. `WandbLogger` keeps the step of values
    that arrived late in the column ``step``. A metric that was defined with an x-axis of whole
    numbers has its steps from there.
    """

    patterns = ("run-*.wandb",)
    whole_folders = False

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """The runs of `files`."""
        for path in files:
            yield _run(path)


def wandb_records(path: Path) -> Iterator[Any]:
    """The protobuf records of a ``.wandb`` file, as ``wandb.proto`` describes them."""
    record = import_module("wandb.proto.wandb_internal_pb2").Record
    for data in leveldb_records(path, _IDENT):
        yield record.FromString(data)


def _run(path: Path) -> Run:
    fields: dict[str, Any] = {"name": path.parent.name}
    params: dict[str, Any] = {}
    metrics: dict[str, list[tuple[int, float]]] = {}
    axes: dict[str, str] = {}
    last = 0.0
    for record in wandb_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            last = max(last, _add_row(record.history, axes, metrics))
        elif kind == "metric" and record.metric.name:
            axes[record.metric.name] = record.metric.step_metric
        elif kind == "run":
            fields |= _about(record.run)
            _update(params, record.run.config)
        elif kind == "config":
            _update(params, record.config)
        elif kind == "exit":
            code = record.exit.exit_code
            fields["status"] = "finished" if code == 0 else "failed"
            if code:
                fields["status"] = "interrupted" if code in _INTERRUPTED else "failed"
                fields["error"] = f"exit code {code}"
            fields["ended"] = _end(fields.get("started"), record.exit.runtime, last)
    return Run(backend="wandb", path=str(path), hyperparams=params, metrics=metrics, **fields)


def _about(run: Any) -> dict[str, Any]:
    return {
        "name": run.display_name or run.run_id,
        "project": run.project or None,
        "started": run.start_time.ToDatetime(timezone.utc),
    }


def _add_row(
    history: Any, axes: Mapping[str, str], metrics: dict[str, list[tuple[int, float]]]
) -> float:
    """Add the numbers of a row; gives the time of the row, in seconds."""
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
    for name, value in row.items():
        own = row.get(axes.get(name, ""))
        at = own if own is not None and float(own).is_integer() else step
        if value is not None and at is not None and name not in axes.values():
            metrics.setdefault(name, []).append((int(at), float(value)))
    return time or 0.0


def _number(item: Any) -> int | float | None:
    # Newer versions of wandb may write numbers as such, beside those in JSON.
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
    """Known are how long the run took, in whole seconds, and when each row was logged."""
    ends = [datetime.fromtimestamp(last, timezone.utc)] if last else []
    if started is not None:
        ends.append(started + timedelta(seconds=runtime))
    return max(ends, default=None)
