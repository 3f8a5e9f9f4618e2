"""Monitoring: the recorded metric that selects the best epoch, and its direction."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ..metrics.computing import check_needs
from ..metrics.monitor import Direction, Metric, Needs, as_metrics, metric_of_function
from .settings import Settings

log = logging.getLogger("torch_rechub")


def chosen_metrics(
    owner: str,
    settings: Settings,
    measured: Collection[Needs],
    default: Sequence[str],
    own: Mapping[str, Metric],
) -> tuple[Metric, ...]:
    """Return the metrics of a trainer's validation.

    Args:
        owner: The trainer's class, for messages.
        settings: The settings with the names of metrics and the column of groups.
        measured: The available inputs of the task's metrics.
        default: The default metrics.
        own: Task-specific metrics by name.

    Raises:
        ValueError: The task cannot compute a metric.
    """
    named: Any = default if settings.metrics is None else settings.metrics
    if not isinstance(named, str | Metric) and isinstance(named, Iterable):
        named = [own.get(one, one) if isinstance(one, str) else one for one in named]
    elif isinstance(named, str):
        named = own.get(named, named)
    metrics = as_metrics(named)
    check_needs(metrics, available_needs(owner, settings, measured), owner)
    return metrics


def available_needs(owner: str, settings: Settings, measured: Collection[Needs]) -> set[Needs]:
    """Return the available inputs of metrics: `measured`, and groups if `group_column` is set.

    Raises:
        ValueError: `group_column` is set, but the metrics of this trainer are not computed on rows.
    """
    available = {need for need in measured if need != "groups" or settings.group_column}
    if settings.group_column is None:
        return available
    if "groups" not in measured:
        raise ValueError(
            f"group_column={settings.group_column!r} has no effect in {owner}, whose rows have "
            "no groups: leave it out"
        )
    return available | {"hits"}


def direction_to_monitor(
    monitor: str, metrics: Mapping[str, Metric], loss_names: Sequence[str]
) -> Direction:
    """Return "max" or "min", the direction of the monitored metric.

    Args:
        monitor: The recorded name, such as "val/auc".
        metrics: The metrics of validation by name, without ``val/``.
        loss_names: The recorded losses, such as "train/loss".

    Raises:
        ValueError: The metric is not recorded, or has no direction.
    """
    names = [*(f"val/{name}" for name in metrics), *loss_names]
    if monitor not in names:
        raise ValueError(
            f"monitor must be one of the recorded metrics, {', '.join(map(repr, names))}, got "
            f"{monitor!r}: add it to metrics, or monitor another"
        )
    if monitor in loss_names:
        return "min"
    direction = metrics[monitor.removeprefix("val/")].direction
    if direction is None:
        raise ValueError(
            f"{monitor!r} can be recorded, not monitored: neither larger nor smaller values of it "
            "are better. Monitor another metric"
        )
    return direction


class EvaluateFn:
    """The attribute `evaluate_fn` of torch-rechub 0.9: the function of the first prediction metric.

    It is a descriptor, because scripts assign to the attribute: assigning a function or a `Metric`
    replaces the metric, which is then recorded under the name of the new one, with its direction.
    The direction of an unknown function is derived from its name, or else "max", with a warning.
    """

    def __get__(self, trainer: Any, owner: type) -> Callable[..., float]:
        function: Callable[..., float] = trainer.metrics[_of_predictions(trainer.metrics)].function
        return function

    def __set__(self, trainer: Any, given: "Callable[..., float] | Metric") -> None:
        metric, known = (given, True) if isinstance(given, Metric) else metric_of_function(given)
        if not known:
            log.warning(
                "evaluate_fn: %s values of %r are taken as better. If that is wrong, or to silence "
                "this, set evaluate_fn = Metric(%r, function, 'max' or 'min'), with Metric from "
                "torch_rechub.metrics.",
                "larger" if metric.direction == "max" else "smaller",
                metric.name,
                metric.name,
            )
        metrics, place = list(trainer.metrics), _of_predictions(trainer.metrics)
        metrics[place] = metric
        trainer.metrics = tuple(metrics)


def _of_predictions(metrics: Sequence[Metric]) -> int:
    """The index of the first metric of predictions; 0 if there is none."""
    places = [i for i, metric in enumerate(metrics) if metric.needs == "predictions"]
    return places[0] if places else 0
