"""Archives of data sets: downloaded on first use, cached, and verified on every read.

`load_archive` tries the sources of an archive in order: first the cache, then downloads.
"""

import http.client
import importlib.util
import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ..basic.tracking.redaction import redact

log = logging.getLogger("torch_rechub.data")

_PIP_SECONDS = 300
_SOCKET_SECONDS = 30
_LARGEST_MEMBER = 64 * 2**20

Data = TypeVar("Data")


class DatasetUnavailableError(ConnectionError):
    """No source of a data set is available; the message gives the reasons and the remedy."""


class DamagedError(Exception):
    """An archive does not have the expected checksum."""


@dataclass(frozen=True)
class Source(Generic[Data]):
    """A source of an archive: `fetch` writes it to a path, `read` verifies and reads it."""

    name: str
    file_name: str
    fetch: Callable[[Path], None]
    read: Callable[[Path], Data]


def cache_folder() -> Path:
    """`$TORCH_RECHUB_HOME`, else `$XDG_CACHE_HOME/torch_rechub`, else `~/.cache/torch_rechub`."""
    home = os.environ.get("TORCH_RECHUB_HOME")
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(caches) / "torch_rechub").expanduser()


def load_archive(title: str, sources: Sequence[Source[Data]], folder: Path, remedy: str) -> Data:
    """Read a data set from the first source with an undamaged archive.

    Raises:
        DatasetUnavailableError: All sources failed; the message lists the reasons and `remedy`.
    """
    failures = []
    for source in sources:
        path = folder / source.file_name
        if path.is_file():
            try:
                return source.read(path)
            except DamagedError as error:
                log.warning("%s: %s in the cache is damaged: %s", title, path, error)
                failures.append(f"{path}: {error}")
    for source in sources:
        log.info("%s: fetching from %s into %s", title, source.name, folder)
        try:
            return _fetch(source, folder)
        except (OSError, subprocess.TimeoutExpired, http.client.HTTPException) as error:
            failures.append(f"{source.name}: {error}")
        except DamagedError as error:
            failures.append(f"{source.name}: not what was expected, {error}")
    tried = "\n".join(f"  - {failure}" for failure in failures)
    raise DatasetUnavailableError(f"{title} could not be fetched. Tried:\n{tried}\n{remedy}.")


def _fetch(source: Source[Data], folder: Path) -> Data:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as scratch:
        path = Path(scratch) / source.file_name
        source.fetch(path)
        data = source.read(path)
        os.replace(path, folder / source.file_name)
    return data


def download_with_pip(requirement: str, folder: Path) -> None:
    """Download the wheel of a requirement into an empty folder, with the user's settings of pip.

    Nothing is installed or executed. Raises OSError with the reason given by pip.
    """
    # run in the empty download folder, so that no file of the user shadows a module of pip
    result = subprocess.run(
        [
            *_pip(),
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--no-input",
            requirement,
            "-d",
            ".",
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=_PIP_SECONDS,
    )
    if result.returncode:
        complaints = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = complaints[-1] if complaints else f"pip ended with status {result.returncode}"
        raise OSError(redact(reason))  # messages of pip may contain the password of an index


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    on_path = shutil.which("pip")
    if on_path is None:
        raise OSError(f"{sys.executable} has no pip, and there is none on PATH")
    return [on_path]


def download_url(url: str, path: Path) -> None:
    """Download a URL to `path`."""
    with (
        urllib.request.urlopen(url, timeout=_SOCKET_SECONDS) as response,
        open(path, "wb") as file,
    ):
        shutil.copyfileobj(response, file)


def read_members(archive: bytes, names: Iterable[str]) -> list[bytes]:
    """Read the files with these names from a zip archive."""
    tables = []
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            for name in names:
                with opened.open(name) as member:
                    tables.append(member.read(_LARGEST_MEMBER))
    except Exception as error:  # zipfile raises many types for damaged bytes
        raise DamagedError(f"{type(error).__name__}: {error}") from error
    return tables


def require_digest(name: str, digest: str, expected: str) -> None:
    """Raise DamagedError if a digest is not the expected one."""
    if digest != expected:
        raise DamagedError(f"the checksum of {name} is {digest}, expected {expected}")
