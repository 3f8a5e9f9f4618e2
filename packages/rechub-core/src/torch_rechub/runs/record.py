"""`Run`: what is known of one recorded run, in the same form for every tracker."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from ..basic.tracking.plugin import in_utf8

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["finished", "failed", "interrupted", "unfinished"]
Mode = Literal["max", "min"]


@dataclass(frozen=True)
class Run:
    """One recorded run.

    Attributes:
        name: The run's name; an id or the folder's name where the tracker keeps none.
        backend: What recorded it: ``jsonl``, ``wandb``, ``swanlab``, ``tensorboardx``, ….
        path: The file or folder it was read from.
        project: What it belongs to; None where the tracker keeps none.
        status: ``finished``; ``failed`` by an error; ``interrupted`` by Ctrl-C; ``unfinished`` when
            no end is recorded: it is running, was killed, or its tracker does not say.
        error: What it failed of, in one line.
        started: When it began, with a time zone.
        ended: When its end was recorded; None without one.
        hyperparams: Name to plain value; may be nested.
        metrics: Name to the pairs (step, value), in the order they were recorded.

    Example:
        >>> run = Run("a", "jsonl", "a.run.jsonl", metrics={"val/auc": [(0, 0.5), (1, 0.7)]})
        >>> run.best("val/auc", "max"), run.last("val/auc"), run.epochs, run.failed
        ((1, 0.7), (1, 0.7), 2, None)
    """

    name: str
    backend: str
    path: str
    project: str | None = None
    status: Status = "unfinished"
    error: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    hyperparams: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, list[tuple[int, float]]] = field(default_factory=dict)

    @property
    def failed(self) -> bool | None:
        """Whether it ended by an error or Ctrl-C; None when no end is recorded."""
        return None if self.status == "unfinished" else self.status != "finished"

    @property
    def epochs(self) -> int:
        """The number of different steps at which something was recorded."""
        return len({step for pairs in self.metrics.values() for step, _ in pairs})

    def last(self, metric: str) -> tuple[int, float] | None:
        """Step and value of a metric at its largest step; None without any."""
        # of two at one step the later record counts
        return max(reversed(self.metrics.get(metric, [])), key=lambda pair: pair[0], default=None)

    def best(self, metric: str, mode: Mode) -> tuple[int, float] | None:
        """Step and value where a metric is best, first of equals, NaN left out; None without."""
        sign = 1 if mode == "max" else -1
        numbers = [pair for pair in self.metrics.get(metric, []) if not math.isnan(pair[1])]
        return max(numbers, key=lambda pair: (sign * pair[1], -pair[0]), default=None)

    def to_frame(self) -> "pd.DataFrame":
        """One row a step, one column a metric, as a pandas frame; later values of a step win."""
        import pandas as pd

        columns = {in_utf8(name): pd.Series(dict(pairs)) for name, pairs in self.metrics.items()}
        frame: pd.DataFrame = pd.DataFrame(columns).sort_index().rename_axis("step")
        return frame


def flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested hyper-parameters as pairs of ``outer/inner`` and value.

    Example:
        >>> dict(flat({"lr": 0.1, "mlp": {"dims": [64], "act": {}}}))
        {'lr': 0.1, 'mlp/dims': [64], 'mlp/act': {}}
    """
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
