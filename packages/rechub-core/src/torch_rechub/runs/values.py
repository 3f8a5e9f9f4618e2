"""Equality of hyper-parameters across trackers; statistics of metrics."""

import json
import math
import statistics
from collections.abc import Sequence
from typing import Any

EMPTY = "null"
"""The signature of a hyper-parameter without a value: None, nothing, an empty text or container."""

_LARGE = 1e100  # squares of larger numbers overflow


def signature(value: Any) -> str:
    """Return a text that is the same for values which trackers do not distinguish.

    These are 3 and 3.0, a value and its JSON, and all empty values: a tracker may store None as an
    empty mapping, or not at all.

    Example:
        >>> signature(3.0), signature([1, 2]) == signature("[1, 2]"), signature({}), signature("")
        ('3', True, 'null', 'null')
    """
    plain = _plain(value)
    return str(plain) if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def is_empty(value: Any) -> bool:
    """Whether a hyper-parameter has an empty value.

    Example:
        >>> [is_empty(value) for value in (None, {}, [], "", "null", 0, False)]
        [True, True, True, True, True, False, False]
    """
    return _plain(value) is None


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation; the latter is None for a single value.

    Example:
        >>> mean_and_deviation([1.0, 3.0]), mean_and_deviation([1e308, 1e308])
        ((2.0, 1.4142135623730951), (1e+308, 0.0))
    """
    if not all(map(math.isfinite, values)):
        return sum(values) / len(values), None if len(values) < 2 else math.nan
    largest = max(map(abs, values))
    scale = largest if largest > _LARGE else 1.0
    scaled = [value / scale for value in values] if scale != 1 else values
    deviation = statistics.stdev(scaled) * scale if len(values) > 1 else None
    return statistics.fmean(scaled) * scale, deviation


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return _same(json.loads(value))
        except (ValueError, RecursionError):  # not JSON, or nested too deeply
            return value
    return _same(value)


def _same(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return None if value in ("", EMPTY) else value
    if isinstance(value, dict):
        inner = {name: _same(item) for name, item in sorted(value.items())}
        return {name: item for name, item in inner.items() if item is not None} or None
    if isinstance(value, list):
        return [_same(item) for item in value] or None
    return value
