"""The state of the code of a run: the git commit, and whether files differ from it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_SECONDS = 10.0
_MOST_FILES = 1_000
_LARGEST_FILE = 2**20


def code_state(folder: "str | os.PathLike[str] | None" = None) -> dict[str, Any]:
    """Return the commit of the code, and a digest of the changes since.

    Nothing of the code is returned, nor the address of a remote. Changes are those of tracked
    files, and Python files that git neither tracks nor ignores.

    Args:
        folder: A folder of the repository; None means that of the main script, or else the current
            one.

    Returns:
        `commit`, `dirty`, and for changed code `changes`, their digest; or `unknown`, the reason.

    Example:
        >>> import tempfile
        >>> code_state(tempfile.gettempdir())["unknown"]
        'no git repository'
    """
    place = str(_folder() if folder is None else folder)
    try:
        top = _git(place, "rev-parse", "--show-toplevel").decode("utf-8", "replace").rstrip("\r\n")
        commit = _git(place, "rev-parse", "--verify", "HEAD").decode("ascii").strip()
        found = hashlib.blake2b(digest_size=8)
        # neither option may run a program that the repository names
        changes = _git(top, "diff", "--no-ext-diff", "--no-textconv", "--full-index", "HEAD")
        found.update(changes)
        new = _git(top, "ls-files", "-z", "--others", "--exclude-standard", "--", "*.py")
        names = sorted(filter(None, new.split(b"\0")))
        for name in names[:_MOST_FILES]:
            found.update(name + b"\0" + _content(Path(top) / os.fsdecode(name)) + b"\0")
    except FileNotFoundError:
        return {"unknown": "git is not installed"}
    except subprocess.TimeoutExpired:
        return {"unknown": f"git took more than {_SECONDS:g} s"}
    except (subprocess.CalledProcessError, OSError, ValueError):
        return {"unknown": "no git repository"}
    dirty = bool(changes or names)
    return {"commit": commit, "dirty": dirty, **({"changes": found.hexdigest()} if dirty else {})}


def _folder() -> Path:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(script).resolve().parent if script else Path.cwd()


def _git(folder: str, *arguments: str) -> bytes:
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=true", "-C", folder]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        [*command, *arguments], check=True, timeout=_SECONDS, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout


def _content(path: Path) -> bytes:
    """The first megabyte of a file; nothing of one that cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError:
        return b""
