"""The names of metrics, with the function and the direction of each.

The entries are strings, so that no function is imported before it is used.
"""

import re
from typing import Literal, NamedTuple

Direction = Literal["max", "min"]
Needs = Literal["predictions", "groups", "hits", "lists"]
Labels = Literal["binary", "probability", "real"]


class Entry(NamedTuple):
    """The entry of a metric: module and name of its function, and its properties."""

    room: str
    function: str
    direction: Direction | None
    needs: Needs = "predictions"
    labels: Labels = "binary"
    weighted: bool = True


OF_ROWS = {
    "auc": Entry("prediction", "auc_score", "max"),
    "log_loss": Entry("prediction", "log_loss", "min", labels="probability"),
    "gauc": Entry("prediction", "gauc_score", "max", "groups", weighted=False),
    "ne": Entry("calibration", "normalized_entropy", "min", labels="probability"),
    "calibration": Entry("calibration", "calibration_score", None, labels="probability"),
    "calibration_error": Entry("calibration", "calibration_error", "min", labels="probability"),
    "mse": Entry("prediction", "mse_score", "min", labels="real"),
    "rmse": Entry("prediction", "rmse_score", "min", labels="real"),
    "mae": Entry("prediction", "mae_score", "min", labels="real"),
}
AT_THRESHOLD = {
    "accuracy": Entry("classification", "accuracy_score", "max"),
    "precision": Entry("classification", "binary_precision", "max"),
    "recall": Entry("classification", "binary_recall", "max"),
    "f1": Entry("classification", "binary_f1", "max"),
}
AT_K = {
    "hit": Entry("ranking", "metric_of_hits", "max", "hits"),
    "recall": Entry("ranking", "metric_of_hits", "max", "hits"),
    "ndcg": Entry("ranking", "metric_of_hits", "max", "hits"),
    "mrr": Entry("ranking", "metric_of_hits", "max", "hits"),
    "precision": Entry("ranking", "metric_of_hits", "max", "hits"),
    "map": Entry("ranking", "metric_of_hits", "max", "hits"),
    "coverage": Entry("lists", "metric_of_lists", "max", "lists", "real", False),
    "diversity": Entry("lists", "metric_of_lists", "max", "lists", "real", False),
    "novelty": Entry("lists", "metric_of_lists", "max", "lists", "real", False),
}
_ALIASES = {"logloss": "log_loss", "normalized_entropy": "ne"}
_FLOAT = r"-?(?:[0-9]+\.[0-9]+|[0-9]+(?:\.[0-9]+)?e[+-][0-9]+)"
"""A threshold as Python writes it; "precision_10" is none, and likely to stand for precision@10."""

_SMALLER_IS_BETTER = {
    "loss", "logloss", "error", "mse", "rmse", "mae", "mape", "nll", "perplexity", "ece", "brier",
    "deviance", "entropy", "collision", "collisions", "regret",
}  # fmt: skip
_LARGER_IS_BETTER = {
    "score", "auc", "gauc", "accuracy", "precision", "recall", "ndcg", "mrr", "map", "hit", "hits",
    "hr", "coverage", "diversity", "novelty",
}  # fmt: skip


def direction_of(key: str) -> Direction | None:
    """Return the direction of a recorded metric by its name.

    Args:
        key: The recorded name, such as "val/auc", "val/task_0_log_loss" or "train/loss".

    Returns:
        The direction of the metric; else that of a word of the name, such as "loss"; else None, if
        it is unknown or the metric has none (`is_undirected`).

    Example:
        >>> direction_of("val/auc"), direction_of("train/task_1_loss"), direction_of("train/time")
        ('max', 'min', None)
    """
    name = _without_prefix(key)
    entry = entry_of(name)
    if entry is not None:
        return entry.direction
    words = set(re.split(r"[^a-z]+", key.lower()))
    if words & _SMALLER_IS_BETTER:
        return "min"
    return "max" if words & _LARGER_IS_BETTER else None


def is_undirected(key: str) -> bool:
    """Whether neither larger nor smaller values of a recorded metric are better.

    Example:
        >>> is_undirected("val/calibration"), is_undirected("val/auc")
        (True, False)
    """
    entry = entry_of(_without_prefix(key))
    return entry is not None and entry.direction is None


def names_of_metrics() -> str:
    """Return the names of `metric_named` as text."""
    return ", ".join([*OF_ROWS, *AT_THRESHOLD, *(f"{name}@k" for name in AT_K)])


def _without_prefix(key: str) -> str:
    return re.sub(r"^task_\d+_", "", key.rsplit("/", 1)[-1])


def parsed(name: str) -> tuple[str, int | None, float | None]:
    """Parse a name to (base, k, threshold); missing parts are None."""
    if match := re.fullmatch(r"(\w+)@([1-9][0-9]*)", name, re.ASCII):
        return match[1], int(match[2]), None
    if match := re.fullmatch(rf"([a-z0-9]+)_({_FLOAT})", name):
        return match[1], None, float(match[2])
    return _ALIASES.get(name, name), None, None


def entry_of(name: str) -> Entry | None:
    """Return the entry of a name such as 'auc', 'ndcg@10' or 'precision_0.3', or None."""
    base, k, threshold = parsed(name)
    if k is not None:
        return AT_K.get(base)
    if threshold is not None:
        return AT_THRESHOLD.get(base)
    return OF_ROWS.get(base) or AT_THRESHOLD.get(base)
