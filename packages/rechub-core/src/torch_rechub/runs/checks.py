"""Validates the runs that readers return, so that a faulty run does not affect the others."""

import json
import logging
import math
import operator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any, get_args

from ..basic.tracking.labels import GROUP, TAGS
from .record import Run, Status

log = logging.getLogger("torch_rechub.runs")

_DEEPEST = 50  # levels; far below Python's recursion limit, as some formats add levels
_SCALARS = frozenset({type(None), bool, int, float, str})
_MOST_VALUES = 1_000_000  # values; a few YAML aliases can expand to more than fits into memory


def checked(run: Any, plain_metrics: bool = False) -> Run:
    """Return the run with plain types; invalid hyper-parameters are reported and skipped.

    Args:
        run: The run of a reader.
        plain_metrics: Whether the reader makes lists of pairs of an int and a float and nothing
            else; then they are not looked through.

    Raises:
        TypeError: `run` is not a `Run`, or a field has another type.
        ValueError: The status is unknown, or a time is out of range.
    """
    if not isinstance(run, Run):
        raise TypeError(f"a reader gives runs, got {type(run).__name__}")
    for name in ("name", "backend", "path"):
        if not isinstance(getattr(run, name), str):
            raise TypeError(f"{name} must be text, got {getattr(run, name)!r}")
    for name in ("project", "error"):
        if not isinstance(getattr(run, name), str | None):
            raise TypeError(f"{name} must be text or None, got {getattr(run, name)!r}")
    if run.status not in get_args(Status):
        raise ValueError(f"status must be one of {get_args(Status)}, got {run.status!r}")
    params = _plain_or_none(run)
    group, tags = params.pop(GROUP, None), params.pop(TAGS, None)
    return replace(
        run,
        started=None if run.started is None else checked_time(run.started),
        ended=None if run.ended is None else checked_time(run.ended),
        hyperparams=params,
        metrics=run.metrics if plain_metrics else _plain_metrics(run.metrics),
        # those of the tracker itself may be cut or left out, as it limits their length
        group=str(group) if group else run.group,
        tags=tuple(dict.fromkeys([*_words(tags), *map(str, run.tags)])),
    )


def _words(tags: Any) -> tuple[str, ...]:
    """The tags of a run, which some trackers keep as the text of a list."""
    if isinstance(tags, str):
        with suppress(ValueError):
            tags = json.loads(tags)
    found = tags if isinstance(tags, list) else [tags]
    return tuple(str(tag) for tag in found if tag)


def _plain_or_none(run: Run) -> dict[str, Any]:
    try:
        return plain_params(run.hyperparams)
    except ValueError as error:
        log.warning("%s: the hyper-parameters are left out: %s", run.path, error)
        return {}


def _plain_metrics(metrics: Mapping[Any, Any]) -> dict[str, list[tuple[int, float]]]:
    return {
        str(name): [(operator.index(step), float(value)) for step, value in points]
        for name, points in metrics.items()
    }


def checked_time(time: datetime) -> datetime:
    """Convert a time to UTC.

    Raises:
        ValueError: The year is not in 1970 to 9998, the range that all time zones can represent.
    """
    if not 1970 <= time.year <= 9998:
        raise ValueError(f"a time in the year {time.year}")
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)


def moment(seconds: float) -> datetime | None:
    """Convert seconds since 1970 to a time; None if they are out of range.

    Example:
        >>> moment(0.5).isoformat(), moment(float("nan")), moment(1e300)
        ('1970-01-01T00:00:00.500000+00:00', None, None)
    """
    if not math.isfinite(seconds) or not 0 <= seconds < 253_370_000_000:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc)


def plain_params(params: Mapping[Any, Any]) -> dict[str, Any]:
    """Convert hyper-parameters to None, bool, int, float, str, lists and dicts; others to str.

    Raises:
        ValueError: There are more than 50 levels, or more than a million values.

    Example:
        >>> plain_params({1: date(2026, 1, 2), "dims": (64, 32)})
        {'1': '2026-01-02', 'dims': [64, 32]}
    """
    if not isinstance(params, Mapping):
        raise ValueError(f"hyper-parameters are a mapping, got {type(params).__name__}")
    return dict(_Plain().convert(params, 0))


class _Plain:
    def __init__(self) -> None:
        self.left = _MOST_VALUES

    def convert(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            self._count(len(value), depth)
            return {
                str(name): item if type(item) in _SCALARS else self.convert(item, depth + 1)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            self._count(len(value), depth)
            return [
                item if type(item) in _SCALARS else self.convert(item, depth + 1) for item in value
            ]
        if isinstance(value, bool | int | float | str):
            return value
        return value.isoformat() if isinstance(value, date) else str(value)[:1_000]

    def _count(self, values: int, depth: int) -> None:
        self.left -= values
        if values and depth >= _DEEPEST:
            raise ValueError(f"hyper-parameters are nested more than {_DEEPEST} deep")
        if self.left < 0:
            raise ValueError(f"hyper-parameters are more than {_MOST_VALUES} values")
