"""Finds and reads runs below paths, with the readers of installed trackers."""

import logging
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from fnmatch import translate
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..basic.tracking.plugin import failure_text, in_utf8
from .checks import checked
from .continued import united
from .folders import AnyPath, Walk
from .record import Run, flat

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("torch_rechub.runs")

GROUP = "torch_rechub.run_readers"

# file names of trackers whose package may be missing, for the message about it
_KNOWN_FILES = {
    "rechub-wandb": re.compile(r"run-.*\.wandb"),
    "rechub-swanlab": re.compile(r"run-.*\.swanlab"),
    "rechub-tensorboardx": re.compile(r"events\.out\.tfevents\..*"),
}


class RunReader(Protocol):
    """A reader of runs, registered in the entry-point group ``torch_rechub.run_readers``.

    The entry point's name is the backend's name; its value is a class that needs no arguments.
    Importing it should be cheap; import the SDK when a file is read.
    """

    patterns: Sequence[str]
    """Names of the files that hold runs, as in ``("run-*.wandb",)``."""

    whole_folders: bool
    """Whether `read` gets all matching files of a folder at once, rather than one at a time."""

    # Optional: a method `details(run) -> Details`, which reads texts, tables, files and more of a
    # run; see `torch_rechub.runs.details`. And `one_run_of_an_id = True`, where a file is named by
    # the id of its run, lies in a folder of its own, and a continued run has several.

    def read(self, files: Sequence[Path]) -> Iterable[Run]:
        """Iterate over the runs in `files`, which match the patterns.

        A truncated file yields the records it has; a file of another kind yields no run. Files
        that raise are reported by name and skipped.
        """
        ...


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
    readers = _readers(backends)
    runs: list[Run] = []
    unread: Counter[str] = Counter()
    walk = Walk(given)
    for folder, names in walk:
        patterns = [pattern for pattern, _ in readers.values()]
        mine = [name for name in names if any(p.fullmatch(name) for p in patterns)]
        new = [name for name in mine if walk.is_new_file(folder / name)]
        for backend, (pattern, reader) in readers.items():
            files = [folder / name for name in new if pattern.fullmatch(name)]
            units = [files] if reader.whole_folders and files else [[file] for file in files]
            for unit in units:
                runs.extend(_read(backend, reader, unit))
        if backends is None:
            left = set(names).difference(mine)
            unread.update(p for p, f in _KNOWN_FILES.items() for n in left if f.fullmatch(n))
    for package, count in unread.items():
        log.warning("%d run files need a package to be read: pip install %s", count, package)
    runs.sort(key=lambda run: (_seconds(run.started), run.path))
    by_id = [name for name, (_, r) in readers.items() if getattr(r, "one_run_of_an_id", False)]
    return Runs(united(runs, by_id))


def no_runs(paths: AnyPath | Iterable[AnyPath]) -> ValueError:
    """Return the error for paths without runs."""
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    return ValueError(
        f"no runs below {', '.join(map(str, given)) or 'no path'}; "
        f"backends that can be read here: {', '.join(available_readers())}"
    )


def available_readers() -> dict[str, str]:
    """Map the name of each readable backend to the distribution of its reader.

    Example:
        >>> available_readers()["jsonl"]
        'rechub-core'
    """
    return {point.name: point.dist.name if point.dist else "unknown" for point in _entry_points()}


def reader_of(backend: str) -> RunReader:
    """Return the reader of a backend.

    Raises:
        ValueError: None is installed.
    """
    found = _readers([backend])
    if backend not in found:
        raise ValueError(f"the reader of {backend} runs cannot be used")
    return found[backend][1]


def _entry_points() -> list[metadata.EntryPoint]:
    return sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name)


def _readers(backends: Iterable[str] | None) -> dict[str, tuple[re.Pattern[str], RunReader]]:
    points = _entry_points()
    installed = [point.name for point in points]
    wanted = set(installed if backends is None else backends)
    if unknown := wanted - set(installed):
        raise ValueError(
            f"no reader is installed for {', '.join(sorted(unknown))}; "
            f"backends that can be read here: {', '.join(installed)}"
        )
    readers: dict[str, tuple[re.Pattern[str], RunReader]] = {}
    for point in points:
        if point.name not in wanted:
            continue
        try:
            reader: RunReader = point.load()()
            pattern = re.compile("|".join(translate(pattern) for pattern in reader.patterns))
            readers[point.name] = (pattern, reader)
        except Exception as error:
            log.warning("The reader of %s runs cannot be used: %r", point.name, error)
    return readers


def _read(backend: str, reader: RunReader, files: list[Path]) -> list[Run]:
    """The runs of some files; after an error, those read before it."""
    runs: list[Run] = []
    try:
        for run in reader.read(files):
            runs.append(checked(run))
    except (Exception, SystemExit) as error:  # an SDK may even call sys.exit
        where = files[0].parent if reader.whole_folders else files[0]
        log.warning("%s cannot be read as a %s run: %s", where, backend, failure_text(error))
    return runs


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
