"""Exclusive locks, so that a run has one writer across threads and processes."""

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
    """Locks a file or folder for one writer, until it is released or the process ends.

    This is a lock of the operating system, so a killed process leaves no lock file behind. Where
    such locks do not exist, as on Windows and some network disks, every claim succeeds.

    Args:
        path: The file or folder; it must exist.

    Attributes:
        held: Whether the lock was acquired.

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
        """Release the lock; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor != -1:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()


_CLAIMS: "weakref.WeakSet[Claim]" = weakref.WeakSet()


def _release_all() -> None:
    for claim in list(_CLAIMS):
        claim.release()


# A lock belongs to every process that holds the descriptor: a DataLoader worker that outlives a
# killed training process would keep the run locked. So forked processes close it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_all)
