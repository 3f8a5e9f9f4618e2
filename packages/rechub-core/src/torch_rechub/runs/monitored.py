"""Which metric decides, and which way."""

import re
from collections import Counter
from collections.abc import Sequence

from .record import Mode, Run

_SMALLER_IS_BETTER = {
    "loss", "logloss", "error", "mse", "rmse", "mae", "mape", "nll", "perplexity", "ece", "brier",
}  # fmt: skip


def default_metric(runs: Sequence[Run]) -> str:
    """The metric that the runs' ``monitor`` names; else of validation, a score, what most have.

    Raises:
        ValueError: No run has a metric.
    """
    counts = Counter(name for run in runs for name in run.metrics if name != "learning_rate")
    if not counts:
        raise ValueError(f"none of {len(runs)} runs has a metric to compare")
    named = (run.hyperparams.get("monitor") for run in runs)
    for name, _ in Counter(name for name in named if isinstance(name, str)).most_common():
        if name in counts:
            return name
    return min(
        counts,
        key=lambda n: (not n.startswith("val"), direction(n) == "min", -counts[n], n),
    )


def direction(metric: str) -> Mode:
    """Whether the largest or the smallest value of a metric is best, by its name.

    Example:
        >>> direction("val/auc"), direction("val/task_0_loss"), direction("test/rmse")
        ('max', 'min', 'min')
    """
    words = set(re.split(r"[^a-z]+", metric.lower()))
    return "min" if words & _SMALLER_IS_BETTER else "max"
