"""Units: the files that a reader reads at once, usually one, found below some paths."""

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..basic.tracking.plugin import failure_text
from .checks import checked
from .folders import AnyPath, Walk
from .readers import RunReader, installed_readers
from .record import Run

log = logging.getLogger("torch_rechub.runs")

# file names of trackers whose package may be missing, for the message about it
_KNOWN_FILES = {
    "rechub-wandb": re.compile(r"run-.*\.wandb"),
    "rechub-swanlab": re.compile(r"run-.*\.swanlab"),
    "rechub-tensorboardx": re.compile(r"events\.out\.tfevents\..*"),
    "rechub-mlflow": re.compile(r"mlflow\.db"),
}


@dataclass(frozen=True)
class Unit:
    """Files that a reader reads at once.

    Attributes:
        backend: The tracker.
        reader: Its reader.
        files: The files.
        stats: Their sizes, times and inodes when they were found.
    """

    backend: str
    reader: RunReader
    files: tuple[Path, ...]
    stats: tuple[os.stat_result, ...]

    def read(self) -> list[Run]:
        """Return the runs; after an error, which is reported, those read before it."""
        return self.checked(lambda: self.reader.read(self.files))

    def checked(self, read: Callable[[], Iterable[Run]]) -> list[Run]:
        """Return the runs that a function reads, validated; an error is reported and ends them."""
        found: list[Run] = []
        plain = getattr(self.reader, "plain_metrics", False)
        try:
            for run in read():
                found.append(checked(run, plain))
        except (Exception, SystemExit) as error:  # an SDK may even call sys.exit
            where = self.files[0].parent if self.reader.whole_folders else self.files[0]
            text = failure_text(error)
            log.warning("%s cannot be read as a %s run: %s", where, self.backend, text)
        return found


class Units:
    """Iterates over the units below some paths, each once.

    Args:
        paths: Folders or files.
        backends: The backends; None means all, and files of missing packages are then reported.

    Attributes:
        by_id: The backends whose files are named by the id of a run.

    Raises:
        ValueError: No reader is installed for one of `backends`.
    """

    def __init__(self, paths: Iterable[AnyPath], backends: Iterable[str] | None = None) -> None:
        self._paths, self._all = list(paths), backends is None
        self._readers = installed_readers(backends)
        self.by_id = [
            name
            for name, (_, reader) in self._readers.items()
            if getattr(reader, "one_run_of_an_id", False)
        ]

    def __iter__(self) -> Iterator[Unit]:
        """Walk the folders.

        Raises:
            FileNotFoundError: A path does not exist.
        """
        unread: Counter[str] = Counter()
        walk = Walk(self._paths)
        any_pattern = [pattern for pattern, _ in self._readers.values()]
        for folder, names in walk:
            mine = [name for name in names if any(p.fullmatch(name) for p in any_pattern)]
            new = {n: found for n in mine if (found := walk.new_file(folder / n)) is not None}
            yield from self._units(folder, new)
            if self._all:
                left = set(names).difference(mine)
                unread.update(p for p, f in _KNOWN_FILES.items() for n in left if f.fullmatch(n))
        for package, count in unread.items():
            log.warning("%d run files need a package to be read: pip install %s", count, package)

    def _units(self, folder: Path, new: dict[str, os.stat_result]) -> Iterator[Unit]:
        for backend, (pattern, reader) in self._readers.items():
            names = [name for name in new if pattern.fullmatch(name)]
            groups = [names] if reader.whole_folders and names else [[name] for name in names]
            for group in groups:
                files, stats = (folder / name for name in group), (new[name] for name in group)
                yield Unit(backend, reader, tuple(files), tuple(stats))
