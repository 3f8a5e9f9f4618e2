"""Comparison of runs: the hyper-parameters that differ, and the values of a metric."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from .comparison import Comparison, Row, Statistic
from .copies import without_repeats
from .folders import AnyPath
from .identity import settings_of
from .monitored import MODES, default_metric, direction
from .reading import no_runs, read_runs
from .record import Mode, Run
from .seeds import is_seed
from .tables import shortened
from .trials import status_of, trial_of
from .values import EMPTY, mean_and_deviation, signature


def compare(
    runs: AnyPath | Iterable[AnyPath] | Sequence[Run],
    metric: str | None = None,
    mode: Mode | None = None,
    ignore: Iterable[str] = (),
) -> Comparison:
    """Rank runs by a metric, with statistics over runs that differ only in the seed.

    Runs form one row if they have a hyper-parameter called ``seed``, ``random_seed`` or
    ``torch_seed``, and agree in all others, in project, backend, status and the trial of a search.
    An empty hyper-parameter equals a missing one. Those of `identity`, such as ids and the
    fingerprint of the data, do not count. Of a run and its copies in one tracker one counts. Pruned
    trials of a search come last, as their values are those of one seed, ended early.

    Args:
        runs: Runs, or the paths to read them from.
        metric: The metric to compare; by default the choice of `default_metric`.
        mode: ``max`` or ``min``; by default the ``monitor_direction`` of runs that monitored the
            metric, else that of the metric's name, else ``max``.
        ignore: Flat names of hyper-parameters to ignore.

    Raises:
        ValueError: There is no run, or no run has the metric; the message lists the metrics. Or the
            metric has no direction, such as calibration, and `mode` is not given.
    """
    found, repeated = without_repeats(as_runs(runs))
    metric = metric or default_metric(found)
    if mode is not None and mode not in MODES:
        raise ValueError(f"mode must be 'max' or 'min', got {mode!r}")
    have = [run for run in found if run.best(metric, mode or "max") is not None]
    if not have:
        raise ValueError(
            f"none of {len(found)} runs has numbers for the metric {metric!r}; "
            f"they have: {names_of_metrics(found)}"
        )
    mode = mode or direction(metric, have)
    ignored = frozenset(ignore)
    params = [settings_of(run, ignored) for run in have]
    signatures = [{n: signature(v) for n, v in given.items()} for given in params]
    differing = _differing(signatures)
    groups: dict[Any, list[tuple[Run, dict[str, Any]]]] = {}
    for number, (run, given, of_run) in enumerate(zip(have, params, signatures, strict=True)):
        groups.setdefault(_group(run, of_run, differing, number), []).append((run, given))
    rows = [_row(members, metric, mode, differing) for members in groups.values()]
    sign = -1 if mode == "max" else 1
    rows.sort(key=lambda row: (_pruned(row), sign * row["best"].mean, row["name"]))
    return Comparison(
        metric=metric,
        mode=mode,
        rows=tuple(Row(rank=rank, **row) for rank, row in enumerate(rows, 1)),
        differing=differing,
        common=_common(params, differing),
        without_metric=tuple(run for run in found if run.best(metric, mode) is None),
        repeated=repeated,
    )


def as_runs(given: Any) -> list[Run]:
    """Return runs, or those below paths."""
    runs = given if isinstance(given, str | os.PathLike) else list(given)
    if isinstance(runs, list) and runs and all(isinstance(run, Run) for run in runs):
        return list(runs)
    found = list(read_runs(runs))
    if not found:
        raise no_runs(runs)
    return found


def names_of_metrics(runs: Sequence[Run]) -> str:
    """The names of the metrics of runs, at most twenty; those of validation and test first."""
    found = {name for run in runs for name in run.metrics}
    names = sorted(found, key=lambda name: (not name.startswith(("val/", "test/")), name))
    more = [f"and {len(names) - 20} more"] if len(names) > 20 else []
    return ", ".join([shortened(name, 80) for name in names[:20]] + more) or "none"


def _differing(signatures: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """The names with more than one value, in order; a missing value equals an empty one."""
    values: dict[str, set[str]] = {}
    present: Counter[str] = Counter()
    for of_run in signatures:
        for name, value in of_run.items():
            values.setdefault(name, set()).add(value)
        present.update(of_run.keys())
    return tuple(
        name
        for name, found in values.items()
        if len(found if present[name] == len(signatures) else found | {EMPTY}) > 1
        and not is_seed(name)
    )


def _common(params: Sequence[Mapping[str, Any]], differing: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for given in params:
        for name, value in given.items():
            found.setdefault(name, value)
    apart = set(differing)
    return {n: v for n, v in found.items() if n not in apart and not is_seed(n)}


def _group(run: Run, of_run: Mapping[str, str], differing: Sequence[str], number: int) -> Any:
    if not any(is_seed(name) for name in of_run):
        return number
    values = tuple(of_run.get(name, EMPTY) for name in differing)
    trial = trial_of(run)
    of_search = None if trial is None else (trial.study, trial.number, trial.state == "pruned")
    return run.backend, run.project, run.status, of_search, values


def _pruned(row: Mapping[str, Any]) -> bool:
    return any(status_of(run) == "pruned" for run in row["runs"])


def _row(
    members: list[tuple[Run, dict[str, Any]]], metric: str, mode: Mode, differing: Sequence[str]
) -> dict[str, Any]:
    (first, given), runs = members[0], tuple(run for run, _ in members)
    best = [pair for run in runs if (pair := run.best(metric, mode))]
    last = [pair for run in runs if (pair := run.last(metric))]
    seeds = {signature(value): value for _, params in members for value in _seeds(params)}
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
    """The seeds in the hyper-parameters of a run; else the recorded seed of torch."""
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
    return Statistic(*mean_and_deviation(values))
