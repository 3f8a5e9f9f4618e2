"""Copies recorded runs into another tracker: steps, values, times, texts, files and the end."""

import errno
import logging
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .._paths import local_path
from ..basic.tracking.claim import Claim
from ..basic.tracking.copied import PNG, NoEnd, recorded_at
from ..basic.tracking.logger import RunLogger
from ..basic.tracking.plugin import failure_text
from .copies import ORIGIN, digest, expected_status, origin, origin_of_copy, present
from .copy_targets import TARGETS, Target
from .details import Details, details
from .reading import read_runs
from .record import Run

log = logging.getLogger("torch_rechub.runs")

_WEIGHTS = (".pth", ".pt", ".safetensors")


@dataclass
class Copied:
    """The result of copying runs.

    Attributes:
        folder: The folder of the copies.
        copied: The number of runs that were copied.
        there: The number of runs whose copy was there already.
        failed: The names and errors of runs that could not be copied; nothing of them is left.
        left_out: The number of records of each kind that the tracker does not store.
    """

    folder: str
    copied: int = 0
    there: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def copy_runs(
    runs: Iterable[Run],
    to: str,
    folder: str | os.PathLike[str] | None = None,
    project: str | None = None,
) -> Copied:
    """Record runs in another tracker, on this machine.

    A copy has the hyper-parameter ``copied_from`` with a digest of the run. A run whose copy is
    there is left out, and what an interrupted copy left is removed, so the same call can be made
    again at any time.

    Times are those of the run where the tracker stores them: in ``jsonl``, ``mlflow`` and
    ``tensorboardx`` of every record, in ``wandb`` of the values. A run without an end has none in
    ``jsonl``, ``mlflow`` and ``tensorboardx``, and is interrupted in ``wandb`` and ``swanlab``.

    Args:
        runs: The runs, from `read_runs`.
        to: The tracker: ``jsonl``, ``mlflow``, ``swanlab``, ``tensorboardx`` or ``wandb``.
        folder: The folder of the copies, made if it does not exist; by default that of its logger.
        project: The project of the copies; by default that of each run.

    Raises:
        ValueError: `to` is none of them.
        ImportError: The tracker's package is not installed.
        BlockingIOError: Another process copies runs to the same folder.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.tracking import JSONLLogger
        >>> with tempfile.TemporaryDirectory() as top:
        ...     with JSONLLogger(name="first", dir=f"{top}/a") as logger:
        ...         logger.log_metrics({"val/auc": 0.75}, step=0)
        ...     for _ in range(2):
        ...         found = copy_runs(read_runs(f"{top}/a"), "jsonl", f"{top}/b")
        ...         print(found.copied, found.there)
        ...     read_runs(f"{top}/b")[0].metrics
        1 0
        0 1
        {'val/auc': [(0, 0.75)]}
    """
    if to not in TARGETS:
        raise ValueError(f"runs can be copied to {', '.join(sorted(TARGETS))}, got {to!r}")
    target = TARGETS[to]
    target.logger_class()  # fail early
    below = local_path("copy_runs: folder", target.folder if folder is None else folder)
    below.mkdir(parents=True, exist_ok=True)
    result = Copied(str(below))
    marker = below / f".copying-{to}"
    marker.touch()
    claim = Claim(str(marker))
    if not claim.held:
        raise BlockingIOError(
            errno.EWOULDBLOCK, "another process copies runs to this folder", str(below)
        )
    try:
        there = present(read_runs(below, [to]))
        for run in runs:
            _copy_once(run, target, below, project, there, result)
    finally:
        claim.release()
    return result


def _copy_once(
    run: Run,
    target: Target,
    folder: Path,
    project: str | None,
    there: dict[str, set[str]],
    result: Copied,
) -> None:
    key, status = origin(run) or digest(run), expected_status(run, target.name)
    if status in there.get(key, ()):
        result.there += 1
        return
    id, named = key[:16], replace(run, project=project or run.project)
    target.clean(folder, id, named)
    try:
        result.left_out += _copy(named, run, target, folder, id)
    except Exception as error:
        target.clean(folder, id, named)
        result.failed[run.path] = failure_text(error)
        return
    there.setdefault(key, set()).add(status)
    result.copied += 1


