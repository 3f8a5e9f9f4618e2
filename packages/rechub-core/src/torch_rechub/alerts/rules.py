"""The rules of alerts: plain data, whose conditions `watches` evaluates."""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, ClassVar, Literal

from .._bounds import check_choice, check_number, check_whole, refuse_none
from .._errors import UnknownChoiceError
from ..metrics.monitor import direction_of

Ending = Literal["finished", "failed", "interrupted", "killed"]
ENDINGS: tuple[Ending, ...] = ("finished", "failed", "interrupted", "killed")
THROUGHPUT = "system/rows_per_second"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The base class of rules.

    Attributes:
        rule: The name of the rule in plain data and in messages.
    """

    rule: ClassVar[str] = ""

    def plain(self) -> dict[str, Any]:
        """Return the rule as plain data, which `as_rules` reads.

        Example:
            >>> Stalled(epochs=3).plain()
            {'rule': 'stalled', 'epochs': 3}
        """
        return {"rule": self.rule, **_plain(self)}


@dataclass(frozen=True, kw_only=True)
class NotFinite(Rule):
    """A metric is NaN or infinite, or training ended because a loss was.

    Attributes:
        metrics: The names of the metrics; None means all.
    """

    rule: ClassVar[str] = "not_finite"

    metrics: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.metrics is not None:
            _set_names(self, metrics=self.metrics)


@dataclass(frozen=True, kw_only=True)
class Stalled(Rule):
    """A metric has not improved for n epochs; NaN is no improvement.

    Attributes:
        epochs: The number of epochs n.
        metric: The recorded name, such as "val/auc"; None means the monitored metric.
        mode: "max" or "min", the better values; None means that of the metric.
        min_delta: The smallest improvement that counts.

    Raises:
        ValueError: A number is out of range, or the direction of the metric is unknown.

    Example:
        >>> Stalled(epochs=5, metric="val/auc").mode
        'max'
    """

    rule: ClassVar[str] = "stalled"

    epochs: int = 5
    metric: str | None = None
    mode: Literal["max", "min"] | None = None
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        refuse_none(epochs=self.epochs, min_delta=self.min_delta)
        check_whole(1, epochs=self.epochs)
        check_number("[0, inf)", min_delta=self.min_delta)
        _set_mode(self, self.metric, self.mode)


@dataclass(frozen=True, kw_only=True)
class Fallen(Rule):
    """A metric is worse than its best value by more than x.

    Attributes:
        by: The difference x, in the unit of the metric.
        metric, mode: As in `Stalled`.

    Raises:
        ValueError: As in `Stalled`.
    """

    rule: ClassVar[str] = "fallen"

    by: float
    metric: str | None = None
    mode: Literal["max", "min"] | None = None

    def __post_init__(self) -> None:
        refuse_none(by=self.by)
        check_number("(0, inf)", by=self.by)
        _set_mode(self, self.metric, self.mode)


@dataclass(frozen=True, kw_only=True)
class DeadRows(Rule):
    """Training has not changed a share of the rows of an embedding table.

    It reads ``embedding/<table>/unchanged``, which `Recording(embeddings=True)` records. Rows that
    do not occur in the data stay unchanged where tables are updated lazily.

    Attributes:
        share: The share of rows from which the rule applies.
        epochs: The number of epochs after which it is evaluated.
        tables: The names of the tables; None means all.

    Raises:
        ValueError: A number is out of range.
    """

    rule: ClassVar[str] = "dead_rows"

    share: float = 0.5
    epochs: int = 1
    tables: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        refuse_none(share=self.share, epochs=self.epochs)
        check_number("(0, 1]", share=self.share)
        check_whole(1, epochs=self.epochs)
        if self.tables is not None:
            _set_names(self, tables=self.tables)


@dataclass(frozen=True, kw_only=True)
class Slow(Rule):
    """The throughput is below a share of its running median.

    It reads ``system/rows_per_second``, which `Recording(system=True)` records.

    Attributes:
        share: The share of the median.
        window: The number of earlier epochs of the median.
        epochs: The number of earlier epochs from which on the rule is evaluated.

    Raises:
        ValueError: A number is out of range.
    """

    rule: ClassVar[str] = "slow"

    share: float = 0.5
    window: int = 20
    epochs: int = 3

    def __post_init__(self) -> None:
        refuse_none(share=self.share, window=self.window, epochs=self.epochs)
        check_number("(0, 1)", share=self.share)
        check_whole(1, window=self.window, epochs=self.epochs)
        if self.epochs > self.window:
            raise ValueError(f"epochs must be at most window ({self.window}), got {self.epochs}")


@dataclass(frozen=True, kw_only=True)
class TrackerLost(Rule):
    """Another logger of the run was switched off, after faults or because it hangs."""

    rule: ClassVar[str] = "tracker_lost"


@dataclass(frozen=True, kw_only=True)
class RunEnded(Rule):
    """The run has ended.

    Attributes:
        statuses: The endings to report: "finished"; "failed", by an exception; "interrupted", by
            Ctrl-C, SIGTERM or an exit; "killed", which needs `watchdog=True`.

    Raises:
        ValueError: A status is unknown.
    """

    rule: ClassVar[str] = "run_ended"

    statuses: tuple[Ending, ...] = ENDINGS

    def __post_init__(self) -> None:
        _set_names(self, statuses=self.statuses)
        for status in self.statuses:
            check_choice(ENDINGS, status=status)


RULES: dict[str, type[Rule]] = {
    kind.rule: kind for kind in (NotFinite, Stalled, Fallen, DeadRows, Slow, TrackerLost, RunEnded)
}


def default_rules() -> tuple[Rule, ...]:
    """Return the rules that need no setting: `NotFinite`, `TrackerLost` and `RunEnded`."""
    return (NotFinite(), TrackerLost(), RunEnded())


def as_rules(given: Any) -> tuple[Rule, ...]:
    """Convert rules, dicts of plain data, or a JSON text of such dicts.

    Raises:
        TypeError: An element is neither, or has an unknown or a missing setting.
        ValueError: A setting is out of range, or the text is no JSON.
        UnknownChoiceError: No rule has the name.

    Example:
        >>> as_rules('[{"rule": "fallen", "by": 0.01, "metric": "val/auc"}]')
        (Fallen(by=0.01, metric='val/auc', mode='max'),)
    """
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"rules must be a JSON list of rules: {error}") from None
    single = isinstance(given, Rule | Mapping)
    if not single and not isinstance(given, Iterable):
        raise TypeError(f"rules must be rules or dicts, got {given!r}")
    return tuple(_as_rule(one) for one in ([given] if single else given))


def _as_rule(given: Any) -> Rule:
    if isinstance(given, Rule) and given.rule:
        return given
    if not isinstance(given, Mapping):
        raise TypeError(f"a rule must be a rule or a dict such as {example()}, got {given!r}")
    settings = dict(given)
    name = settings.pop("rule", None)
    if not isinstance(name, str) or name not in RULES:
        raise UnknownChoiceError(f"rule must be one of {', '.join(RULES)}, got {name!r}")
    kind = RULES[name]
    known = [one.name for one in fields(kind)]
    for setting in settings:
        if setting not in known:
            near = difflib.get_close_matches(str(setting), known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            listed = ", ".join(known) or "none"
            raise TypeError(f"{name} has no setting {setting!r}; {hint}Settings: {listed}")
    required = [one.name for one in fields(kind) if one.default is MISSING]
    for setting in required:
        if setting not in settings:
            raise TypeError(f"{name} needs the setting {setting!r}")
    return kind(**settings)


def example() -> str:
    """Return a rule as plain data, for messages."""
    return '{"rule": "stalled", "epochs": 5}'


def _plain(rule: Rule) -> dict[str, Any]:
    """The settings that differ from the defaults; tuples as lists."""
    changed = {one.name: one.default for one in fields(rule)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(rule).items()
        if value != changed[name]
    }


def _set_names(rule: Rule, **given: Any) -> None:
    ((name, values),) = given.items()
    several = isinstance(values, list | tuple) and all(isinstance(v, str) for v in values)
    if not several or not values:
        raise TypeError(f"{name} must be a list of names, got {values!r}")
    object.__setattr__(rule, name, tuple(values))


def _set_mode(rule: Rule, metric: Any, mode: Any) -> None:
    check_choice(("max", "min"), mode=mode)
    if metric is None:
        return
    if not isinstance(metric, str) or not metric:
        raise TypeError(f"metric must be the name of a metric, or None, got {metric!r}")
    if mode is None and direction_of(metric) is None:
        raise ValueError(
            f"whether larger or smaller values of {metric} are better is unknown: give mode="
            '"max" or "min"'
        )
    object.__setattr__(rule, "mode", mode or direction_of(metric))
