"""Watches: evaluate the conditions of rules on the records of a run.

A watch reports a condition once when it is met, and again only after it has ceased to hold.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any, Generic, TypeVar

from ..basic.tracking.plugin import ending, exit_code, failure_text
from .alert import Alert
from .best import Best
from .rules import (
    THROUGHPUT,
    DeadRows,
    Fallen,
    NotFinite,
    Rule,
    RunEnded,
    Slow,
    Stalled,
    TrackerLost,
)

AnyRule = TypeVar("AnyRule", bound=Rule)
Numbers = Mapping[str, float]
Found = Iterator[Alert]


class Watch(Generic[AnyRule]):
    """Evaluates one rule on the records of one run; its methods yield alerts.

    Args:
        rule: The rule.

    Attributes:
        missing: The records that the rule needs and has not received, for a message at the end.
    """

    missing: str | None = None

    def __init__(self, rule: AnyRule) -> None:
        self.rule = rule

    def on_hyperparams(self, params: Mapping[str, Any]) -> None:
        """Called with the hyper-parameters of the run."""

    def on_metrics(self, values: Numbers, step: int | None) -> Found:
        """Called with the metrics of a step."""
        yield from ()

    def on_lost(self, logger: str, error: str) -> Found:
        """Called when another logger was switched off."""
        yield from ()

    def on_end(self, failure: BaseException | None, summary: Mapping[str, Any]) -> Found:
        """Called when the run ends.

        Args:
            failure: The exception that ended training, or None.
            summary: The values of the message.
        """
        yield from ()


class NotFiniteWatch(Watch[NotFinite]):
    """Reports the metrics that have become NaN or infinite, all of one step in one alert."""

    def __init__(self, rule: NotFinite) -> None:
        super().__init__(rule)
        self._now: set[str] = set()

    def on_metrics(self, values: Numbers, step: int | None) -> Found:
        """Report metrics that were finite before, or are new."""
        names = self.rule.metrics
        given = {n: v for n, v in values.items() if names is None or n in names}
        found = {name for name, value in given.items() if not math.isfinite(value)}
        new = [name for name in given if name in found - self._now]
        self._now = (self._now - given.keys()) | found
        if new:
            yield Alert("not_finite", {"metrics": new, "step": step}, subject=new[0])

    def on_end(self, failure: BaseException | None, summary: Mapping[str, Any]) -> Found:
        """Report a loss that ended training, as `on_nan="raise"` lets it."""
        if isinstance(failure, FloatingPointError):
            yield Alert("not_finite", {"error": failure_text(failure)}, "error")


class OfMetric(Watch[AnyRule]):
    """A watch of one metric, by default the monitored one."""

    def __init__(self, rule: AnyRule, metric: str | None, mode: Any, delta: float = 0.0):
        super().__init__(rule)
        self._given = metric is not None
        self.best = Best(metric, mode, delta)
        self._reported = False
        self.missing = metric or "monitor, in the hyper-parameters"

    def on_hyperparams(self, params: Mapping[str, Any]) -> None:
        """Watch the monitored metric, unless the rule names one."""
        before = self.best.metric
        if not self._given:
            self.best.follow(params)
        if self.best.metric != before:
            self.missing = self.best.metric

    def on_metrics(self, values: Numbers, step: int | None) -> Found:
        """Evaluate the rule, if there is a value of the metric."""
        metric = self.best.metric
        if metric is None or metric not in values:
            return
        self.missing = None
        value = values[metric]
        self.best.add(value, step)
        holds = self.holds(value)
        if holds and not self._reported:
            yield Alert(
                self.rule.rule, {**self.best.data(), **self.data(), "value": value, "step": step},
                subject=metric,
            )  # fmt: skip
        self._reported = holds

    def holds(self, value: float) -> bool:
        """Whether the condition holds after a value was added to `best`."""
        raise NotImplementedError

    def data(self) -> dict[str, Any]:
        """Additional values of the message."""
        return {}


class StalledWatch(OfMetric[Stalled]):
    """Counts the epochs since the last improvement."""

    def __init__(self, rule: Stalled) -> None:
        super().__init__(rule, rule.metric, rule.mode, rule.min_delta)

    def holds(self, value: float) -> bool:
        """Whether there was no improvement for n epochs."""
        return self.best.since >= self.rule.epochs

    def data(self) -> dict[str, Any]:
        """The number of epochs."""
        return {"epochs": self.best.since}


class FallenWatch(OfMetric[Fallen]):
    """Compares a metric with its best value."""

    def __init__(self, rule: Fallen) -> None:
        super().__init__(rule, rule.metric, rule.mode)

    def holds(self, value: float) -> bool:
        """Whether the value is worse than the best by more than x."""
        return self.best.worse_by(value) > self.rule.by


class DeadRowsWatch(Watch[DeadRows]):
    """Reports each table once."""

    missing: str | None = "embedding/<table>/unchanged, of Recording(embeddings=True)"

    def __init__(self, rule: DeadRows) -> None:
        super().__init__(rule)
        self._epochs: dict[str, int] = {}
        self._reported: set[str] = set()

    def on_metrics(self, values: Numbers, step: int | None) -> Found:
        """Report tables with too many unchanged rows."""
        for name, share in values.items():
            if not (name.startswith("embedding/") and name.endswith("/unchanged")):
                continue
            table = name.removeprefix("embedding/").removesuffix("/unchanged")
            if self.rule.tables is not None and table not in self.rule.tables:
                continue
            self.missing = None
            self._epochs[table] = self._epochs.get(table, 0) + 1
            holds = share >= self.rule.share and self._epochs[table] >= self.rule.epochs
            if holds and table not in self._reported:
                data = {"table": table, "share": share, "step": step}
                yield Alert("dead_rows", data, subject=table)
            (self._reported.add if holds else self._reported.discard)(table)


class SlowWatch(Watch[Slow]):
    """Compares the throughput with the median of earlier epochs."""

    missing: str | None = f"{THROUGHPUT}, of Recording(system=True)"

    def __init__(self, rule: Slow) -> None:
        super().__init__(rule)
        self._earlier: deque[float] = deque(maxlen=rule.window)
        self._reported = False

    def on_metrics(self, values: Numbers, step: int | None) -> Found:
        """Report a throughput below a share of the median."""
        value = values.get(THROUGHPUT)
        if value is None:
            return
        self.missing = None
        if not math.isfinite(value):
            return
        holds, middle = False, math.nan
        if len(self._earlier) >= self.rule.epochs:
            middle = median(self._earlier)
            holds = value < self.rule.share * middle
        if holds and not self._reported:
            data = {"value": value, "median": middle, "share": self.rule.share, "step": step}
            yield Alert("slow", data, subject=THROUGHPUT)
        self._reported = holds
        self._earlier.append(value)


class TrackerLostWatch(Watch[TrackerLost]):
    """Reports each logger that was switched off."""

    def on_lost(self, logger: str, error: str) -> Found:
        """Report it."""
        yield Alert("tracker_lost", {"logger": logger, "error": error}, subject=logger)


class RunEndedWatch(Watch[RunEnded]):
    """Reports how the run has ended."""

    def on_end(self, failure: BaseException | None, summary: Mapping[str, Any]) -> Found:
        """Report it, with the error and the best value of the monitored metric."""
        status = ending(failure)
        if status in self.rule.statuses:
            yield Alert("run_ended", {**summary, **_error(failure)}, status)


def _error(failure: BaseException | None) -> dict[str, str]:
    if failure is None:
        return {}
    if isinstance(failure, KeyboardInterrupt):
        return {"error": "Ctrl-C"}
    by_signal = isinstance(failure, SystemExit) and exit_code(failure) == 143
    return {"error": "SIGTERM" if by_signal else failure_text(failure)}


_WATCHES: dict[type[Rule], type[Watch[Any]]] = {
    NotFinite: NotFiniteWatch,
    Stalled: StalledWatch,
    Fallen: FallenWatch,
    DeadRows: DeadRowsWatch,
    Slow: SlowWatch,
    TrackerLost: TrackerLostWatch,
    RunEnded: RunEndedWatch,
}


def watch(rule: Rule) -> Watch[Any]:
    """Create the watch of a rule.

    Example:
        >>> from torch_rechub.alerts import NotFinite
        >>> watched = watch(NotFinite())
        >>> [alert.data for alert in watched.on_metrics({"val/auc": math.nan}, 3)]
        [{'metrics': ['val/auc'], 'step': 3}]
    """
    return _WATCHES[type(rule)](rule)
