"""Reads SwanLab's files on disk, of offline and online runs, without network or account."""

import logging
import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from torch_rechub.runs import Details, Run
from torch_rechub.runs.checks import moment, plain_params
from torch_rechub.runs.damage import Damage

from .records import seconds, swanlab_records

log = logging.getLogger("torch_rechub.runs")

_STATUS = {
    "RUN_STATE_FINISHED": "finished",
    "RUN_STATE_CRASHED": "failed",
    "RUN_STATE_ABORTED": "interrupted",
}


class SwanLabRunReader:
    """One ``run-<id>.swanlab`` is one run; its hyper-parameters are in ``files/config.yaml``.

    SwanLab writes both in a separate thread, so a killed run may lack its last values.
    """

    patterns = ("run-*.swanlab",)
    whole_folders = False
    one_run_of_an_id = True

    def read(self, files: Sequence[Path]) -> Iterator[Run]:
        """The runs of `files`."""
        for path in files:
            yield _run(path)

    def details(self, run: Run) -> Details:
        """Read the details of a run."""
        from .media import swanlab_details

        return swanlab_details(run)


def _run(path: Path) -> Run:
    fields: dict[str, Any] = {"name": path.parent.name}
    metrics: dict[str, list[tuple[int, float]]] = {}
    with Damage(path, "record", "byte") as damage:
        for _, record in swanlab_records(path, damage):
            if record.HasField("scalar"):
                scalar = record.scalar
                value = scalar.value.number if scalar.HasField("value") else math.nan
                metrics.setdefault(scalar.key, []).append((scalar.step, value))
            elif record.HasField("start"):
                start = record.start
                fields |= {"name": start.name or start.id, "project": start.project or None}
                fields |= {"group": start.group or None, "tags": tuple(start.tags)}
                fields["started"] = _moment(start.started_at)
            elif record.HasField("finish"):
                fields |= _end(record.finish)
    params = _hyperparams(path.parent / "files" / "config.yaml")
    return Run(backend="swanlab", path=str(path), hyperparams=params, metrics=metrics, **fields)


def _end(finish: Any) -> dict[str, Any]:
    names = import_module("swanlab.proto.swanlab.run.v1.run_pb2").RunState.items()
    name = next((name for name, number in names if number == finish.state), "")
    return {
        "status": _STATUS.get(name, "unfinished"),
        # on Ctrl-C swanlab's own handler records a traceback
        "error": finish.error.partition("\n")[0] or None,
        "ended": _moment(finish.finished_at),
    }


def _moment(stamp: Any) -> datetime | None:
    return moment(seconds(stamp))


def _hyperparams(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    yaml: Any = import_module("yaml")  # which swanlab writes it with
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        values = plain_params({name: item["value"] for name, item in stored.items()})
    except Exception as error:  # yaml has errors of its own, and what it gives may be anything
        reason = f"{type(error).__name__}: {error}"
        log.warning("%s cannot be read; its run has no hyper-parameters: %s", path, reason)
        return {}
    return {name: _none_for_empty(value) for name, value in values.items()}


def _none_for_empty(value: Any) -> Any:
    """Swanlab keeps None as an empty mapping."""
    if isinstance(value, dict):
        return {name: _none_for_empty(inner) for name, inner in value.items()} or None
    return [_none_for_empty(inner) for inner in value] if isinstance(value, list) else value
