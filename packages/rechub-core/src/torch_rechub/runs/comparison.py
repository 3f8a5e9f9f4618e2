"""`Comparison`: the result of comparing runs, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..basic.tracking.plugin import in_utf8
from .record import Mode, Run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Statistic:
    """Mean and standard deviation of a value over the runs of a row.

    Attributes:
        mean: The mean.
        sd: The sample standard deviation; None for a single run.
    """

    mean: float
    sd: float | None


@dataclass(frozen=True)
class Row:
    """One run, or runs that differ only in the seed.

    Attributes:
        rank: 1 is best.
        name: The run's name; for several runs, the common prefix of their names and a star.
        backend: The tracker that recorded them.
        project: Their project.
        status: Their status.
        hyperparams: The hyper-parameters that differ between rows, by their flat names.
        seeds: The seeds, in order.
        n: The number of runs.
        best: Each run's best value.
        last: Each run's last value.
        best_step: The step of the best value; None for several runs.
        runs: The runs themselves.
    """

    rank: int
    name: str
    backend: str
    project: str | None
    status: str
    hyperparams: Mapping[str, Any]
    seeds: tuple[Any, ...]
    n: int
    best: Statistic
    last: Statistic
    best_step: int | None
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    Attributes:
        metric: The metric compared.
        mode: Whether the largest (``max``) or smallest (``min``) value is best.
        rows: From best to worst.
        differing: Names of the hyper-parameters that differ, seeds apart.
        common: The hyper-parameters that all runs share.
        without_metric: Runs without values of the metric other than NaN; they are not in `rows`.
        repeated: The number of records that are left out, as another one of the same run is there:
            copies, and in a test the records of other trackers.
    """

    metric: str
    mode: Mode
    rows: tuple[Row, ...]
    differing: tuple[str, ...]
    common: Mapping[str, Any]
    without_metric: tuple[Run, ...]
    repeated: int = 0

    @property
    def runs(self) -> list[Run]:
        """All runs, ranked or not, in the order of their start."""
        found = [run for row in self.rows for run in row.runs] + list(self.without_metric)
        return sorted(found, key=lambda run: (run.started is None, run.started, run.path))

    def to_records(self) -> list[dict[str, Any]]:
        """Return one flat dict per row, with the values of hyper-parameters unchanged."""
        return [
            {
                "rank": row.rank,
                "name": row.name,
                "backend": row.backend,
                "project": row.project,
                "status": row.status,
                **{f"hyperparams/{name}": row.hyperparams.get(name) for name in self.differing},
                "seeds": list(row.seeds),
                "n": row.n,
                "best": row.best.mean,
                "best_sd": row.best.sd,
                "best_step": row.best_step,
                "last": row.last.mean,
                "last_sd": row.last.sd,
            }
            for row in self.rows
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return {
            "metric": self.metric,
            "mode": self.mode,
            "differing": list(self.differing),
            "common": dict(self.common),
            "rows": self.to_records(),
            "without_metric": [run.path for run in self.without_metric],
        }

    def to_frame(self) -> "pd.DataFrame":
        """Return the rows as a pandas DataFrame."""
        import pandas as pd

        frame: pd.DataFrame = pd.DataFrame(in_utf8(self.to_records()))
        return frame
