"""Metrics: the one place that knows their names, their directions and their needs.

Light to import, for readers of recorded runs: a metric's function is imported when it is asked for.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal

from .._bounds import check_number, check_whole
from .._errors import UnknownChoiceError

Direction = Literal["max", "min"]
Needs = Literal["predictions", "groups", "hits", "lists"]
Labels = Literal["binary", "real"]

_NEEDS = ("predictions", "groups", "hits", "lists")
_NAME = re.compile(r"[\w.@-]+")


@dataclass(frozen=True)
class Metric:
    """A metric of validation.

    Attributes:
        name: Its name in the records, such as "auc" in ``val/auc``.
        function: Computes it: from (labels, scores), arrays (N,); with needs="groups" from (labels,
            scores, groups); with needs="hits" from (hits, n_relevant), whether the item at each of
            the first k ranks is relevant (U, k), and the number of relevant items (U,); with
            needs="lists" from `RankedLists`.
        direction: "max" if larger values are better, "min" if smaller ones are; None if neither,
            and then it is recorded and cannot be monitored.
        needs: The form of data that it is computed from.
        k: The number of ranks it reads; with needs="hits" and "lists" only.
        labels: "binary" where it is defined on labels 0 and 1 only, else "real".

    Raises:
        TypeError: `function` cannot be called.
        ValueError: Another argument is none of these.

    Example:
        >>> worst = Metric("worst", lambda labels, scores: max(abs(labels - scores)), "min")
        >>> worst.name, worst.direction
        ('worst', 'min')
    """

    name: str
    function: Callable[..., float]
    direction: Direction | None
    needs: Needs = "predictions"
    k: int | None = None
    labels: Labels = "real"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(
                f"the name of a metric must be letters, digits and _ . @ -, got {self.name!r}"
            )
        if not callable(self.function):
            raise TypeError(f"metric {self.name!r} needs a function, got {self.function!r}")
        for attribute, choices in (
            ("direction", ("max", "min", None)),
            ("needs", _NEEDS),
            ("labels", ("binary", "real")),
        ):
            if (value := getattr(self, attribute)) not in choices:
                known = " or ".join(map(repr, choices))
                raise ValueError(
                    f"{attribute} of metric {self.name!r} must be {known}, got {value!r}"
                )
        ranked = self.needs in ("hits", "lists")
        if ranked != (self.k is not None):
            with_k = "needs k, the number of ranks" if ranked else "reads no ranks: leave out k"
            raise ValueError(f"metric {self.name!r} with needs={self.needs!r} {with_k}")
        check_whole(1, k=self.k)


# name: module, function, direction, needs, labels
_OF_ROWS: dict[str, tuple[str, str, Direction | None, Needs, Labels]] = {
    "auc": ("prediction", "auc_score", "max", "predictions", "binary"),
    "gauc": ("prediction", "gauc_score", "max", "groups", "binary"),
    "log_loss": ("prediction", "log_loss", "min", "predictions", "binary"),
    "ne": ("calibration", "normalized_entropy", "min", "predictions", "binary"),
    "calibration": ("calibration", "calibration_score", None, "predictions", "binary"),
    "calibration_error": ("calibration", "calibration_error", "min", "predictions", "binary"),
    "mse": ("prediction", "mse_score", "min", "predictions", "real"),
    "rmse": ("prediction", "rmse_score", "min", "predictions", "real"),
    "mae": ("prediction", "mae_score", "min", "predictions", "real"),
    "accuracy": ("threshold", "accuracy_at", "max", "predictions", "binary"),
    "precision": ("threshold", "precision_at", "max", "predictions", "binary"),
    "recall": ("threshold", "recall_at", "max", "predictions", "binary"),
    "f1": ("threshold", "f1_at", "max", "predictions", "binary"),
}
_AT_THRESHOLD = ("accuracy", "precision", "recall", "f1")
HITS = ("hit", "recall", "ndcg", "mrr", "precision", "map")
_LISTS: dict[str, Direction] = {"coverage": "max", "diversity": "max", "novelty": "max"}
_ALIASES = {"logloss": "log_loss", "normalized_entropy": "ne"}

_SMALLER_IS_BETTER = {
    "loss", "logloss", "error", "mse", "rmse", "mae", "mape", "nll", "perplexity", "ece", "brier",
    "entropy", "deviance", "collision", "regret",
}  # fmt: skip
_LARGER_IS_BETTER = {
    "auc", "gauc", "accuracy", "precision", "recall", "f1", "ndcg", "mrr", "map", "hit", "hr",
    "r2", "score",
}  # fmt: skip

_OF_SKLEARN = {
    "roc_auc_score": "auc",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
    "accuracy_score": "accuracy",
}


def metric_named(name: str) -> Metric:
    """The metric of a name.

    Of rows: "auc", "gauc" (needs groups), "log_loss", "ne", "calibration", "calibration_error",
    "mse", "rmse", "mae", and at the threshold 0.5 "accuracy", "precision", "recall", "f1"; of
    ranked lists, at any k: "hit@k", "recall@k", "ndcg@k", "mrr@k", "precision@k", "map@k",
    "coverage@k", "diversity@k", "novelty@k".

    Raises:
        UnknownChoiceError: There is no such metric; a ValueError too.

    Example:
        >>> metric_named("ndcg@10").k, metric_named("log_loss").direction
        (10, 'min')
    """
    known = _ALIASES.get(name, name)
    if known in _OF_ROWS:
        room, function, direction, needs, labels = _OF_ROWS[known]
        found = getattr(import_module(f"{__package__}.{room}"), function)
        return Metric(known, found, direction, needs, None, labels)
    ranking, at, k = name.partition("@")
    if at and re.fullmatch(r"[1-9]\d*", k):
        computing: Any = import_module(f"{__package__}.computing")
        if ranking in HITS:
            of_hits = partial(computing.from_hits, ranking, int(k))
            return Metric(name, of_hits, "max", "hits", int(k), "binary")
        if ranking in _LISTS:
            of_lists = partial(computing.from_lists, ranking, int(k))
            return Metric(name, of_lists, _LISTS[ranking], "lists", int(k))
    ranked = [f"{one}@k" for one in (*HITS, *_LISTS)]
    raise UnknownChoiceError(
        f"there is no metric {name!r}; there are {', '.join([*_OF_ROWS, *ranked])} with a number "
        "for k, and your own: Metric(name, function, 'max' or 'min')"
    )


def at_threshold(name: str, threshold: float) -> Metric:
    """One of accuracy, precision, recall and f1 at another threshold than 0.5.

    Raises:
        ValueError: The name is another, or the threshold is outside 0 to 1.

    Example:
        >>> at_threshold("precision", 0.3).name
        'precision_0.3'
    """
    if name not in _AT_THRESHOLD:
        raise UnknownChoiceError(f"name must be one of {', '.join(_AT_THRESHOLD)}, got {name!r}")
    check_number("[0, 1]", threshold=threshold)
    found = metric_named(name)
    function = partial(found.function, threshold=threshold)
    return Metric(f"{name}_{threshold:g}", function, found.direction, labels="binary")


def as_metrics(given: str | Metric | Iterable[Any]) -> tuple[Metric, ...]:
    """Metrics from their names, or from metrics.

    Args:
        given: Names, metrics, and functions that are ours or scikit-learn's; or one of them.

    Raises:
        TypeError: One of them is none of these.
        ValueError: There is none, one twice, or one whose direction is not known.
    """
    single = isinstance(given, str | Metric) or callable(given)
    metrics = tuple(map(_as_metric, [given] if single else given))  # type: ignore[arg-type]
    names = [metric.name for metric in metrics]
    if not names:
        raise ValueError("metrics is empty: name at least one, such as 'auc'")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"metrics names {twice[0]!r} twice")
    return metrics


def _as_metric(given: Any) -> Metric:
    if isinstance(given, Metric):
        return given
    if isinstance(given, str):
        return metric_named(given)
    if not callable(given):
        raise TypeError(f"metrics must be names or Metric, got {given!r}")
    metric, known = metric_of_function(given)
    if not known:
        raise ValueError(
            f"whether larger or smaller values of {metric.name!r} are better is not known: give "
            f"Metric({metric.name!r}, function, 'max' or 'min')"
        )
    return metric


def metric_of_function(function: Callable[..., float]) -> tuple[Metric, bool]:
    """The metric of a function of (labels, scores), and whether its direction is known.

    Ours are known, and scikit-learn's by its convention: larger values of ``…_score`` are better,
    smaller ones of ``…_error``, ``…_loss`` and ``…_deviance``. The direction of another is taken
    from its name, else as "max".

    Example:
        >>> def my_loss(labels, scores):
        ...     return 0.5
        >>> metric, known = metric_of_function(my_loss)
        >>> metric.name, metric.direction, known
        ('my_loss', 'min', False)
    """
    inner: Any = function
    while isinstance(inner, partial):
        inner = inner.func
    name = getattr(inner, "__name__", type(inner).__name__)
    module = str(getattr(inner, "__module__", ""))
    own = {row[1]: (key, row) for key, row in _OF_ROWS.items()}
    if module.startswith(f"{__package__}.") and name in own:
        key, (_, _, direction, needs, labels) = own[name]
        return Metric(key, function, direction, needs, None, labels), True
    known = module.split(".")[0] == "sklearn"
    if known:
        smaller = name.endswith(("_error", "_loss", "_deviance"))
        name = _OF_SKLEARN.get(name, name)
    else:
        smaller = direction_of(name) == "min"
    legal = re.sub(r"[^\w.@-]+", "_", "score" if name == "<lambda>" else name)
    return Metric(legal, function, "min" if smaller else "max"), known


def direction_of(key: str) -> Direction | None:
    """Whether larger or smaller values of a recorded metric are better; None if that is not known.

    Args:
        key: Its name in the records.

    Example:
        >>> direction_of("val/auc"), direction_of("val/task_0_loss"), direction_of("test/ndcg@10")
        ('max', 'min', 'max')
        >>> direction_of("val/calibration"), direction_of("reward")
        (None, None)
    """
    name = re.sub(r"^task_\d+_", "", key.rsplit("/", 1)[-1].lower())
    known = _OF_ROWS.get(_ALIASES.get(name, name))
    if known is not None:
        return known[2]
    ranking, at, _ = name.partition("@")
    if at and ranking in (*HITS, *_LISTS):
        return _LISTS.get(ranking, "max")
    words = set(re.split(r"[^a-z0-9]+", key.lower())) | set(re.split(r"[^a-z]+", key.lower()))
    if words & _SMALLER_IS_BETTER:
        return "min"
    return "max" if words & _LARGER_IS_BETTER else None
