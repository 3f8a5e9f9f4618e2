"""`Run`: a recorded run, in the same form for all trackers."""

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
        name: The run's name; its id or folder if the tracker stores no name.
        backend: The tracker: ``jsonl``, ``wandb``, ``swanlab``, ``tensorboardx``, ``mlflow``, ….
        path: The file or folder it was read from.
        project: The project; None if the tracker stores none.
        status: ``finished``; ``failed`` by an error; ``interrupted`` by Ctrl-C; ``unfinished`` if
            no end is recorded: the run is active, was killed, or its tracker does not store the
            end.
        error: The error of a failed run, in one line.
        started: The start time, with a time zone.
        ended: The end time; None if it is not recorded.
        hyperparams: Name to plain value; may be nested.
        metrics: Name to pairs (step, value), in the order of recording.
        group: The group of runs that it belongs to, such as the trials of a search.
        tags: Its tags.
        parts: The files or folders of its continuations, where they have their own.

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
    group: str | None = None
    tags: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def failed(self) -> bool | None:
        """Whether the run ended by an error or Ctrl-C; None if no end is recorded."""
        return None if self.status == "unfinished" else self.status != "finished"

    @property
    def run_id(self) -> str | None:
        """The id of the training run; None if it was recorded without one."""
        return _text(self.hyperparams.get("run_id"))

    @property
    def parent(self) -> str | None:
        """The id of the run that it belongs to, or continues with newer data, if any."""
        return _text(self.hyperparams.get("parent_run_id"))

    @property
    def epochs(self) -> int:
        """The number of distinct steps with records, those of tests and of `_step` left out."""
        of_epochs = (pairs for name, pairs in self.metrics.items() if not _is_apart(name))
        return len({step for pairs in of_epochs for step, _ in pairs})

    def last(self, metric: str) -> tuple[int, float] | None:
        """Step and value of a metric at its largest step; None if there are none."""
        # a later value of a step replaces an earlier one
        return max(reversed(self.metrics.get(metric, [])), key=lambda pair: pair[0], default=None)

    def best(self, metric: str, mode: Mode) -> tuple[int, float] | None:
        """Step and value of the best value of a metric, the first of ties; None if all are NaN."""
        sign = 1 if mode == "max" else -1
        numbers = [pair for pair in self.metrics.get(metric, []) if not math.isnan(pair[1])]
        return max(numbers, key=lambda pair: (sign * pair[1], -pair[0]), default=None)

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with a row per step and a column per metric."""
        import pandas as pd

        columns = {in_utf8(name): pd.Series(dict(pairs)) for name, pairs in self.metrics.items()}
        frame: pd.DataFrame = pd.DataFrame(columns).sort_index().rename_axis("step")
        return frame


def _is_apart(metric: str) -> bool:
    # a test has the step after the last epoch; `Recording(every_n_steps=…)` counts optimizer steps
    return metric.startswith("test/") or (metric.startswith("train/") and metric.endswith("_step"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten nested hyper-parameters to pairs of ``outer/inner`` and value.

    Example:
        >>> dict(flat({"lr": 0.1, "mlp": {"dims": [64], "act": {}}}))
        {'lr': 0.1, 'mlp/dims': [64], 'mlp/act': {}}
    """
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
