"""`Entry`: a run with its values for the columns of a table."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..runs.record import Mode, Run, flat
from ..runs.trials import status_of

FIELDS = (
    "name", "status", "group", "tags", "project", "backend", "started", "seconds", "epochs",
    "error", "run", "parent", "path",
)  # fmt: skip
"""The columns that all runs have; others are ``param:…``, ``best:…`` and ``last:…``."""


class Entry:
    """A run of the page.

    Args:
        key: Identifies the run in addresses.
        revision: The version in which it changed last.
        run: The run.

    Example:
        >>> run = Run("a", "jsonl", "", hyperparams={"lr": 0.1}, metrics={"val/auc": [(0, 0.5)]})
        >>> entry = Entry("0", 1, run)
        >>> [entry.value(name, {}) for name in ("name", "param:lr", "last:val/auc", "best:x")]
        ['a', 0.1, 0.5, None]
    """

    def __init__(self, key: str, revision: int, run: Run) -> None:
        self.key, self.revision, self.run = key, revision, run
        self._best: dict[tuple[str, Mode], tuple[int, float] | None] = {}

    @cached_property
    def params(self) -> dict[str, Any]:
        """The hyper-parameters by their flat names."""
        return dict(flat(self.run.hyperparams))

    @cached_property
    def status(self) -> str:
        """The status; ``pruned`` for a trial that a search gave up."""
        return status_of(self.run)

    def best(self, metric: str, mode: Mode) -> tuple[int, float] | None:
        """Step and value of the best value of a metric."""
        if (metric, mode) not in self._best:
            self._best[metric, mode] = self.run.best(metric, mode)
        return self._best[metric, mode]

    def value(self, column: str, modes: Mapping[str, Mode]) -> Any:
        """The value of a column; None if the run has none.

        Args:
            column: One of `FIELDS`, ``param:<name>``, ``best:<metric>`` or ``last:<metric>``.
            modes: The direction of each metric; ``max`` where it is absent.
        """
        kind, _, name = column.partition(":")
        if not name:
            return self._field(kind)
        if kind == "param":
            return self.params.get(name)
        best = self.best(name, modes.get(name, "max")) if kind == "best" else self.run.last(name)
        return best[1] if best else None

    def _field(self, name: str) -> Any:
        run = self.run
        if name == "started":
            return run.started.timestamp() if run.started else None
        if name == "seconds":
            if run.started is None or run.ended is None:
                return None
            return (run.ended - run.started).total_seconds()
        if name == "run":
            return run.run_id
        if name == "tags":
            return list(run.tags)
        if name == "status":
            return self.status
        return getattr(run, name) if name in FIELDS else None
