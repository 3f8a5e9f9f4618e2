"""Runs that are read again while they grow: each file only when it has changed."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from ..runs.folders import AnyPath, Walk
from ..runs.reading import in_order, without_collector
from ..runs.record import Run
from ..runs.units import Unit, Units
from .entry import Entry

log = logging.getLogger("torch_rechub.runs")

_FIRST_PAUSE = 0.3  # seconds until the first runs are shown; then twice as long, and so on
_IDLE_AFTER = 60.0  # seconds without a request, after which no folder is read
_SHARE = 0.1  # of one core, which looking for changes may take


@dataclass(frozen=True)
class Snapshot:
    """The runs at one moment.

    Attributes:
        version: Grows with each change.
        entries: The runs, oldest first.
        reading: Whether the first reading goes on.
        done: The number of units that were read.
        units: The number of units that were found.
        problem: Why the folders could not be read; None if they could.
    """

    version: int = 0
    entries: tuple[Entry, ...] = ()
    reading: bool = True
    done: int = 0
    units: int = 0
    problem: str | None = None

    def entry(self, key: str) -> Entry | None:
        """Return a run by its key."""
        return next((entry for entry in self.entries if entry.key == key), None)


@dataclass
class _Read:
    signature: Any
    runs: list[Run]
    follower: Any = None


class LiveRuns:
    """Runs below some paths, and what became of them since.

    Args:
        paths: Folders or files.
        backends: The backends to read; None means all.
        every: Seconds between two looks at the folders, at least.

    Raises:
        FileNotFoundError: A path does not exist.
        ValueError: No reader is installed for one of `backends`.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.tracking import JSONLLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     live = LiveRuns([folder])
        ...     live.refresh()
        ...     before = live.snapshot.version, len(live.snapshot.entries)
        ...     JSONLLogger(dir=folder).finish()
        ...     live.refresh()
        ...     after = live.snapshot.version, len(live.snapshot.entries)
        >>> before, after
        ((0, 0), (1, 1))
    """

    def __init__(
        self,
        paths: Iterable[AnyPath],
        backends: Sequence[str] | None = None,
        every: float = 1.0,
    ) -> None:
        self._paths, self._backends, self._every = list(paths), backends, every
        self._by_id = Units(self._paths, backends).by_id
        for path in self._paths:
            next(iter(Walk([path])), None)  # a path that does not exist raises here
        self._read: dict[tuple[Path, ...], _Read] = {}
        self.snapshot = Snapshot()
        self._refreshing, self._stopped, self._wanted = Lock(), Event(), Event()
        self._asked = time.monotonic()

    def start(self, prepare: Callable[[], object] = lambda: None) -> None:
        """Read in a thread from now on, for as long as somebody asks.

        Args:
            prepare: Called in the thread after each reading.
        """
        Thread(target=self._watch, args=(prepare,), name="rechub-ui-runs", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._wanted.set()

    def asked(self) -> Snapshot:
        """Return the snapshot, and go on reading: somebody looks at the runs."""
        self._asked = time.monotonic()
        self._wanted.set()
        return self.snapshot

    def refresh(self) -> None:
        """Read the files that have changed."""
        with self._refreshing, without_collector():
            units = list(Units(self._paths, self._backends))
            found = {unit.files: unit for unit in units}
            gone = [files for files in self._read if files not in found]
            for files in gone:
                del self._read[files]
            changed = bool(gone)
            changed = self._read_changed(units) or changed
            self._publish(changed, len(units), len(units))

    def _read_changed(self, units: Sequence[Unit]) -> bool:
        changed, pause, published = False, _FIRST_PAUSE, time.monotonic()
        for done, unit in enumerate(units):
            before = self._read.get(unit.files)
            if before is not None and before.signature == _signature(unit):
                continue
            self._read[unit.files] = _read_unit(unit, before)
            changed = True
            if self._stopped.is_set():
                break
            if self.snapshot.reading and time.monotonic() - published > pause:
                self._publish(True, done + 1, len(units), reading=True)
                pause, published = 2 * pause, time.monotonic()
        return changed

    def _publish(self, changed: bool, done: int, units: int, reading: bool = False) -> None:
        before = self.snapshot
        entries = self._entries(before) if changed else before.entries
        news = entries != before.entries or before.problem is not None
        version = before.version + 1 if news else before.version
        self.snapshot = Snapshot(version, entries, reading, done, units)

    def _entries(self, before: Snapshot) -> tuple[Entry, ...]:
        runs = in_order((run for read in self._read.values() for run in read.runs), self._by_id)
        same = {id(entry.run): entry for entry in before.entries}
        earlier = {entry.key: entry for entry in before.entries}
        seen: dict[tuple[str, str], int] = {}
        entries = []
        for run in runs:
            number = seen[run.backend, run.path] = seen.get((run.backend, run.path), -1) + 1
            entry = same.get(id(run))
            if entry is None:
                key = _key(run, number)
                entry = earlier.get(key)
                if entry is None or entry.run != run:
                    entry = Entry(key, before.version + 1, run)
            entries.append(entry)
        return tuple(entries)

    def _watch(self, prepare: Callable[[], object]) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self.refresh()
                prepare()
            except Exception as error:  # the folder may be there again at the next look
                self._report(error)
            took = time.monotonic() - began
            self._stopped.wait(max(self._every, took / _SHARE - took))
            if time.monotonic() - self._asked > _IDLE_AFTER:
                self._wanted.clear()
                self._wanted.wait()

    def _report(self, error: Exception) -> None:
        before = self.snapshot
        if before.problem != str(error):
            log.warning("the runs cannot be read: %s", error)
            self.snapshot = replace(before, version=before.version + 1, problem=str(error))


def _read_unit(unit: Unit, before: _Read | None) -> _Read:
    follower = before.follower if before is not None else None
    if follower is None and len(unit.files) == 1 and hasattr(unit.reader, "follow"):
        follower = unit.reader.follow(unit.files[0])
    runs = unit.read() if follower is None else unit.checked(follower.read)
    return _Read(_signature(unit), runs, follower)


def _signature(unit: Unit) -> Any:
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in unit.stats]


def _key(run: Run, number: int) -> str:
    text = f"{run.backend}\0{run.path}\0{number}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
