"""The files of `JSONLLogger`: their names, and the figures and artifacts beside a run."""

import errno
import os
import re
import shutil
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from ..._files import written_whole
from .json_lines import SUFFIX

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_FILE_NAME = re.compile(r"[^\w.-]+")


def files_folder(path: str) -> str:
    """The folder of the figures and artifacts of a run.

    Example:
        >>> files_folder("runs/a.run.jsonl")
        'runs/a.files'
    """
    return path.removesuffix(SUFFIX) + ".files"


def store_figure(run: str, name: str, figure: "Figure") -> str:
    """Write a figure as a PNG file; return its path relative to the folder of the run.

    Args:
        run: The file of the run.
        name: The name of the figure.
        figure: The figure.

    Raises:
        OSError: The file cannot be written.
    """
    target = _free_path(run, name, ".png")
    with written_whole(target) as file:
        figure.savefig(file, format="png")
    return _relative(target)


def store_file(run: str, name: str, path: str) -> str:
    """Copy a file; return the path of the copy relative to the folder of the run.

    Args:
        run: The file of the run.
        name: The name of the artifact.
        path: The file to copy.

    Raises:
        OSError: The file cannot be read, or the copy cannot be written.
    """
    target = _free_path(run, name, os.path.splitext(path)[1])
    with open(path, "rb") as source, written_whole(target) as copy:
        shutil.copyfileobj(source, copy)
    return _relative(target)


def _free_path(run: str, name: str, ending: str) -> str:
    folder = files_folder(run)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    stem = _NO_FILE_NAME.sub("-", name.removesuffix(ending)).strip("-.")[:60] or "file"
    ending = _NO_FILE_NAME.sub("-", ending)[:20]
    names = (f"{stem}{'' if number == 1 else f'-{number}'}{ending}" for number in count(1))
    paths = (os.path.join(folder, name) for name in names)
    return next(path for path in paths if not os.path.lexists(path))


def _relative(path: str) -> str:
    return "/".join(path.replace(os.sep, "/").split("/")[-2:])


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
    readable = _NO_FILE_NAME.sub("-", name or "").strip("-.")[:60]
    return "-".join(filter(None, [readable, now, run_id])) + SUFFIX


def private(path: str, flags: int) -> int:
    """Open a file that only its owner may read."""
    return os.open(path, flags | os.O_APPEND, 0o600)
