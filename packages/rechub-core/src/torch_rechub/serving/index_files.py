"""Files of indexes: written whole, with a checksum file, and verified before they are read.

The libraries that read them verify nothing: of a damaged file annoy ends the process or answers
with other items.
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
    """Write an index to a file, in place of one that is there, and its checksum to ``<path>.json``.

    Args:
        path: The file; its folder is made.
        write: Writes the index to the file it is given.
        facts: What `verify_index` will compare, such as the width; None is not known.

    Raises:
        OSError: It cannot be written; what was there before is whole.
    """
    path = local_path("path", path)
    checksum = checksum_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a folder of this writer's own: no other writes there, and nothing of it is left
    folder = path.parent / f".{path.name}.{os.urandom(6).hex()}"
    folder.mkdir(mode=0o700)
    new, told = folder / "index", folder / "json"
    try:
        with naming(path):
            _run(write, str(new))
            record = {"sha256": _sha256(new), "bytes": new.stat().st_size, **facts}
            told.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            # a crash before the last line leaves no checksum, not one of another index
            checksum.unlink(missing_ok=True)
            os.replace(new, path)
            os.replace(told, checksum)
    finally:
        for file in (new, told):
            file.unlink(missing_ok=True)
        folder.rmdir()


def _run(write: Callable[[str], object], file: str) -> None:
    """Have a library write a file; Faiss has an error of its own for a full disk."""
    try:
        write(file)
    except RuntimeError as error:
        raise OSError(f"cannot be written ({str(error).splitlines()[0][-200:]})") from error


def verify_index(path: FilePath, **facts: Any) -> bool:
    """Compare a file with its checksum, and with what the caller expects of it.

    Args:
        path: The file of an index.
        facts: As given to `write_index`; those that the file's record lacks are not compared.

    Returns:
        Whether there was a checksum to compare with; a warning says so if not.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or holds another index than expected.
    """
    path, checksum = Path(path), checksum_file(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no index file {str(path)!r}")
    if not checksum.exists():
        log.warning(
            "%s has no checksum in %s, by which damage would be noticed: save the index again.",
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
    """Where the checksum of an index file lies."""
    return Path(f"{os.fspath(path)}.json")


_REMEDY = "build the index again, or copy both files again"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
