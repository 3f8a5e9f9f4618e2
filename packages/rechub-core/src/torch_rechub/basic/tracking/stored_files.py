"""Files stored with a run: copies of artifacts, and figures, in a folder of the run."""

import hashlib
import os
import re
import shutil
import stat
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from ..._files import written_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_FILE_NAME = re.compile(r"[^\w.-]+")
_LONGEST = 60
_LONGEST_FOLDER = 120


def safe_name(text: str) -> str:
    """Return the letters, digits and ``_ . -`` of a text, for the name of a file; may be empty.

    Example:
        >>> safe_name("../val/roc curve")
        'val-roc-curve'
    """
    return _NO_FILE_NAME.sub("-", text).strip("-.")[:_LONGEST]


def folder_name(name: str) -> str:
    """Return the name of the folder of an artifact, from which `artifact_name` reads it back.

    Example:
        >>> folder_name("lists/top 10"), artifact_name("lists%2Ftop%2010")
        ('lists%2Ftop%2010', 'lists/top 10')
    """
    quoted = quote(name.encode("utf-8", "backslashreplace"), safe="")
    if not quoted.strip("."):  # empty, or a folder that is there already
        quoted = quoted.replace(".", "%2E") or "file"
    if len(quoted) > _LONGEST_FOLDER:
        digest = hashlib.blake2b(quoted.encode(), digest_size=8).hexdigest()
        quoted = f"{quoted[:_LONGEST_FOLDER].rstrip('%')}-{digest}"
    return quoted


def artifact_name(folder: str) -> str:
    """Return the name of the artifact of a folder."""
    return unquote(folder)


def check_storable(name: str, path: str) -> None:
    """Refuse an artifact that is neither a file nor a folder: reading a pipe may never end.

    Raises:
        OSError: There is no such file.
        TypeError: The name is no text.
        ValueError: It is a pipe, a socket or a device.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of an artifact must be a text, got {name!r}")
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(f"the artifact {name!r} must be a file, got {path!r}, a pipe or a device")


def store_figure(folder: str, name: str, figure: "Figure") -> str:
    """Write a figure as a PNG file into a folder; return the path of the file.

    Args:
        folder: The folder, made if it does not exist.
        name: The name of the figure, from which the file's name is made.
        figure: The figure.

    Raises:
        OSError: The file cannot be written.
    """
    target = _free_path(folder, name, ".png")
    with written_whole(target) as file:
        figure.savefig(file, format="png")
    return target


def store_file(folder: str, name: str, path: str) -> str:
    """Copy a file into a folder; return the path of the copy.

    Args:
        folder: The folder, made if it does not exist.
        name: The name of the artifact, from which the file's name is made.
        path: The file.

    Raises:
        OSError: The file cannot be read, or the copy cannot be written.
    """
    with open(path, "rb") as source:
        target = _free_path(folder, name, os.path.splitext(path)[1])
        with written_whole(target) as copy:
            shutil.copyfileobj(source, copy)
    return target


def _free_path(folder: str, name: str, ending: str) -> str:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    stem = safe_name(name.removesuffix(ending)) or "file"
    ending = _NO_FILE_NAME.sub("-", ending)[:20]
    names = (f"{stem}{'' if number == 1 else f'-{number}'}{ending}" for number in count(1))
    paths = (os.path.join(folder, name) for name in names)
    return next(path for path in paths if not os.path.lexists(path))
