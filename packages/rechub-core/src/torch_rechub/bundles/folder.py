"""The folder of a bundle: written whole or not at all, and checked before a file is parsed."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._files import written_folder
from .._paths import local_path
from ..types import FilePath
from .document import FILE, MOST_BYTES, BundleDocument
from .errors import BundleError

# a file, or one in a folder of the bundle; no dot at the beginning, so neither ".." nor hidden
_NAME = re.compile(r"(?:[A-Za-z][\w-]*/)?[A-Za-z0-9_][\w-]*(?:\.[\w-]+)*", re.ASCII)
_SOUND_COPY = "copy the bundle again, or save it again"


@contextmanager
def written_bundle(folder: FilePath) -> Iterator[Path]:
    """Write a bundle: the yielded folder replaces `folder` when the block ends without an error.

    Args:
        folder: The folder; an earlier bundle there is replaced.

    Raises:
        FileExistsError: The folder holds other files than those of a bundle.
        OSError: Writing failed, as on a full disk; an earlier bundle is unchanged.
    """
    target = local_path("folder", folder)
    _refuse_other_files(target)
    with written_folder(target) as new:
        yield new
        _sync(new)


def files_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the size and the checksum of the files of a bundle that is being written."""
    names = sorted(_names(folder))
    return {
        name: {"sha256": file_digest(folder / name), "bytes": (folder / name).stat().st_size}
        for name in names
        if name != FILE
    }


def read_document(folder: FilePath) -> tuple[Path, BundleDocument]:
    """Return the path and the document of a bundle, after a check of all its files.

    Raises:
        FileNotFoundError: There is no bundle.
        BundleError: It is damaged, foreign, edited, or of another version.
    """
    path = local_path("path", folder)
    file = path / FILE
    if not file.exists() and not file.is_symlink():
        raise FileNotFoundError(f"there is no bundle in {path}: it has no {FILE}")
    document = BundleDocument.from_json(_small(file), file)
    _check_files(path, document.files)
    return path, document


def _small(file: Path) -> bytes:
    """The content of the document, which must be a plain file of some megabytes at most."""
    found = file.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{file} is no plain file: {_SOUND_COPY}")
    if found.st_size > MOST_BYTES:
        raise BundleError(f"{file} has {found.st_size} bytes, at most {MOST_BYTES} are expected")
    return file.read_bytes()


def _check_files(folder: Path, files: Mapping[str, Any]) -> None:
    """Refuse links, odd names, missing and additional files, and other content than was written."""
    for name, entry in files.items():
        if not _NAME.fullmatch(name) or name == FILE:
            raise BundleError(f"{folder} lists {name!r}, which is no name of a file of a bundle")
        if not isinstance(entry, Mapping) or entry.keys() != {"sha256", "bytes"}:
            raise BundleError(f"{folder / FILE} is damaged: it has no checksum of {name!r}")
    there = set(_names(folder)) - {FILE}
    for name in sorted(files.keys() ^ there):
        problem = "is missing" if name in files else "is not listed in it"
        raise BundleError(f"{folder} is damaged or was changed: {name} {problem}; {_SOUND_COPY}")
    for name, entry in files.items():
        size = (folder / name).stat().st_size
        if name.endswith(".json") and size > MOST_BYTES:
            raise BundleError(
                f"{folder / name} has {size} bytes, at most {MOST_BYTES} are expected of JSON"
            )
        if size != entry["bytes"] or file_digest(folder / name) != entry["sha256"]:
            raise BundleError(
                f"{folder / name} is damaged or was changed: it is not the file that was written; "
                f"{_SOUND_COPY}"
            )


def _names(folder: Path) -> Iterator[str]:
    """Iterate over the relative names of the files, in the folder and in its folders."""
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.is_dir(follow_symlinks=False):
            for inner in sorted(os.scandir(entry.path), key=lambda e: e.name):
                _refuse_links(inner)
                yield f"{entry.name}/{inner.name}"
        else:
            _refuse_links(entry)
            yield entry.name


def _refuse_links(entry: os.DirEntry[str]) -> None:
    if not entry.is_file(follow_symlinks=False):
        kind = "a link" if entry.is_symlink() else "no plain file"
        raise BundleError(f"{entry.path} is {kind}: a bundle holds files only, {_SOUND_COPY}")


def _refuse_other_files(folder: Path) -> None:
    """Refuse a folder with files that are not of a bundle: saving would remove them."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FileExistsError(f"{folder} is a file or a link: give a new folder")
    if not folder.exists() or not any(folder.iterdir()):
        return
    listed: Mapping[str, Any] = {}
    if (folder / FILE).is_file():
        try:
            listed = BundleDocument.from_json(_small(folder / FILE), folder / FILE).files
        except BundleError as error:
            raise FileExistsError(f"{folder} holds no sound bundle to replace: {error}") from error
    others = sorted(set(_names(folder)) - {FILE, *listed})
    if others or not listed:
        raise FileExistsError(
            f"{folder} holds {others[0] if others else 'other files'!r}, which is not of a bundle: "
            "give a new folder"
        )


def _sync(folder: Path) -> None:
    for name in _names(folder):
        # opened for writing, as Windows needs to sync
        with open(folder / name, "rb+") as file:
            os.fsync(file.fileno())


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
