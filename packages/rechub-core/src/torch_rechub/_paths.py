"""Checks of local paths; they are made absolute at once, so that `os.chdir` has no effect."""

import os
import re
from pathlib import Path

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

# one slash too, because pathlib turns s3://bucket into s3:/bucket; one letter is a Windows drive
_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]+:/")


def local_path(argument: str, path: AnyPath) -> Path:
    """Return a local path as an absolute one, with ``~`` expanded.

    Args:
        argument: The name of the argument, for the messages.
        path: The path; an empty one is the working directory.

    Raises:
        TypeError: `path` is not a path.
        ValueError: `path` is a URL, such as ``s3://…`` or ``file://…``.
        FileNotFoundError: `path` is relative, and the working directory was removed.

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
