"""The metric to rank runs by, and its direction."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ..metrics.monitor import direction_of, is_undirected
from .record import Mode, Run

MODES: tuple[Mode, ...] = ("max", "min")
_REMEDY = "give the mode, max or min (on the command line: --mode)"


def default_metric(runs: Sequence[Run]) -> str:
    """Return the monitored metric of the runs; else the most common validation score.

    Raises:
        ValueError: No run has a metric.
    """
    counts = Counter(name for run in runs for name in run.metrics if name != "learning_rate")
    if not counts:
        raise ValueError(
            f"none of {len(runs)} runs has a metric to compare; `rechub runs` shows how they ended"
        )
    named = (run.hyperparams.get("monitor") for run in runs)
    for name, _ in Counter(name for name in named if isinstance(name, str)).most_common():
        if name in counts:
            return name
    return min(
        counts,
        key=lambda n: (
            not n.startswith("val"),
            is_undirected(n),
            direction_of(n) == "min",
            -counts[n],
            n,
        ),
    )


def direction(metric: str, runs: Iterable[Run] = ()) -> Mode:
    """Return "max" or "min", the direction in which a metric improves.

    It is the `monitor_direction` of the runs that monitored the metric; else that of the metric's
    name, see `direction_of`; else "max".

    Raises:
        ValueError: The metric has no direction, or runs monitored it in different directions.

    Example:
        >>> direction("val/auc"), direction("val/task_0_loss"), direction("test/rmse")
        ('max', 'min', 'min')
    """
    recorded = [
        run.hyperparams.get("monitor_direction")
        for run in runs
        if run.hyperparams.get("monitor") == metric
    ]
    known: list[Mode] = [mode for mode in MODES if mode in recorded]
    if len(known) > 1:
        raise ValueError(
            f"runs monitored {metric!r} for its largest value, others for its smallest: {_REMEDY}"
        )
    if not known and is_undirected(metric):
        raise ValueError(
            f"of {metric!r} neither the largest nor the smallest value is best: {_REMEDY}"
        )
    return known[0] if known else direction_of(metric) or "max"
