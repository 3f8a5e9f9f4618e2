"""The names of the files of `JSONLLogger`, and the modes of opening them."""

import errno
import os
import re
from datetime import datetime

from .json_lines import SUFFIX
from .stored_files import safe_name

_NO_FILE_NAME = re.compile(r"[^\w.-]+")


def files_folder(path: str) -> str:
    """Return the folder of the figures and artifacts of a run, next to its file.

    Example:
        >>> files_folder("runs/a.run.jsonl")
        'runs/a.files'
    """
    return path.removesuffix(SUFFIX) + ".files"


def relative_path(file: str) -> str:
    """Return the path of a file in that folder, relative to the folder of the run.

    Example:
        >>> relative_path("runs/a.files/roc.png")
        'a.files/roc.png'
    """
    folder, name = os.path.split(file)
    return f"{os.path.basename(folder)}/{name}"


def check_id(id: str | None, resume: str | None) -> None:
    """Refuse an id or a mode of resuming that cannot be used."""
    if resume not in (None, "allow", "must", "never"):
        raise ValueError(f"JSONLLogger: resume must be allow, must, never or None, got {resume!r}")
    if id is None and resume in ("allow", "must"):
        raise ValueError(f"JSONLLogger: resume={resume!r} needs the id of the run to continue")
    if id is not None and (_NO_FILE_NAME.search(id) or not id.strip(".")):
        raise ValueError(f"JSONLLogger: id may have letters, digits and _ . - only, got {id!r}")


def is_continued(path: str, resume: str | None) -> bool:
    """Whether a logger continues the run in a file, which the mode of resuming must allow."""
    there = os.path.exists(path)
    if there and not os.path.isfile(path):  # opening a pipe would block
        raise FileExistsError(errno.EEXIST, "JSONLLogger: what is there is no file", path)
    if resume == "must" and not there:
        raise FileNotFoundError(errno.ENOENT, "JSONLLogger: there is no run to continue", path)
    if resume in (None, "never") and there:
        raise FileExistsError(
            errno.EEXIST,
            "JSONLLogger: there is a run of this id: resume='allow' continues it",
            path,
        )
    return there


def file_name(name: str | None, run_id: str) -> str:
    """Return the name of the file of a new run."""
    now = datetime.now().strftime("%Y%m%d-%H%M%S")
    readable = safe_name(name or "")
    return "-".join(filter(None, [readable, now, run_id])) + SUFFIX


def private(path: str, flags: int) -> int:
    """Open a file that only its owner may read."""
    return os.open(path, flags | os.O_APPEND, 0o600)
