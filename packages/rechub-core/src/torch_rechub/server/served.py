"""`Served`: the bundle that is served, replaced as a whole between batches."""

import asyncio
import hashlib
import logging
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from .._paths import local_path
from ..bundles import load_bundle
from ..types import FilePath
from .answering import answering
from .exchange import Refused
from .settings import Settings

log = logging.getLogger("torch_rechub")


class Loaded:
    """A loaded bundle with its way of answering.

    Args:
        bundle: The bundle.
        settings: Limits.

    Attributes:
        digest: The start of the SHA-256 of its document.
        since: The time of loading.
    """

    def __init__(self, bundle: Any, settings: Settings) -> None:
        self.bundle, self.answering = bundle, answering(bundle, settings)
        self.digest = hashlib.sha256(bundle.document.to_json()).hexdigest()[:16]
        self.since = datetime.now(timezone.utc).isoformat(timespec="seconds")

    def description(self) -> dict[str, str]:
        """The facts of the bundle, for ``GET /health`` and the metrics."""
        return {
            "bundle": str(self.bundle.path),
            "digest": self.digest,
            "task": self.bundle.task,
            "model": type(self.bundle.model).__name__,
            "version": self.bundle.document.versions.get("rechub-core", "unknown"),
            "since": self.since,
        }


class Served:
    """The bundle of a folder, which `reload` loads again.

    Args:
        path: The folder.
        settings: Limits and the device.

    Attributes:
        loaded: The bundle that answers.
        failure: The reason why the last reload failed; None if it did not.

    Raises:
        BundleError: The bundle is damaged.
    """

    def __init__(self, path: FilePath, settings: Settings) -> None:
        self._path, self._settings = local_path("bundle", path), settings
        self._lock = asyncio.Lock()
        self._version = self._folder_version()
        self.loaded = Loaded(load_bundle(self._path, device=settings.device), settings)
        self.failure: str | None = None
        self._example: Any = None  # a request that was answered

    def answer(self, requests: Sequence[Any]) -> Sequence[Any]:
        """Answer requests by the present bundle; a batch has one bundle from start to end.

        Returns:
            The answer and the digest of the bundle, for each request.
        """
        loaded = self.loaded
        answers = loaded.answering.answer(requests)
        self._example = requests[-1]
        return [(answer, loaded.digest) for answer in answers]

    async def reload(self) -> None:
        """Load the folder again in a thread; after an error the earlier bundle stays.

        Raises:
            Refused: The bundle is damaged, has another task, or does not answer the last request
                that was answered (409).
        """
        async with self._lock:
            version = self._folder_version()
            loop = asyncio.get_running_loop()
            try:
                self.loaded = await loop.run_in_executor(None, self._load)
                self.failure = None
                log.info("loaded %s again: %s", self._path, self.loaded.digest)
            except Exception as error:
                reason = error.args[0] if error.args else error
                self.failure = f"{type(error).__name__}: {reason}"
                log.error("%s is not loaded, the earlier one stays: %s", self._path, self.failure)
                raise Refused(
                    409, f"the new bundle is refused, the earlier one stays: {self.failure}"
                ) from error
            finally:
                self._version = version

    def has_changed(self) -> bool:
        """Whether the folder was replaced since it was last read."""
        return self._folder_version() not in (None, self._version)

    def _load(self) -> Loaded:
        new = Loaded(load_bundle(self._path, device=self._settings.device), self._settings)
        old = self.loaded.bundle.task
        if new.bundle.task != old:
            raise ValueError(f"its task is {new.bundle.task!r}, not {old!r}: start a server for it")
        if self._example is not None:
            # also the first computation of the model, which is a slow one
            new.answering.answer([self._example])
        return new

    def _folder_version(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path / "bundle.json")
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
