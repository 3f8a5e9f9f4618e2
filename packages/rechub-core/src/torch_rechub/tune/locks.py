"""Locks of a search that several processes share, all released by the system when one dies."""

import contextlib
import errno
import logging
import os
import secrets
import threading
import time
from pathlib import Path

from ..basic.tracking.claim import CAN_LOCK, Claim

if CAN_LOCK:
    import fcntl

log = logging.getLogger("torch_rechub")

_LONGEST_PAUSE = 0.02  # seconds
_LONG_WAIT = 10.0


class JournalLock:
    """The lock of a journal; a thread that holds it may acquire it again.

    A process that was killed while writing may have left half a line at the end of the journal.
    Whoever acquires the lock removes it; otherwise the next line would be appended to it.

    Args:
        journal: The journal's file.

    Raises:
        OSError: There are no file locks here.
    """

    def __init__(self, journal: Path) -> None:
        self._journal, self._file = journal, _lock_file(journal)
        self._thread, self._depth = threading.RLock(), 0
        self._claim: Claim | None = None
        self._file.touch()
        _require_locks(self._file)

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._thread.acquire()
        if self._depth == 0:
            try:
                self._claim = _claimed(self._file)
                _remove_half_a_line(self._journal)
            except BaseException:
                self._thread.release()
                raise
        self._depth += 1
        return True

    def release(self) -> None:
        """Release the lock once."""
        self._depth -= 1
        if self._depth == 0 and self._claim is not None:
            self._claim.release()
        self._thread.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


def lock_is_held(journal: Path) -> bool:
    """Whether a process holds the lock of a journal."""
    return _is_locked(_lock_file(journal))


class Worker:
    """A process that runs trials, known to others by a file that it keeps locked.

    Args:
        journal: The journal's file.

    Attributes:
        name: A random name, recorded with each trial.
    """

    def __init__(self, journal: Path) -> None:
        self._folder = workers_folder(journal)
        self.name = secrets.token_hex(8)
        self._file = self._folder / self.name
        self._folder.mkdir(exist_ok=True)
        self._file.touch(exist_ok=False)
        self._claim = _claimed(self._file)

    def end(self) -> None:
        """Remove the file: trials that are still running count as interrupted."""
        with contextlib.suppress(OSError):
            self._file.unlink()
        self._claim.release()


def workers_folder(journal: Path) -> Path:
    """The folder of the files of workers."""
    return journal.with_name(f"{journal.name}.workers")


def is_at_work(journal: Path, worker: str) -> bool:
    """Whether the process of a worker is alive, and has not ended its search."""
    if not worker or os.path.basename(worker) != worker:
        return False
    return _is_locked(workers_folder(journal) / worker)


def remove_dead_workers(journal: Path) -> None:
    """Remove the files of killed workers, and the folder if nobody is at work.

    Call it while holding the journal's lock.
    """
    folder = workers_folder(journal)
    for file in folder.iterdir() if folder.is_dir() else ():
        if not _is_locked(file):
            with contextlib.suppress(OSError):
                file.unlink()
    with contextlib.suppress(OSError):  # others are at work
        folder.rmdir()


def _lock_file(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.lock")


def _claimed(file: Path) -> Claim:
    pause, begun, warned = 0.001, time.monotonic(), False
    while not (claim := Claim(str(file))).held:
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        if not warned and time.monotonic() - begun > _LONG_WAIT:
            warned = True
            log.warning("Another process has held %s for %d s; waiting for it.", file, _LONG_WAIT)
    return claim


def _is_locked(file: Path) -> bool:
    if not CAN_LOCK:
        return False
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # shared, so that two processes that look at once do not take each other for the worker
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a disk without locks
        return False
    finally:
        os.close(descriptor)
    return False


def _require_locks(file: Path) -> None:
    claim = _claimed(file)
    works = CAN_LOCK and _is_locked(file)
    claim.release()
    if not works:
        raise OSError(
            errno.ENOLCK,
            "file locks do not work here (Windows, and some network disks, lack them), so "
            "processes cannot share a search: give a storage on another disk, or none",
            str(file),
        )


def _remove_half_a_line(journal: Path) -> None:
    try:
        with open(journal, "r+b") as file:
            size = end = file.seek(0, os.SEEK_END)
            tail = b""
            while end > 0 and b"\n" not in tail:
                start = max(0, end - 4096)
                file.seek(start)
                tail, end = file.read(end - start) + tail, start
            whole = end + tail.rfind(b"\n") + 1
            if whole < size:
                file.truncate(whole)
    except FileNotFoundError:
        return
