"""The searches among some runs, as plain data for pages."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from .._shown import shown
from .importance import importance
from .record import Mode, Run
from .tables import cell, shortened
from .trials import RecordedTrial, trial_of

_MOST_TRIALS = 2_000
_LONGEST = 60
_DECADES = 50  # a range as wide is logarithmic, as that of most learning rates


@dataclass(frozen=True)
class SearchTrial:
    """A trial, from the runs of its seeds.

    Attributes:
        number: Its number.
        state: ``finished``, ``pruned``, ``failed`` or ``unfinished``.
        params: Its parameters.
        value: The mean over the seeds of the best value of the metric; None without one.
        n: The number of seeds.
    """

    number: int
    state: str
    params: dict[str, Any]
    value: float | None
    n: int


def trials_by_study(
    runs: Iterable[Run], metric: str, mode: Mode
) -> dict[tuple[str, str, str], list[SearchTrial]]:
    """Return the trials of each search, by backend, project and study, in the order of numbers.

    Of several runs of one trial and seed, as after an interruption, the last that ended counts.

    Args:
        runs: The runs, oldest first.
        metric: The metric.
        mode: Whether its largest or smallest value is best.
    """
    found: dict[tuple[str, str, str], dict[int, dict[int | None, tuple[Run, RecordedTrial]]]] = {}
    for run in runs:
        trial = trial_of(run)
        if trial is None:
            continue
        seeds = found.setdefault((run.backend, run.project or "", trial.study), {})
        of_trial = seeds.setdefault(trial.number, {})
        if trial.state or trial.seed not in of_trial or not of_trial[trial.seed][1].state:
            of_trial[trial.seed] = (run, trial)
    return {
        key: [
            _trial(number, list(seeds.values()), max(map(len, trials.values())), metric, mode)
            for number, seeds in sorted(trials.items())
        ]
        for key, trials in found.items()
    }


def searches(runs: Iterable[Run], metric: str, mode: Mode) -> list[dict[str, Any]]:
    """Return the searches among some runs in the form that ``page/search.js`` draws.

    Args:
        runs: The runs, oldest first.
        metric: The metric that was searched for.
        mode: Whether its largest or smallest value is best.
    """
    return [
        _drawn(study, backend, trials, metric, mode)
        for (backend, _, study), trials in trials_by_study(runs, metric, mode).items()
    ]


def _trial(
    number: int,
    seeds: Sequence[tuple[Run, RecordedTrial]],
    n_seeds: int,
    metric: str,
    mode: Mode,
) -> SearchTrial:
    states = {trial.state for _, trial in seeds}
    whole = states == {"finished"} and len(seeds) == n_seeds
    otherwise = "finished" if whole else "unfinished"
    state = next((s for s in ("failed", "pruned") if s in states), otherwise)
    best = [pair[1] for run, _ in seeds if (pair := run.best(metric, mode))]
    mean = sum(best) / len(best) if best else math.nan
    value = mean if math.isfinite(mean) and state != "failed" else None
    return SearchTrial(number, state, dict(seeds[0][1].params), value, len(seeds))


def _drawn(
    study: str, backend: str, trials: Sequence[SearchTrial], metric: str, mode: Mode
) -> dict[str, Any]:
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    ended = [(t.params, rank) for t in trials if (rank := _rank(t, mode)) is not None]
    return {
        "title": f"{_text(study)} ({_text(backend)})",
        "metric": _text(metric),
        "mode": mode,
        "states": {s: n for s in _STATES if (n := sum(t.state == s for t in trials))},
        "hidden": max(0, len(trials) - _MOST_TRIALS),
        "trials": [
            {"number": t.number, "state": t.state, "value": t.value, "n": t.n}
            for t in trials[:_MOST_TRIALS]
        ],
        "axes": [_axis(name, trials[:_MOST_TRIALS]) for name in names],
        "importance": [
            importance([params.get(name) for params, _ in ended], [rank for _, rank in ended])
            for name in names
        ],
    }


def _rank(trial: SearchTrial, mode: Mode) -> float | None:
    """The value by which trials are ranked: pruned ones share the last place."""
    if trial.state == "pruned":
        return -math.inf
    if trial.state != "finished" or trial.value is None:
        return None
    return trial.value if mode == "max" else -trial.value


_STATES = ("finished", "pruned", "failed", "unfinished")


def _axis(name: str, trials: Sequence[SearchTrial]) -> dict[str, Any]:
    """An axis of parallel coordinates: the place of each trial, from 0 to 1, and the ticks."""
    values = [trial.params.get(name) for trial in trials]
    texts = [_text(value) for value in values]
    numbers = [value for value in values if _is_number(value)]
    if len(numbers) == len(values):
        return _as_axis(name, texts, *_scaled(numbers))
    choices = sorted(set(texts))
    places = {text: (i + 0.5) / len(choices) for i, text in enumerate(choices)}
    return _as_axis(name, texts, [places[t] for t in texts], [[places[t], t] for t in choices])


def _scaled(numbers: Sequence[float]) -> tuple[list[float], list[list[Any]]]:
    """The place of each number, and the ticks; logarithmic where they span some decades."""
    low, high = min(numbers), max(numbers)
    if low == high:
        return [0.5] * len(numbers), [[0.5, _text(low)]]
    logarithmic = low > 0 and high / low > _DECADES
    scale = math.log if logarithmic else float
    first, span = scale(low), scale(high) - scale(low)
    middle = float(f"{math.sqrt(low * high):.3g}") if logarithmic else (low + high) / 2
    ticks = [[(scale(at) - first) / span, _text(at)] for at in (low, middle, high)]
    return [(scale(number) - first) / span for number in numbers], ticks


def _as_axis(name: str, texts: Any, places: Any, ticks: Any) -> dict[str, Any]:
    return {"name": _text(name), "texts": texts, "places": places, "ticks": ticks}


def _text(value: Any) -> str:
    return shortened(shown(cell(value)), _LONGEST)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
