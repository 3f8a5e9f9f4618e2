"""Reads runs below paths."""

import gc
import math
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..basic.tracking.plugin import in_utf8
from .continued import united
from .folders import AnyPath
from .readers import available_readers
from .record import Run, flat
from .units import Units

if TYPE_CHECKING:
    import pandas as pd


class Runs(tuple[Run, ...]):
    """A tuple of runs, oldest first."""

    __slots__ = ()

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with one row per run.

        Columns: the fields of `Run`, ``epochs``, ``hyperparams/<name>`` and, with the last value,
        ``last/<metric>``. Strings that are not valid UTF-8, such as file names, are escaped.
        """
        import pandas as pd

        frame: pd.DataFrame = pd.DataFrame(in_utf8([_row(run) for run in self]))
        return frame


def read_runs(paths: AnyPath | Iterable[AnyPath], backends: Iterable[str] | None = None) -> Runs:
    """Read the runs of all backends below `paths`.

    Hidden folders are skipped, unless they are given explicitly; links are followed, and each run
    is read once. Files that cannot be read are reported through `logging` and skipped.

    Args:
        paths: Folders or files, one or several.
        backends: The backends to read, such as ``["jsonl"]``; None means all.

    Raises:
        FileNotFoundError: A path does not exist.
        ValueError: No reader is installed for one of `backends`.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.tracking import JSONLLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     JSONLLogger(name="empty", dir=folder).finish()
        ...     [run.name for run in read_runs(folder)]
        ['empty']
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    units = Units(given, backends)
    with without_collector():
        return Runs(in_order((run for unit in units for run in unit.read()), units.by_id))


def in_order(runs: Iterable[Run], by_id: Collection[str]) -> list[Run]:
    """Return runs oldest first, those united that a tracker keeps in several folders.

    Args:
        runs: The runs.
        by_id: The backends whose files are named by the id of a run.
    """
    return united(sorted(runs, key=lambda run: (_seconds(run.started), run.path)), by_id)


@contextmanager
def without_collector() -> Iterator[None]:
    """Switch off the search for reference cycles while many objects are made that stay.

    It is started by the number of new objects, finds nothing, and takes a fourth of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def no_runs(paths: AnyPath | Iterable[AnyPath]) -> ValueError:
    """Return the error for paths without runs."""
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    return ValueError(
        f"no runs below {', '.join(map(str, given)) or 'no path'}; "
        f"backends that can be read here: {', '.join(available_readers())}"
    )


def _seconds(time: datetime | None) -> float:
    return math.inf if time is None else time.timestamp()


def _row(run: Run) -> dict[str, Any]:
    row: dict[str, Any] = {
        name: getattr(run, name)
        for name in ("name", "backend", "project", "status", "started", "ended", "epochs", "path")
    }
    row |= {f"hyperparams/{name}": value for name, value in flat(run.hyperparams)}
    for metric in run.metrics:
        last = run.last(metric)
        row[f"last/{metric}"] = None if last is None else last[1]
    return row
