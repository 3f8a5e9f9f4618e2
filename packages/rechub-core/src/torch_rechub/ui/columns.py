"""The columns, metrics and labels of the runs of a snapshot, to choose from."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from ..runs.monitored import default_metric, direction
from ..runs.record import Mode, Run
from ..runs.seeds import is_seed
from ..runs.trials import trial_of
from .entry import Entry

_MOST_VALUES = 200  # distinct values that are counted for a label
_MOST_DEFAULT = 4  # hyper-parameters among the columns that are shown at first
_DULL = (
    "run_id", "parent_run_id", "parent_digest", "data", "code", "environment", "versions", "trial",
)  # fmt: skip


class Columns:
    """The names that occur in some runs.

    Example:
        >>> from torch_rechub.runs import Run
        >>> runs = [Run("a", "jsonl", "", hyperparams={"lr": lr}) for lr in (0.1, 0.2)]
        >>> Columns([Entry(str(i), 1, run) for i, run in enumerate(runs)]).shown()
        ['name', 'status', 'param:lr', 'started']
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    @cached_property
    def metrics(self) -> list[str]:
        """The metrics, the most common first."""
        counts = Counter(name for entry in self._entries for name in entry.run.metrics)
        return [name for name, _ in counts.most_common()]

    @cached_property
    def modes(self) -> dict[str, Mode]:
        """The direction of each metric."""
        monitored: dict[Any, list[Run]] = {}
        for entry in self._entries:
            monitor = entry.run.hyperparams.get("monitor")
            if isinstance(monitor, str):
                monitored.setdefault(monitor, []).append(entry.run)
        return {name: _mode(name, monitored.get(name, [])) for name in self.metrics}

    @cached_property
    def metric(self) -> str | None:
        """The metric to rank by; None if there is none."""
        try:
            return default_metric([entry.run for entry in self._entries])
        except ValueError:
            return None

    @cached_property
    def params(self) -> dict[str, int]:
        """The hyper-parameters by their flat names, with the number of distinct values."""
        return _distinct(self._entries)

    @cached_property
    def searches(self) -> bool:
        """Whether some runs are trials of a search."""
        return any(trial_of(entry.run) for entry in self._entries)

    @cached_property
    def labels(self) -> dict[str, list[tuple[str, int]]]:
        """The values of status, backend, group, tags and project with their counts."""
        entries = self._entries
        found = {
            "status": Counter(entry.status for entry in entries),
            "backend": Counter(entry.run.backend for entry in entries),
            "group": Counter(entry.run.group for entry in entries if entry.run.group),
            "tags": Counter(tag for entry in entries for tag in entry.run.tags),
            "project": Counter(entry.run.project for entry in entries if entry.run.project),
        }
        return {name: counts.most_common(_MOST_VALUES) for name, counts in found.items()}

    def shown(self) -> list[str]:
        """Return the columns that are shown at first."""
        best = [] if self.metric is None else [f"best:{self.metric}"]
        last = [] if self.metric is None else [f"last:{self.metric}"]
        differing = [
            name
            for name, values in self.params.items()
            if values > 1 and not is_seed(name) and name.split("/")[0] not in _DULL
        ]
        params = [f"param:{name}" for name in differing[:_MOST_DEFAULT]]
        labels = [name for name in ("group", "tags") if self.labels[name]]
        several = ["backend"] if len(self.labels["backend"]) > 1 else []
        return ["name", *several, "status", *best, *last, *params, *labels, "started"]


def _mode(metric: str, monitored: Sequence[Run]) -> Mode:
    try:
        return direction(metric, monitored)
    except ValueError:  # it has none, or runs disagree
        return "max"


def _distinct(entries: Sequence[Entry]) -> dict[str, int]:
    """The number of distinct values of each hyper-parameter, an absent value counted as one."""
    values: dict[str, set[Any]] = {}
    present: Counter[str] = Counter()
    for entry in entries:
        for name, value in entry.params.items():
            plain = json.dumps(value) if type(value) in (list, dict) else value
            if name in values:
                values[name].add(plain)
            else:
                values[name] = {plain}
        present.update(entry.params.keys())
    return {n: len(found) + (present[n] < len(entries)) for n, found in values.items()}
