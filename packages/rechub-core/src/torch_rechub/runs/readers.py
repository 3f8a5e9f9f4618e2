"""The readers of the installed trackers, found by their entry points."""

import logging
import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from importlib import metadata
from pathlib import Path
from typing import Protocol

from .record import Run

log = logging.getLogger("torch_rechub.runs")

GROUP = "torch_rechub.run_readers"


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
    # run; see `torch_rechub.runs.details`. `follow(file)`, which returns an object whose `read()`
    # returns the runs of a file that grows, and reads each line once. `plain_metrics = True`
    # where metrics are lists of pairs of an int and a float already. And `one_run_of_an_id = True`
    # where a file is named by the id of its run, lies in a folder of its own, and a continued run
    # has several.

    def read(self, files: Sequence[Path]) -> Iterable[Run]:
        """Iterate over the runs in `files`, which match the patterns.

        A truncated file yields the records it has; a file of another kind yields no run. Files
        that raise are reported by name and skipped.
        """
        ...


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
    found = installed_readers([backend])
    if backend not in found:
        raise ValueError(f"the reader of {backend} runs cannot be used")
    return found[backend][1]


def installed_readers(
    backends: Iterable[str] | None,
) -> dict[str, tuple[re.Pattern[str], RunReader]]:
    """Map the names of backends to the patterns of their files and their readers.

    Raises:
        ValueError: No reader is installed for one of `backends`.
    """
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


def _entry_points() -> list[metadata.EntryPoint]:
    return sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name)
