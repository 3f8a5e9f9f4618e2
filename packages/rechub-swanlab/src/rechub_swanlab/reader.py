"""Reads what SwanLab left on disk, of offline and online runs alike; no network, no account."""

import math
from collections.abc import Iterator, Sequence
from datetime import timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.runs import Run
from torch_rechub.runs.framing import leveldb_records

_IDENT = b":SWL"
_STATUS = {
    "RUN_STATE_FINISHED": "finished",
    "RUN_STATE_CRASHED": "failed",
    "RUN_STATE_ABORTED": "interrupted",
}


class SwanLabRunReader:
    """One ``run-<id>.swanlab`` is one run; its hyper-parameters are in ``files/config.yaml``.

    SwanLab writes both in a thread of its own, so a killed run may lack its last values.
    """

    patterns = ("run-*.swanlab",)
    whole_folders = False

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """The runs of `files`."""
        for path in files:
            yield _run(path)


def swanlab_records(path: Path) -> Iterator[Any]:
    """The protobuf records of a ``.swanlab`` file, as ``swanlab.proto`` describes them."""
    record = import_module("swanlab.proto.swanlab.record.v1.record_pb2").Record
    for data in leveldb_records(path, _IDENT):
        yield record.FromString(data)


def _run(path: Path) -> Run:
    fields: dict[str, Any] = {"name": path.parent.name}
    metrics: dict[str, list[tuple[int, float]]] = {}
    for record in swanlab_records(path):
        if record.HasField("scalar"):
            scalar = record.scalar
            value = scalar.value.number if scalar.HasField("value") else math.nan
            metrics.setdefault(scalar.key, []).append((scalar.step, value))
        elif record.HasField("start"):
            start = record.start
            fields |= {"name": start.name or start.id, "project": start.project or None}
            fields["started"] = start.started_at.ToDatetime(timezone.utc)
        elif record.HasField("finish"):
            fields |= _end(record.finish)
    params = _hyperparams(path.parent / "files" / "config.yaml")
    return Run(backend="swanlab", path=str(path), hyperparams=params, metrics=metrics, **fields)


def _end(finish: Any) -> dict[str, Any]:
    states = import_module("swanlab.proto.swanlab.run.v1.run_pb2").RunState
    return {
        "status": _STATUS.get(states.Name(finish.state), "unfinished"),
        # of Ctrl-C swanlab's own handler keeps a traceback
        "error": finish.error.partition("\n")[0] or None,
        "ended": finish.finished_at.ToDatetime(timezone.utc),
    }


def _hyperparams(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    yaml: Any = import_module("yaml")  # which swanlab writes it with
    stored = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {name: _none_for_empty(item["value"]) for name, item in stored.items()}


def _none_for_empty(value: Any) -> Any:
    """Swanlab keeps None as an empty mapping."""
    if isinstance(value, dict):
        return {name: _none_for_empty(inner) for name, inner in value.items()} or None
    return [_none_for_empty(inner) for inner in value] if isinstance(value, list) else value
