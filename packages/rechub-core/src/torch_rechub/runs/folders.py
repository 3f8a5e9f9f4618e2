"""Walks folders, with each folder and regular file visited once, whichever path leads to it."""

import logging
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

log = logging.getLogger("torch_rechub.runs")

AnyPath = str | os.PathLike[str]
_Identity = tuple[int, int]

_KINDS = {
    stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device", stat.S_IFDIR: "a folder",
}  # fmt: skip


class Walk:
    """Iterates over the folders below some paths, each with the names of its files.

    Hidden folders are skipped, unless they are given explicitly. Links come after other entries; a
    link to a folder above itself is not followed.

    Args:
        paths: Folders or files.
    """

    def __init__(self, paths: Iterable[AnyPath]) -> None:
        self._paths = [os.path.expanduser(os.fspath(path)) for path in paths]
        self._folders: set[_Identity] = set()
        self._files: set[_Identity] = set()

    def __iter__(self) -> Iterator[tuple[Path, list[str]]]:
        """Iterate over folders and names, in the order of the given paths.

        Raises:
            FileNotFoundError: A path does not exist, or is neither a file nor a folder.
        """
        for path in self._paths:
            if os.path.isdir(path):
                yield from self._below(path)
            elif os.path.isfile(path):
                yield Path(path).parent, [os.path.basename(path)]
            else:
                there = f"{path!r} is {_kind(path)}" if os.path.lexists(path) else repr(path)
                raise FileNotFoundError(f"no file or folder {there}; give the folder of your runs")

    def new_file(self, path: Path) -> os.stat_result | None:
        """Return the status of a regular file that was not visited yet; reports other kinds."""
        try:
            found = os.stat(path)
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error.strerror)
            return None
        if not stat.S_ISREG(found.st_mode):
            log.warning("%s is %s and no file, and is left out", path, _kind(path))
            return None
        identity = (found.st_dev, found.st_ino)
        new = identity not in self._files
        self._files.add(identity)
        return found if new else None

    def _below(self, top: str) -> Iterator[tuple[Path, list[str]]]:
        waiting, links = deque([top]), deque[str]()
        linked_files: list[tuple[Path, list[str]]] = []
        while waiting or links:
            folder = waiting.popleft() if waiting else links.popleft()
            try:
                if not self._is_new_folder(folder):
                    continue
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                log.warning("%s cannot be read: %s", folder, error.strerror)
                continue
            names: list[str] = []
            linked: list[str] = []
            below: list[str] = []
            for entry in entries:
                if not _is_folder(entry):
                    (linked if entry.is_symlink() else names).append(entry.name)
                elif entry.name.startswith(".") or entry.name == "__pycache__":
                    continue
                elif not entry.is_symlink():
                    below.append(entry.path)
                elif not _leads_above(entry.path):
                    links.append(entry.path)
            waiting.extendleft(reversed(below))
            linked_files.append((Path(folder), linked))
            yield Path(folder), names
        yield from linked_files

    def _is_new_folder(self, folder: str) -> bool:
        found = os.stat(folder)
        identity = (found.st_dev, found.st_ino)
        new = identity not in self._folders
        self._folders.add(identity)
        return new


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself raises
        return False


def _leads_above(link: str) -> bool:
    here = os.path.realpath(os.path.dirname(link))
    return Path(here).is_relative_to(os.path.realpath(link))


def _kind(path: AnyPath) -> str:
    try:
        return _KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "something else")
    except OSError:
        return "a link to nothing"
