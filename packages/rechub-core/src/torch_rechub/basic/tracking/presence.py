"""Files that disappear while a run is written to them, which no write notices."""

import errno
import os


class Presence:
    """Remembers a file, and raises when it was removed or another one has its name.

    A process that has a file open writes on into nothing when the file, or a folder above it, is
    removed, moved or replaced.

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
        except PermissionError:  # whether it is there is not for us to see
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
