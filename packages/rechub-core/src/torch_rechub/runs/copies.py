"""The identity of copies of runs, so that each run is copied once."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..basic.tracking.plugin import in_utf8
from .record import Run, flat

ORIGIN = "copied_from"
"""The hyper-parameter of a copy that holds the digest, backend and name of the run it copies."""

# which record an end of every run
_ALWAYS_END = ("wandb", "swanlab")


def digest(run: Run) -> str:
    """Return a digest of what was recorded of a run, wherever it lies.

    Example:
        >>> runs = [Run("a", "jsonl", path) for path in ("x/a.run.jsonl", "y/a.run.jsonl")]
        >>> digest(runs[0]) == digest(runs[1]) != digest(Run("b", "jsonl", "x/a.run.jsonl"))
        True
    """
    params = {name: value for name, value in run.hyperparams.items() if name != ORIGIN}
    content = {
        "about": [run.name, run.backend, run.project, run.status, run.error, run.group],
        "started": None if run.started is None else run.started.isoformat(),
        "tags": run.tags,
        "hyperparams": params,
        "metrics": run.metrics,
    }
    text = json.dumps(in_utf8(content), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def origin(run: Run) -> str | None:
    """Return the digest of the run that a run is a copy of; None if it is none."""
    found = dict(flat(run.hyperparams)).get(f"{ORIGIN}/digest")
    return found if isinstance(found, str) and found else None


def origin_of_copy(run: Run) -> dict[str, Any]:
    """Return the hyper-parameter of a copy; a copy of a copy has the same origin."""
    known = origin(run)
    if known is not None:
        prefix = f"{ORIGIN}/"
        pairs = flat(run.hyperparams)
        return {n.removeprefix(prefix): value for n, value in pairs if n.startswith(prefix)}
    return {"digest": digest(run), "backend": run.backend, "name": run.name}


def expected_status(run: Run, target: str) -> str:
    """Return the status that the copy of a run has; some trackers end every run.

    Example:
        >>> killed = Run("a", "jsonl", "a")
        >>> expected_status(killed, "mlflow"), expected_status(killed, "wandb")
        ('unfinished', 'interrupted')
    """
    no_end = run.status == "unfinished" and target in _ALWAYS_END
    return "interrupted" if no_end else run.status


def without_repeats(runs: Sequence[Run]) -> tuple[list[Run], int]:
    """Leave out copies of a training run that its tracker has recorded otherwise, too.

    A run and its copy, or two copies, would count as two repetitions.

    Returns:
        The runs that are left, and the number of those that are left out.

    Example:
        >>> first = Run("a", "jsonl", "runs/a.run.jsonl", hyperparams={"run_id": "6bc2"})
        >>> params = {**first.hyperparams, "copied_from": origin_of_copy(first)}
        >>> copy = Run("a", "jsonl", "copies/a.run.jsonl", hyperparams=params)
        >>> left, n = without_repeats([first, copy])
        >>> [run.path for run in left], n
        (['runs/a.run.jsonl'], 1)
    """
    origins = [origin(run) for run in runs]
    if not any(origins):
        return list(runs), 0
    own = [run for run, found in zip(runs, origins, strict=True) if found is None]
    seen = {key for run in own for key in _identities(run, digest(run))}
    left = []
    for run, found in zip(runs, origins, strict=True):
        if found is not None:
            keys = _identities(run, found)
            if not seen.isdisjoint(keys):
                continue
            seen |= keys
        left.append(run)
    return left, len(runs) - len(left)


def of_one_tracker(runs: Sequence[Run]) -> list[Run]:
    """Keep one record of each training run that several loggers recorded.

    It is that of the tracker with the most runs, so that the seeds of a row have the same tracker.

    Example:
        >>> params = {"run_id": "6bc2"}
        >>> runs = [Run("a", name, name, hyperparams=params) for name in ("wandb", "jsonl")]
        >>> [run.backend for run in of_one_tracker([*runs, Run("b", "jsonl", "b")])]
        ['jsonl', 'jsonl']
    """
    counts = Counter(run.backend for run in runs)
    order = sorted(counts, key=lambda name: (-counts[name], name != "jsonl"))
    chosen: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: order.index(run.backend)):
        if run.run_id is not None:
            chosen.setdefault(run.run_id, run.backend)
    return [run for run in runs if run.run_id is None or chosen[run.run_id] == run.backend]


def _identities(run: Run, content: str) -> set[tuple[str, str]]:
    """By which a tracker's records of one training run are known: its id, its content."""
    return {(run.backend, key) for key in (run.run_id, content) if key is not None}


def present(runs: Iterable[Run]) -> dict[str, set[str]]:
    """Map the digests of the runs in a target to the statuses they are recorded with.

    Both the runs themselves count and, if they are copies, their origins.
    """
    found: dict[str, set[str]] = {}
    for run in runs:
        for key in (origin(run), digest(run)):
            if key is not None:
                found.setdefault(key, set()).add(run.status)
    return found
