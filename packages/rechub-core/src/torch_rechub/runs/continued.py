"""Runs that a tracker keeps in several folders: those of one id, continued offline."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from .record import Run

_PRECISION = timedelta(seconds=1)  # of the end of a run


def united(runs: Iterable[Run], backends: Collection[str]) -> list[Run]:
    """Unite runs of one id with those that they continue, as their tracker does at an upload.

    Such runs are files of one name, in sibling folders. A run continues the one before it if it
    began after that one had ended, and has no metric at a step that is not later.

    Args:
        runs: The runs, oldest first.
        backends: The backends whose files are named by the id of a run.

    Example:
        >>> first = Run("a", "wandb", "w/1-a/run-a.wandb", metrics={"val/auc": [(0, 0.5)]})
        >>> again = Run("a", "wandb", "w/2-a/run-a.wandb", metrics={"test/auc": [(0, 0.7)]})
        >>> [run.metrics for run in united([first, again], ["wandb"])]
        [{'val/auc': [(0, 0.5)], 'test/auc': [(0, 0.7)]}]
    """
    found: list[Run] = []
    latest: dict[tuple[str, Path, str], int] = {}  # the place in `found` of the last run of an id
    for run in runs:
        if run.backend not in backends:
            found.append(run)
            continue
        path = Path(run.path)
        key = (run.backend, path.parent.parent, path.name)
        place = latest.get(key)
        if place is not None and _continues(run, found[place]):
            found[place] = _joined(found[place], run)
        else:
            latest[key] = len(found)
            found.append(run)
    return found


def _continues(run: Run, before: Run) -> bool:
    ended = None if before.ended is None else before.ended - _PRECISION
    if run.started is not None and ended is not None and run.started < ended:
        return False  # both were open at once
    return all(
        min(step for step, _ in run.metrics[name]) > max(step for step, _ in pairs)
        for name, pairs in before.metrics.items()
        if pairs and run.metrics.get(name)
    )


def _joined(before: Run, run: Run) -> Run:
    names = [*before.metrics, *(name for name in run.metrics if name not in before.metrics)]
    return replace(
        before,
        status=run.status,
        error=run.error,
        ended=run.ended,
        group=run.group or before.group,
        tags=tuple(dict.fromkeys((*before.tags, *run.tags))),
        parts=(*before.parts, run.path),
        hyperparams={**before.hyperparams, **run.hyperparams},
        metrics={n: [*before.metrics.get(n, ()), *run.metrics.get(n, ())] for n in names},
    )
