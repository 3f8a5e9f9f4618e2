"""Metrics by name: the only place with the function, direction and needs of each metric.

Importing this module imports neither NumPy nor torch, because `rechub compare` reads directions
from it; the function of a metric is imported on use.
"""

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from inspect import signature
from typing import Any

from .._bounds import check_number
from .._errors import UnknownChoiceError
from .metric import Metric
from .names import (
    AT_K,
    AT_THRESHOLD,
    OF_ROWS,
    Direction,
    Entry,
    Needs,
    direction_of,
    entry_of,
    is_undirected,
    names_of_metrics,
    parsed,
)

_OF_SKLEARN = {
    "roc_auc_score": "auc",
    "log_loss": "log_loss",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
}
_SKLEARN_WEIGHTS = "sample_weight"
DEFAULT_THRESHOLD = 0.5

__all__ = [
    "Direction",
    "Metric",
    "Needs",
    "as_metrics",
    "at_threshold",
    "direction_of",
    "is_undirected",
    "metric_named",
    "metric_of_function",
]


def metric_named(name: str) -> Metric:
    """Return a metric of the library by name.

    Args:
        name: The name, such as "auc", "gauc", "ndcg@10", or "precision_0.3" for a threshold of 0.3.

    Returns:
        The metric; the same object for each call.

    Raises:
        TypeError: `name` is not a string.
        UnknownChoiceError: No metric has the name; the message lists the names.
        ValueError: The threshold is not finite.

    Example:
        >>> metric_named("log_loss").direction, metric_named("ndcg@10").k
        ('min', 10)
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a metric must be a text, got {name!r}")
    found = _lookup(name)
    if found is None:
        raise UnknownChoiceError(
            f"unknown metric {name!r}; give one of {names_of_metrics()}, or "
            'Metric("name", function, "max" or "min")'
        )
    return found


def at_threshold(name: str, threshold: float) -> Metric:
    """Return accuracy, precision, recall or F1 at a threshold of the scores.

    Args:
        name: "accuracy", "precision", "recall" or "f1".
        threshold: Scores of at least this value predict the label 1.

    Returns:
        The metric, with a name such as "precision_0.3"; at 0.5 the plain name.

    Raises:
        TypeError: `threshold` is not a number.
        ValueError: The threshold is not finite.
        UnknownChoiceError: No metric of that name has a threshold.

    Example:
        >>> at_threshold("precision", 0.3).name
        'precision_0.3'
    """
    if name not in AT_THRESHOLD:
        raise UnknownChoiceError(
            f"unknown metric {name!r} at a threshold; give one of {', '.join(AT_THRESHOLD)}"
        )
    check_number("(-inf, inf)", threshold=threshold)
    return _at_threshold(name, float(threshold))


def as_metrics(given: Any) -> tuple[Metric, ...]:
    """Convert a user's metrics: names, `Metric`s, functions of known direction; one or several.

    Raises:
        TypeError: An element is neither a name, a `Metric` nor a function.
        ValueError: There are no metrics, two have the same name, or the direction of a function is
            unknown.
        UnknownChoiceError: No metric has the name.

    Example:
        >>> [metric.name for metric in as_metrics(["auc", "log_loss"])]
        ['auc', 'log_loss']
    """
    items = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    if not items:
        raise ValueError('metrics is empty: give at least one, such as metrics=("auc",)')
    found = tuple(_as_metric(item) for item in items)
    names = [metric.name for metric in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"metrics has {name!r} {names.count(name)} times: give it once")
    return found


def metric_of_function(function: Callable[..., Any]) -> tuple[Metric, bool]:
    """Return the metric of a function, and whether its direction is known.

    It is known for functions of `torch_rechub.metrics`, and for those of scikit-learn by its
    documented convention: "max" for `…_score`, "min" for `…_error`, `…_loss` and `…_deviance`. For
    other functions it is derived from a word of the name, such as "error", or else "max", the
    direction of all metrics in torch-rechub 0.9.

    Args:
        function: A function of labels and scores, or a `functools.partial` of one.

    Returns:
        The metric, and whether its direction is known.

    Raises:
        TypeError: `function` is not callable.

    Example:
        >>> from torch_rechub.metrics.prediction import log_loss
        >>> metric, known = metric_of_function(log_loss)
        >>> metric.name, metric.direction, known
        ('log_loss', 'min', True)
    """
    if not callable(function):
        raise TypeError(f"a metric must be a function of labels and scores, got {function!r}")
    inner: Any = function
    while isinstance(inner, partial):
        inner = inner.func
    name = getattr(inner, "__name__", type(inner).__name__)
    ours = _name_of_ours(inner)
    if ours is None and _is_sklearn(inner):
        ours = _OF_SKLEARN.get(name)
    if ours is not None:
        threshold = getattr(function, "keywords", {}).get("threshold", DEFAULT_THRESHOLD)
        metric = at_threshold(ours, threshold) if ours in AT_THRESHOLD else metric_named(ours)
        weighted = _SKLEARN_WEIGHTS if _is_sklearn(inner) else metric.weighted
        return replace(metric, function=function, weighted=weighted), True
    documented = re.search(r"_(score|error|loss|deviance)$", name) if _is_sklearn(inner) else None
    if documented:
        weighted = _SKLEARN_WEIGHTS if _SKLEARN_WEIGHTS in signature(inner).parameters else None
        direction: Direction = "max" if documented[1] == "score" else "min"
        return Metric(name, function, direction, weighted=weighted), True
    legal = "score" if name == "<lambda>" else re.sub(r"[^\w.@-]", "_", name)
    return Metric(legal, function, direction_of(legal) or "max"), False


def _as_metric(given: Any) -> Metric:
    if isinstance(given, Metric):
        return given
    if isinstance(given, str):
        return metric_named(given)
    if not callable(given):
        raise TypeError(
            f"a metric must be a name such as 'auc', or a Metric, got {given!r} of type "
            f"{type(given).__name__}"
        )
    metric, known = metric_of_function(given)
    if not known:
        raise ValueError(
            f"whether larger or smaller values of {metric.name} are better is unknown: give "
            f'Metric("{metric.name}", function, "max" or "min")'
        )
    return metric


def _lookup(name: str) -> Metric | None:
    base, k, threshold = parsed(name)
    if entry_of(name) is None:
        return None
    if k is not None:
        return _at_k(base, k)
    if base in AT_THRESHOLD:
        return at_threshold(base, DEFAULT_THRESHOLD if threshold is None else threshold)
    return _of_rows(base)


@cache
def _of_rows(name: str) -> Metric:
    entry = OF_ROWS[name]
    known = {"labels": entry.labels, "weighted": entry.weighted}
    return Metric(name, _function(entry), entry.direction, entry.needs, **known)  # type: ignore[arg-type]


@cache
def _at_threshold(name: str, threshold: float) -> Metric:
    entry = AT_THRESHOLD[name]
    label = name if threshold == DEFAULT_THRESHOLD else f"{name}_{threshold}"
    function = partial(_function(entry), threshold=threshold)
    return Metric(label, function, entry.direction, labels=entry.labels, weighted=entry.weighted)


@cache
def _at_k(name: str, k: int) -> Metric:
    entry = AT_K[name]
    function = partial(_function(entry), name=name)
    known = (entry.needs, k, entry.labels, entry.weighted)
    return Metric(f"{name}@{k}", function, entry.direction, *known)


def _function(entry: Entry) -> Callable[..., Any]:
    module = import_module(f"{__package__}.{entry.room}")
    found: Callable[..., Any] = getattr(module, entry.function)
    return found


def _name_of_ours(function: Any) -> str | None:
    """Return the metric of a function of this package, by identity and not by name."""
    for name, entry in {**OF_ROWS, **AT_THRESHOLD}.items():
        room = sys.modules.get(f"{__package__}.{entry.room}")
        if room is not None and getattr(room, entry.function, None) is function:
            return name
    return None


def _is_sklearn(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).split(".")[0] == "sklearn"
