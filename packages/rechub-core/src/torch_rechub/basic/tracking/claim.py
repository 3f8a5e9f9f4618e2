"""One writer to a run: others, in this process or another, find it taken."""

import errno
import os
import weakref

try:
    import fcntl

    CAN_LOCK = True
except ImportError:  # Windows
    CAN_LOCK = False

_TAKEN = {errno.EWOULDBLOCK, errno.EACCES}


class Claim:
    """Holds a file or folder for one writer, until it is released or the process ends.

    A lock of the operating system: no file is left behind by a process that is killed. Where there
    are none, as on Windows and some network disks, everything counts as free.

    Args:
        path: What to hold; it must exist.

    Attributes:
        held: Whether it was free.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> first, second = Claim(folder), Claim(folder)
        >>> first.held, second.held
        (True, False)
        >>> first.release()
        >>> Claim(folder).held
        True
    """

    def __init__(self, path: str) -> None:
        self.held, self._descriptor = True, -1
        if not CAN_LOCK:
            return
        self._descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.held = error.errno not in _TAKEN
        if not self.held:
            self.release()
        _CLAIMS.add(self)

    def release(self) -> None:
        """Let others have it; doing so again is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor != -1:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()


_CLAIMS: "weakref.WeakSet[Claim]" = weakref.WeakSet()


def _release_all() -> None:
    for claim in list(_CLAIMS):
        claim.release()


# A lock belongs to every process that has the descriptor: a worker of a DataLoader, forked from a
# training that was killed, would keep it from the one that continues.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_all)
