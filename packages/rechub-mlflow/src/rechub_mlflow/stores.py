"""Where runs are stored: a local database, a folder of files, or a server of MLflow."""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch_rechub.basic.tracking.claim import Claim
from torch_rechub.basic.tracking.foreign import error_text, undisturbed
from torch_rechub.basic.tracking.plugin import local_directory
from torch_rechub.basic.tracking.presence import Presence

from .process import load_tracking, quiet

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"

_SQLITE = re.compile(r"sqlite:///(?!:memory:)([^?]+)")
_LONGEST_WAIT = 60.0  # seconds in which another process creates the database

_lock = threading.Lock()
_known: dict[str, tuple[tuple[int, int], int]] = {}


@dataclass
class Store:
    """An open store of runs.

    Attributes:
        client: The ``mlflow.MlflowClient``.
        database: The file of a local database, else None.
    """

    client: Any
    database: Path | None = None
    _presence: Presence | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise FileNotFoundError if the database was removed."""
        if self._presence is not None:
            self._presence.check()

    def experiment(self, name: str) -> str:
        """Return the id of an experiment, which is created if it does not exist."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage != "active":
                raise ValueError(
                    f"MLflowLogger: the experiment {name!r} was deleted: restore it with "
                    f"mlflow experiments restore -x {found.experiment_id}, or give another project"
                )
            return str(found.experiment_id)
        location = self.database and (self.database.parent / ARTIFACTS).as_uri()
        try:
            return str(self.client.create_experiment(name, location))
        except Exception:
            found = self.client.get_experiment_by_name(name)  # another process was faster
            if found is None:
                raise
            return str(found.experiment_id)


@contextmanager
def open_store(folder: str | os.PathLike[str] | None, tracking_uri: str | None) -> Iterator[Store]:
    """Open the store for the opening of a run; other processes wait until the block ends.

    Args:
        folder: The folder of a local database.
        tracking_uri: MLflow's address of the store instead; by default that of the environment
            variable ``MLFLOW_TRACKING_URI``, else the database of the working directory.

    Raises:
        ValueError: Both are given, or `folder` is empty or a URL.
        ConnectionError: The store cannot be used.
        OSError: The folder cannot be created or written.
    """
    if folder is not None and tracking_uri is not None:
        raise ValueError("MLflowLogger: give dir or tracking_uri, not both")
    if folder is None:
        tracking_uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None
    local = _SQLITE.fullmatch(tracking_uri) if tracking_uri else None
    if tracking_uri is not None and local is None:
        with _usable(tracking_uri), quiet():
            yield Store(_client(tracking_uri))
        return
    if local is None:
        path = Path(local_directory("MLflowLogger", "dir", folder or os.curdir)) / DATABASE
    else:
        path = Path(os.path.abspath(local[1]))
    if "?" in str(path):
        raise ValueError(f"MLflowLogger: MLflow reads no '?' in the path of a database: {path}")
    artifacts = path.parent / ARTIFACTS
    artifacts.mkdir(parents=True, exist_ok=True)
    with _lock, _alone(artifacts), _usable(str(path)), quiet():
        client = _client(_address(path))
        presence = Presence("MLflowLogger", str(path))
        found = os.stat(path)
        _known[str(path)] = (found.st_dev, found.st_ino), _generation(path)
        yield Store(client, path, presence)


@undisturbed
def _client(address: str) -> Any:
    return load_tracking().MlflowClient(address)


@contextmanager
def _usable(place: str) -> Iterator[None]:
    """Name the store in MLflow's own errors, and what else can be done."""
    try:
        yield
    except Exception as error:
        if not _of_mlflow(error):
            raise
        raise ConnectionError(
            f"MLflowLogger could not open its run in {_without_user(place)}: {error_text(error)} "
            "(Check the address and the server, or record on this machine only with dir='…'.)"
        ) from error


def _of_mlflow(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in ("mlflow", "requests", "sqlalchemy", "urllib3")


def _without_user(address: str) -> str:
    return re.sub(r"(?<=://)[^/@]+@", "", address)


def _address(path: Path) -> str:
    """MLflow's address of a database.

    MLflow creates the tables of an address once per process. The address of a file that was removed
    and is created again is another one, with ``/.`` before its name.
    """
    return f"sqlite:///{path.parent}{'/.' * _generation(path)}/{path.name}"


def _generation(path: Path) -> int:
    """How often the database was created anew since this process began."""
    identity, generation = _known.get(str(path), (None, 0))
    with suppress(FileNotFoundError):
        found = os.stat(path)
        if (found.st_dev, found.st_ino) == identity:
            return generation
    return generation + (identity is not None)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process opens a run in a folder."""
    deadline = time.monotonic() + _LONGEST_WAIT
    claim = Claim(str(folder))
    while not claim.held:
        if time.monotonic() > deadline:
            raise BlockingIOError(
                f"MLflowLogger: another process has been opening a run in {str(folder)!r} for "
                f"{_LONGEST_WAIT:g} s"
            )
        time.sleep(0.02)
        claim = Claim(str(folder))
    try:
        yield
    finally:
        claim.release()
