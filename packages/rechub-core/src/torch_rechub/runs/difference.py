"""Difference of two runs: data, split, vocabulary, code, environment, settings, seed, metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .changes import KINDS, Change
from .data_difference import data_changes
from .identity import entries, section, settings_of
from .monitored import direction
from .record import Run, flat
from .seeds import is_seed
from .values import EMPTY, signature

_VERSIONS = "versions"
_SHORT = 10


@dataclass(frozen=True)
class MetricPair:
    """A metric of two runs: the best value of each, or the last where no direction is better.

    Attributes:
        name: The metric.
        before: The value of the first run; None if it has none.
        after: That of the second.
    """

    name: str
    before: float | None
    after: float | None

    @property
    def change(self) -> float | None:
        """The second less the first; None if a run has no value."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Difference:
    """The result of `difference`.

    Attributes:
        a: The first run.
        b: The second run.
        changes: The differences, in the order of `changes.KINDS`.
        unknown: The parts that cannot be compared, as they are not recorded or were not read.
        metrics: The metrics of both.
    """

    a: Run
    b: Run
    changes: tuple[Change, ...]
    unknown: tuple[str, ...]
    metrics: tuple[MetricPair, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the differences."""
        return tuple(kind for kind in KINDS if any(c.kind == kind for c in self.changes))

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as plain data."""
        pairs = [
            {"name": m.name, "before": m.before, "after": m.after, "change": m.change}
            for m in self.metrics
        ]
        return {
            "before": {"name": self.a.name, "run_id": self.a.run_id, "path": self.a.path},
            "after": {"name": self.b.name, "run_id": self.b.run_id, "path": self.b.path},
            "changes": [change.to_dict() for change in self.changes],
            "unknown": list(self.unknown),
            "metrics": pairs,
        }


def difference(a: Run, b: Run) -> Difference:
    """Return what differs between two runs, and what is unknown.

    A part that a run has not recorded is unknown, never equal.

    Args:
        a: The first run.
        b: The second run.

    Example:
        >>> one = Run("one", "jsonl", "1", hyperparams={"lr": 0.1, "seed": 1})
        >>> two = Run("two", "jsonl", "2", hyperparams={"lr": 0.2, "seed": 1})
        >>> found = difference(one, two)
        >>> [(c.kind, c.name, c.before, c.after) for c in found.changes]
        [('settings', 'lr', 0.1, 0.2)]
        >>> found.unknown[0]
        'data: not recorded in either run'
    """
    changes, unknown = data_changes(a, b)
    for part in (_of_code, _of_environment, _of_settings):
        more, not_known = part(a, b)
        changes += more
        unknown += not_known
    changes.sort(key=lambda change: KINDS.index(change.kind))
    return Difference(a, b, tuple(changes), tuple(unknown), tuple(_metrics(a, b)))


def _of_code(a: Run, b: Run) -> tuple[list[Change], list[str]]:
    first, second = (section(run.hyperparams, "code") for run in (a, b))
    known = [code for code in (first, second) if isinstance(code.get("commit"), str)]
    if len(known) < 2:
        reasons = [str(code["unknown"]) for code in (first, second) if code.get("unknown")]
        return [], [_not_recorded("code", bool(first), bool(second), reasons)]
    pairs = [("commit", _SHORT), ("dirty", None), ("changes", _SHORT)]
    found: list[Change] = []
    for name, length in pairs:
        before, after = (_shortened(code.get(name), length) for code in (first, second))
        if _signature(first, name) != _signature(second, name) and not (
            name == "changes" and found  # those of two commits cannot be compared
        ):
            found.append(Change("code", name, "", before, after))
    return found, []


def _of_environment(a: Run, b: Run) -> tuple[list[Change], list[str]]:
    """Versions that both recorded; packages that one imported and the other did not."""
    first, second = (_versions(run) for run in (a, b))
    listed = [bool(section(run.hyperparams, "environment")) for run in (a, b)]
    both = first.keys() & second.keys()
    names = sorted({**first, **second} if all(listed) else both)
    found = [
        Change("environment", name, "" if name in both else "imported in one run only",
               first.get(name), second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    ]  # fmt: skip
    what = "environment" if not both else "environment, but for " + ", ".join(sorted(both))
    return found, [] if all(listed) else [_not_recorded(what, listed[0], listed[1])]


def _versions(run: Run) -> dict[str, str]:
    """Versions by package, of those that every run records and of the whole environment."""
    known = dict(flat(run.hyperparams))
    found = {
        name.partition("/")[2]: str(value)
        for name, value in known.items()
        if name.startswith(f"{_VERSIONS}/")
    }
    environment = section(run.hyperparams, "environment")
    for name, value in environment.items():
        if name == "packages":
            found |= entries(value)
        elif isinstance(value, str | int | float):
            found[name] = str(value)
    return found


def _of_settings(a: Run, b: Run) -> tuple[list[Change], list[str]]:
    first, second = (_settings(run) for run in (a, b))
    found = [
        Change("seed" if is_seed(name) else "settings", name, "", first.get(name), second.get(name))
        for name in {**first, **second}
        if _signature(first, name) != _signature(second, name)
    ]
    unknown = [] if first and second else [_not_recorded("settings", bool(first), bool(second))]
    return found, unknown


def _settings(run: Run) -> dict[str, Any]:
    return {n: v for n, v in settings_of(run).items() if not n.startswith(f"{_VERSIONS}/")}


def _signature(settings: Mapping[str, Any], name: str) -> str:
    return signature(settings[name]) if name in settings else EMPTY


def _not_recorded(what: str, first: bool, second: bool, reasons: "list[str] | None" = None) -> str:
    if reasons:
        return f"{what}: {reasons[0]}"
    which = "either run" if first == second else f"the {'second' if first else 'first'} run"
    return f"{what}: not recorded in {which}"


def _shortened(value: Any, length: int | None) -> Any:
    return value[:length] if isinstance(value, str) else value


def _metrics(a: Run, b: Run) -> list[MetricPair]:
    names = dict.fromkeys([*a.metrics, *b.metrics])
    return [MetricPair(n, *(_value(run, n, (a, b)) for run in (a, b))) for n in names]


def _value(run: Run, metric: str, runs: tuple[Run, Run]) -> float | None:
    """The best value of a metric, or the last where no direction is better."""
    try:
        pair = run.best(metric, direction(metric, runs))
    except ValueError:
        pair = run.last(metric)
    return None if pair is None else pair[1]
