"""Index files: written atomically with a checksum file, and verified before they are loaded.

The libraries do not verify the files: with a damaged file, Annoy crashes the process or returns
wrong items.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._files import naming
from .._paths import local_path
from ..types import FilePath

log = logging.getLogger("torch_rechub")


def write_index(path: FilePath, write: Callable[[str], object], **facts: Any) -> None:
    """Write an index to a file atomically, and its checksum to ``<path>.json``.

    Args:
        path: The file; its folder is created.
        write: Writes the index to a given file.
        facts: Properties that `verify_index` compares, such as the width; None means unknown.

    Raises:
        OSError: Writing failed; an existing file is unchanged.
    """
    path = local_path("path", path)
    checksum = checksum_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a folder for this writer only, removed with all its contents
    folder = path.parent / f".{path.name}.{os.urandom(6).hex()}"
    folder.mkdir(mode=0o700)
    new, told = folder / "index", folder / "json"
    try:
        with naming(path):
            _run(write, str(new))
            record = {"sha256": _sha256(new), "bytes": new.stat().st_size, **facts}
            told.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            # checksum last: a crash leaves an index without a checksum, never one with a wrong
            # checksum
            checksum.unlink(missing_ok=True)
            os.replace(new, path)
            os.replace(told, checksum)
    finally:
        for file in (new, told):
            file.unlink(missing_ok=True)
        folder.rmdir()


def _run(write: Callable[[str], object], file: str) -> None:
    """Write a file by a library; Faiss raises its own error on a full disk."""
    try:
        write(file)
    except RuntimeError as error:
        raise OSError(f"cannot be written ({str(error).splitlines()[0][-200:]})") from error


def verify_index(path: FilePath, **facts: Any) -> bool:
    """Verify the checksum and the expected properties of an index file.

    Args:
        path: The file of an index.
        facts: The expected properties; those not in the checksum file are not compared.

    Returns:
        Whether there is a checksum; a missing one is reported by a warning.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, or holds another index than expected.
    """
    path, checksum = Path(path), checksum_file(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no index file {str(path)!r}")
    if not checksum.exists():
        log.warning(
            "%s has no checksum in %s, so damage cannot be detected: save the index again.",
            path,
            checksum.name,
        )
        return False
    try:
        record = json.loads(checksum.read_text(encoding="utf-8"))
        expected = record["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{checksum} is damaged: {_REMEDY}, or remove it") from error
    if record.get("bytes", path.stat().st_size) != path.stat().st_size or _sha256(path) != expected:
        raise ValueError(
            f"{path} is damaged: its checksum is not that in {checksum.name}: {_REMEDY}"
        )
    for name, value in facts.items():
        if record.get(name) not in (None, value):
            raise ValueError(
                f"{path} holds an index of {name} {record[name]!r}, not {value!r}: open it with "
                f"{name}={record[name]!r}"
            )
    return True


def checksum_file(path: FilePath) -> Path:
    """The path of the checksum of an index file."""
    return Path(f"{os.fspath(path)}.json")


_REMEDY = "build the index again, or copy both files again"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
