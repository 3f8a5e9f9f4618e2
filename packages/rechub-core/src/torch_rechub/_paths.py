"""Local paths: checked, and made absolute where they are given, so that `os.chdir` moves none."""

import os
import re
from pathlib import Path

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

# With one slash too: pathlib makes s3:/bucket of s3://bucket. One letter is a drive of Windows.
_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]+:/")


def local_path(argument: str, path: AnyPath) -> Path:
    """An absolute path on this machine, ``~`` expanded, as of the present working directory.

    Args:
        argument: What the path was given as, for the messages.
        path: The path; an empty one is the working directory.

    Raises:
        TypeError: It is no path.
        ValueError: It is a URL, such as ``s3://…`` or ``file://…``.
        FileNotFoundError: It is relative, and the working directory was removed.

    Example:
        >>> local_path("model_path", "models").is_absolute()
        True
        >>> local_path("model_path", "s3://bucket/a")
        Traceback (most recent call last):
        ...
        ValueError: model_path must be a local path, got the URL 's3://bucket/a'. Write to ...
    """
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise TypeError(f"{argument} must be a path, got {path!r}") from None
    if _URL.match(text):
        raise ValueError(
            f"{argument} must be a local path, got the URL {text!r}. Write to a local directory "
            "and copy it when training is done."
        )
    expanded = Path(os.path.expanduser(text))
    try:
        return expanded.absolute()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{argument}={text!r} is relative, and the working directory was removed: "
            "give an absolute path"
        ) from None