def _copy(named: Run, run: Run, target: Target, folder: Path, id: str) -> Counter[str]:
    """Write a run; return how many records the tracker does not store."""
    found = details(run)
    times = [time for values in found.times.values() for time in values]
    started = run.started.timestamp() if run.started else min(times, default=None)
    ended = run.ended.timestamp() if run.ended else max(times, default=started)
    with recorded_at(started):
        logger = target.open(target.logger_class(), folder, id, named)
        params = {name: value for name, value in run.hyperparams.items() if _is_own(name)}
        if params:
            logger.log_hyperparams(params)
    try:
        left_out = _Media(logger, found).write_with(_rows(run, found, target.by_step), ended)
        with recorded_at(ended):
            # the last record but the end: a copy without it is an interrupted one
            logger.log_hyperparams({ORIGIN: origin_of_copy(run)})
    except BaseException as error:
        logger.log_failure(error)
        raise
    else:
        failure = _failure(run)
        if failure is not None:
            logger.log_failure(failure)
    finally:
        with recorded_at(ended):
            logger.finish()
    return left_out


def _is_own(name: str) -> bool:
    return name.partition("/")[0] != ORIGIN


def _rows(
    run: Run, found: Details, by_step: bool
) -> list[tuple[float | None, int, dict[str, float]]]:
    """Return the time, step and values of each row, in the order of recording or of steps."""
    points = []
    for name, pairs in run.metrics.items():
        times = found.times.get(name) or [None] * len(pairs)
        seen: Counter[int] = Counter()
        for (step, value), time in zip(pairs, times, strict=True):
            turn = seen[step]
            seen[step] += 1
            points.append((time, step, turn, name, value))
    if by_step or any(time is None for time, *_ in points):
        points.sort(key=lambda point: (point[1], point[2]))
    else:
        points.sort(key=lambda point: point[0])
    rows: list[tuple[float | None, int, dict[str, float]]] = []
    for time, step, _, name, value in points:
        last = rows[-1] if rows else None
        same = last is not None and last[1] == step and (by_step or last[0] == time)
        if last is not None and same and name not in last[2]:
            last[2][name] = value
        else:
            rows.append((time, step, {name: value}))
    return rows


class _Media:
    """Writes what a run has beside numbers, at the steps of its rows."""

    def __init__(self, logger: Any, found: Details) -> None:
        self._logger = logger
        self._files = found.files
        self._left_out: Counter[str] = Counter()
        calls = [
            *((text.step, "text", (text.name, text.text)) for text in found.texts),
            *((h.step, "histogram", (h.name, h.counts, h.edges)) for h in found.histograms),
            *((t.step, "table", (t.name, t.columns, t.rows)) for t in found.tables),
            *((f.step, "figure", (f.name, f.png)) for f in found.figures),
        ]
        self._waiting = sorted(calls, key=lambda call: call[0])

    def write_with(
        self, rows: Iterable[tuple[float | None, int, dict[str, float]]], ended: float | None
    ) -> Counter[str]:
        """Write rows, and after each what belongs to its step; then the rest, and the files."""
        time = None
        for time, step, values in rows:
            with recorded_at(time):
                self._logger.log_metrics(values, step)
                self._write_until(step)
        with recorded_at(time):
            self._logger.flush()  # wandb holds the last row back
        with recorded_at(ended):
            self._write_until(None)
            for name, path in self._files.items():
                self._write_file(name, path)
        return self._left_out

    def _write_until(self, step: int | None) -> None:
        while self._waiting and (step is None or self._waiting[0][0] <= step):
            at, kind, values = self._waiting.pop(0)
            if self._is_stored(kind):
                values = (values[0], PNG(values[1])) if kind == "figure" else values
                getattr(self._logger, f"log_{kind}")(*values, at)

    def _write_file(self, name: str, path: str) -> None:
        if os.path.isdir(path):
            self._left_out["folder"] += 1
        elif self._is_stored("artifact"):
            kind = "model" if path.endswith(_WEIGHTS) else "file"
            self._logger.log_artifact(name, path, "test_values" if name == "test_values" else kind)

    def _is_stored(self, kind: str) -> bool:
        """Whether the tracker stores a kind of record; counts it otherwise."""
        method = f"write_{kind}"
        stored = getattr(type(self._logger), method) is not getattr(RunLogger, method)
        self._left_out[kind] += not stored
        return stored


def _failure(run: Run) -> BaseException | None:
    """Return an exception whose text in a record is that of the run's error."""
    if run.status == "finished":
        return None
    if run.status == "unfinished":
        return NoEnd("the copied run has no end")
    name, _, text = (run.error or "").partition(": ")
    if name == "SystemExit" and text.isdigit():
        return SystemExit(int(text))
    if not name.isidentifier():
        name, text = run.error or run.status, ""
    base = Exception if run.status == "failed" else BaseException
    return type(name.replace("\0", ""), (base,), {})(*([text] if text else []))
