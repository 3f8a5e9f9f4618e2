"""Index files: written atomically with ids and a checksum, and verified before they are loaded.

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
from .item_ids import ItemIds

log = logging.getLogger("torch_rechub")


def write_index(
    path: FilePath, write: Callable[[str], object], ids: Any = None, **facts: Any
) -> None:
    """Write an index to a file atomically, and its checksum to ``<path>.json``.

    Args:
        path: The file; its folder is created.
        write: Writes the index to a given file.
        ids: The ids in JSON, which are written to ``<path>.ids.json``; None means that there are
            none.
        facts: Properties that `verify_index` compares, such as the width; None means unknown.

    Raises:
        OSError: Writing failed; an existing file is unchanged.
    """
    path = local_path("path", path)
    checksum, named = checksum_file(path), ids_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a folder for this writer only, removed with all its contents
    folder = path.parent / f".{path.name}.{os.urandom(6).hex()}"
    folder.mkdir(mode=0o700)
    new, new_ids, told = folder / "index", folder / "ids", folder / "json"
    try:
        with naming(path):
            _run(write, str(new))
            record = {"sha256": _sha256(new), "bytes": new.stat().st_size, **facts}
            if ids is not None:
                new_ids.write_text(json.dumps(ids), encoding="utf-8")
                record["ids"] = {"sha256": _sha256(new_ids), "bytes": new_ids.stat().st_size}
            told.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            # checksum last: a crash leaves an index without a checksum, never one with a wrong
            # checksum. Ids without a checksum are refused, so they come before the index and stay
            # until it is replaced: a crash never pairs an index with the ids of another.
            checksum.unlink(missing_ok=True)
            if ids is not None:
                os.replace(new_ids, named)
            os.replace(new, path)
            if ids is None:
                named.unlink(missing_ok=True)
            os.replace(told, checksum)
    finally:
        for file in (new, new_ids, told):
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
        if ids_file(path).exists():
            raise ValueError(
                f"{path} has ids in {ids_file(path).name} but no checksum in {checksum.name}: "
                f"{_REMEDY}"
            )
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
    _verify_ids(path, record.get("ids"))
    for name, value in facts.items():
        if record.get(name) not in (None, value):
            raise ValueError(
                f"{path} holds an index of {name} {record[name]!r}, not {value!r}: open it with "
                f"{name}={record[name]!r}"
            )
    return True


def _verify_ids(path: Path, expected: Any) -> None:
    named = ids_file(path)
    if expected is None:
        if named.exists():
            raise ValueError(f"{named} is not of the index in {path.name}: {_REMEDY}")
        return
    if not named.is_file():
        raise ValueError(f"the ids of {path} are missing: there is no {named.name}: {_REMEDY}")
    if not isinstance(expected, dict) or expected.get("bytes") != named.stat().st_size:
        raise ValueError(f"{named} is damaged: its size is not that in the checksum: {_REMEDY}")
    if _sha256(named) != expected.get("sha256"):
        raise ValueError(
            f"{named} is damaged: its checksum is not that in {checksum_file(path).name}: {_REMEDY}"
        )


def read_ids(path: FilePath, n: int) -> ItemIds:
    """Return the ids of an index of n rows, after `verify_index`.

    Raises:
        ValueError: The ids are not those of an index of n rows.
    """
    named = ids_file(path)
    if not named.exists():
        return ItemIds(n)
    try:
        record = json.loads(named.read_text(encoding="utf-8"))
        return ItemIds.from_json(n, record)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{named} is damaged ({error}): {_REMEDY}") from error


def ids_file(path: FilePath) -> Path:
    """The path of the ids of an index file."""
    return Path(f"{os.fspath(path)}.ids.json")


def checksum_file(path: FilePath) -> Path:
    """The path of the checksum of an index file."""
    return Path(f"{os.fspath(path)}.json")


_REMEDY = "build the index again, or copy all its files again"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
