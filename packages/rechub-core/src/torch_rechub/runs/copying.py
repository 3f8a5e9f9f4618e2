"""Copies recorded runs into another tracker: steps, values, times, texts, files and the end."""

import errno
import logging
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from .._paths import local_path
from ..basic.tracking.claim import Claim
from ..basic.tracking.copied import recorded_at
from ..basic.tracking.plugin import failure_text
from .copies import ORIGIN, digest, expected_status, origin, origin_of_copy, present
from .copy_records import Media, failure_of, rows_of
from .copy_targets import TARGETS, Target
from .details import details
from .reading import read_runs
from .record import Run

log = logging.getLogger("torch_rechub.runs")


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
        ValueError: `to` is another name.
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
        marker.unlink(missing_ok=True)
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
        left_out = Media(logger, found).write_with(rows_of(run, found, target.by_step), ended)
        with recorded_at(ended):
            # the last record but the end: a copy without it is an interrupted one
            logger.log_hyperparams({ORIGIN: origin_of_copy(run)})
    except BaseException as error:
        logger.log_failure(error)
        raise
    else:
        failure = failure_of(run)
        if failure is not None:
            logger.log_failure(failure)
    finally:
        with recorded_at(ended):
            logger.finish()
    return left_out


def _is_own(name: str) -> bool:
    return name.partition("/")[0] != ORIGIN
