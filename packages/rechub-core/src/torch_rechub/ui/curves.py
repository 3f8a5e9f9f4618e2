"""Curves of selected runs, with few enough points to be drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..runs.comparing import compare
from ..runs.comparison import Row, Statistic
from ..runs.curves import Curve, curve, labels
from ..runs.record import Mode
from .entry import Entry

_POINTS = 600

# `Row` has fields that a curve does not need
_NOTHING = Statistic(0.0, None)


def kept(values: Sequence[float], most: int) -> list[int]:
    """Return the places of values that keep the shape of a curve: extremes, the first, the last.

    Example:
        >>> kept([0.0, 1.0, 2.0, 3.0, 9.0, 5.0, -6.0, 7.0, 8.0], 4)
        [0, 3, 4, 6, 8]
    """
    if len(values) <= most:
        return list(range(len(values)))
    width = max(1, 2 * len(values) // most)
    places = {0, len(values) - 1}
    for start in range(0, len(values), width):
        part = range(start, min(start + width, len(values)))
        places |= {min(part, key=values.__getitem__), max(part, key=values.__getitem__)}
    return sorted(places)


def curves(entries: Sequence[Entry], metric: str, mode: Mode, by: str) -> list[dict[str, Any]]:
    """Return the curves of runs: one of each, or means over seeds or over groups.

    A run without the metric has a curve without points.

    Args:
        entries: The runs.
        metric: The metric.
        mode: Its direction, by which groups are ordered.
        by: ``run``, ``seed`` or ``group``.
    """
    if by == "seed":
        return _over_seeds(entries, metric, mode)
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        name = entry.run.group if by == "group" else None
        groups.setdefault(f"group:{name}" if name else f"run:{entry.key}", []).append(entry)
    return [
        _curve(key, members, members[0].run.group or "" if by == "group" else "", metric)
        for key, members in groups.items()
    ]


def _over_seeds(entries: Sequence[Entry], metric: str, mode: Mode) -> list[dict[str, Any]]:
    by_run = {id(entry.run): entry for entry in entries}
    drawn = []
    if any(entry.best(metric, mode) for entry in entries):
        found = compare([entry.run for entry in entries], metric, mode)
        for row, label in zip(found.rows, labels(found), strict=True):
            members = [by_run.pop(id(run)) for run in row.runs]
            drawn.append(_curve(f"seeds:{members[0].key}", members, label, metric))
    return [*drawn, *(_curve(f"run:{e.key}", [e], "", metric) for e in by_run.values())]


def _curve(key: str, members: Sequence[Entry], label: str, metric: str) -> dict[str, Any]:
    drawn = curve(_row(members), metric)
    return {
        "id": key,
        "label": label or members[0].run.name,
        "keys": [member.key for member in members],
        **_points(drawn),
    }


def _points(drawn: Curve) -> Mapping[str, Any]:
    places = kept(drawn.mean, _POINTS)
    tails = []
    for tail in drawn.tails:
        tails.append([tail[at] for at in kept([value for _, value in tail], _POINTS)])
    return {
        "steps": [drawn.steps[at] for at in places],
        "mean": [drawn.mean[at] for at in places],
        "sd": [drawn.sd[at] for at in places] if drawn.sd else [],
        "tails": tails,
    }


def _row(members: Sequence[Entry]) -> Row:
    runs = tuple(member.run for member in members)
    nothing = (_NOTHING, _NOTHING, None)
    return Row(1, "", "", None, "", {}, (), len(runs), *nothing, runs)
