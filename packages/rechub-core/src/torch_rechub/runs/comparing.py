"""Compares runs: which hyper-parameters differ, and what that did to a metric."""

import json
import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from .comparison import Comparison, Row, Statistic
from .monitored import default_metric, direction
from .reading import AnyPath, no_runs, read_runs
from .record import Mode, Run, flat

SEED_KEYS = ("seed", "random_seed", "torch_seed")
"""Hyper-parameters that make a run a repetition of another, at any depth; trainers record the last,
which is shown where a run has no other."""


def compare(
    runs: AnyPath | Iterable[AnyPath] | Sequence[Run],
    metric: str | None = None,
    mode: Mode | None = None,
    ignore: Iterable[str] = (),
) -> Comparison:
    """Rank runs by a metric, with mean and spread of runs that differ only by their seed.

    Runs are one row when they have a hyper-parameter called ``seed``, ``random_seed`` or
    ``torch_seed``, and agree in all others, in project, backend and status.

    Args:
        runs: Runs, or the paths to read them from.
        metric: What to compare; by default what `default_metric` chooses.
        mode: ``max`` or ``min``; by default ``min`` for names with a word like ``loss`` or ``mse``.
        ignore: Hyper-parameters that count as the same, by their flat names.

    Raises:
        ValueError: There is no run, or none has the metric; the message lists what there is.
    """
    found = _as_runs(runs)
    metric = metric or default_metric(found)
    mode = mode or direction(metric)
    if mode not in ("max", "min"):
        raise ValueError(f"mode must be 'max' or 'min', got {mode!r}")
    have = [run for run in found if run.best(metric, mode) is not None]
    if not have:
        raise ValueError(
            f"none of {len(found)} runs has numbers for the metric {metric!r}; "
            f"they have: {', '.join(sorted({m for run in found for m in run.metrics})) or 'none'}"
        )
    ignored = frozenset(ignore)
    params = [{n: v for n, v in flat(run.hyperparams) if n not in ignored} for run in have]
    differing, common = _differing(params)
    groups: dict[Any, list[tuple[Run, dict[str, Any]]]] = {}
    for number, (run, given) in enumerate(zip(have, params, strict=True)):
        groups.setdefault(_group(run, given, differing, number), []).append((run, given))
    rows = [_row(members, metric, mode, differing) for members in groups.values()]
    sign = -1 if mode == "max" else 1
    rows.sort(key=lambda row: (sign * row["best"].mean, row["name"]))
    return Comparison(
        metric=metric,
        mode=mode,
        rows=tuple(Row(rank=rank, **row) for rank, row in enumerate(rows, 1)),
        differing=differing,
        common=common,
        without_metric=tuple(run for run in found if run.best(metric, mode) is None),
    )


def _as_runs(given: Any) -> list[Run]:
    runs = given if isinstance(given, str | os.PathLike) else list(given)
    if isinstance(runs, list) and runs and all(isinstance(run, Run) for run in runs):
        return list(runs)
    found = list(read_runs(runs))
    if not found:
        raise no_runs(runs)
    return found


def is_seed(name: str) -> bool:
    """Whether a flat name is that of a seed, at any depth.

    Example:
        >>> is_seed("seed"), is_seed("data/random_seed"), is_seed("seeded")
        (True, True, False)
    """
    return name.rsplit("/", 1)[-1].lower() in SEED_KEYS


def _signature(value: Any) -> str:
    """The same for values that are the same in every tracker: 3 and 3.0, None and ``null``."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _differing(params: list[dict[str, Any]]) -> tuple[tuple[str, ...], dict[str, Any]]:
    names = dict.fromkeys(name for given in params for name in given if not is_seed(name))
    differing, common = [], {}
    for name in names:
        if len({_signature(given[name]) if name in given else None for given in params}) > 1:
            differing.append(name)
        else:
            common[name] = params[0][name]
    return tuple(differing), common


def _group(run: Run, given: Mapping[str, Any], differing: Sequence[str], number: int) -> Any:
    if not any(is_seed(name) for name in given):
        return number
    values = tuple((name, _signature(given[name])) for name in differing if name in given)
    return run.backend, run.project, run.status, values


def _row(
    members: list[tuple[Run, dict[str, Any]]], metric: str, mode: Mode, differing: Sequence[str]
) -> dict[str, Any]:
    (first, given), runs = members[0], tuple(run for run, _ in members)
    best = [pair for run in runs if (pair := run.best(metric, mode))]
    last = [pair for run in runs if (pair := run.last(metric))]
    seeds = {_signature(value): value for _, params in members for value in _seeds(params)}
    return {
        "name": _common_name([run.name for run in runs]),
        "backend": first.backend,
        "project": first.project,
        "status": first.status,
        "hyperparams": {name: given[name] for name in differing if name in given},
        "seeds": tuple(v for _, v in sorted(seeds.items(), key=lambda s: (len(s[0]), s[0]))),
        "n": len(runs),
        "best": _statistic([value for _, value in best]),
        "last": _statistic([value for _, value in last]),
        "best_step": best[0][0] if len(runs) == 1 else None,
        "runs": runs,
    }


def _seeds(params: Mapping[str, Any]) -> list[Any]:
    """The seeds that a run was given; else the one that torch had."""
    found = {name: value for name, value in params.items() if is_seed(name)}
    given = [value for name, value in found.items() if not name.endswith("torch_seed")]
    return given or list(found.values())


def _common_name(names: list[str]) -> str:
    if len(set(names)) == 1:
        return names[0]
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    prefix = "".join(letters[0] for letters in alike)
    return f"{prefix}*" if prefix else names[0]


def _statistic(values: list[float]) -> Statistic:
    finite = all(map(math.isfinite, values))
    mean = statistics.fmean(values) if finite else sum(values) / len(values)
    if len(values) < 2:
        return Statistic(mean, None)
    return Statistic(mean, statistics.stdev(values) if finite else math.nan)
