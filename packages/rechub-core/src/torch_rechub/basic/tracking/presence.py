"""Detects that the file of a run was removed, which writes to an open file do not notice."""

import errno
import os


class Presence:
    """Remembers the identity of a file, and raises when it was removed or replaced.

    Writes to an open file still succeed after the file, or a folder above it, was removed, moved or
    replaced, but the data are lost.

    Args:
        owner: The logger's class name, for the error.
        path: The file; it must exist.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkstemp()[1]
        >>> presence = Presence("ListLogger", path)
        >>> presence.check()
        >>> os.remove(path)
        >>> presence.check()
        Traceback (most recent call last):
        ...
        FileNotFoundError: [Errno 2] ListLogger: the run's file was removed or replaced ...
    """

    def __init__(self, owner: str, path: str) -> None:
        self._owner, self.path = owner, path
        self._file = _identity(path)

    def check(self) -> None:
        """Raise FileNotFoundError unless the file is still there."""
        try:
            found = _identity(self.path)
        except PermissionError:  # no permission to look: assume that it is there
            return
        except OSError:
            found = None
        if found != self._file:
            raise FileNotFoundError(
                errno.ENOENT,
                f"{self._owner}: the run's file was removed or replaced during the run; what it "
                "held, and what comes, is lost",
                self.path,
            )


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
