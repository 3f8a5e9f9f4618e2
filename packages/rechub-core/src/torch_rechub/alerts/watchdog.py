"""The watchdog: a small process that reports a run whose process was killed.

SIGKILL, as of a system that is out of memory, lets a process do nothing more. So a child process
holds the end of a pipe, which the system closes when the process is gone; if no farewell came
before, the child sends the alert.
"""

import json
import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .outbox import Message, deliver
from .webhook import Webhook
from .webhooks import of_revealed

_FAREWELL = b"finished\n"
_LOOK = 2.0  # seconds between two looks for the parent
_GONE = 5.0  # seconds until the system has ended the parent of a closed pipe
# the line is read without a buffer, which would swallow a farewell right after it
_CHILD = (
    "import json, sys; given = json.loads(open(0, 'rb', 0, closefd=False).readline()); "
    "sys.path[:] = given['path']; "
    "from torch_rechub.alerts.watchdog import guard; guard(given)"
)

_OPEN: "weakref.WeakSet[Watchdog]" = weakref.WeakSet()
_registered = False


class Watchdog:
    """Starts the child process, and tells it at the end that the run was finished.

    It uses the standard library, and imports neither torch nor NumPy. URLs and secrets reach it
    through the pipe, and are in neither its arguments nor its environment.

    Args:
        hooks: The webhooks.
        message: The message to send.
        timeout: As in `deliver`.

    Raises:
        OSError: The process cannot be started.
    """

    def __init__(self, hooks: Sequence[Webhook], message: Message, timeout: float) -> None:
        separate: dict[str, Any] = {"start_new_session": True}  # out of the way of Ctrl-C
        if sys.platform == "win32":
            separate = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            **separate,
        )
        given = {
            "path": [path for path in sys.path if path],
            "parent": os.getpid(),
            "timeout": timeout,
            "message": {"text": message.text, "about": message.about},
            "webhooks": [hook.revealed() for hook in hooks],
        }
        _close_in_forked_processes(self)
        self._write(json.dumps(given).encode() + b"\n")

    def farewell(self, seconds: float) -> None:
        """End the child process, and wait for it as long."""
        self._write(_FAREWELL)
        self.abandon()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, seconds))

    def abandon(self) -> None:
        """Close the pipe in this process."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _write(self, data: bytes) -> None:
        if self._process.stdin is not None:
            with suppress(OSError, ValueError):  # the child is gone
                self._process.stdin.write(data)


def guard(given: Mapping[str, Any]) -> None:
    """Wait for the end of the parent, and send the alert unless it said farewell.

    Args:
        given: The webhooks and the message, as `Watchdog` writes them.
    """
    if said_farewell(0, int(given["parent"])):
        return
    message = Message(given["message"]["text"], given["message"]["about"])
    for one in given["webhooks"]:
        deliver(of_revealed(one), message, float(given["timeout"]))


def said_farewell(pipe: int, parent: int, living: Callable[[int], bool] | None = None) -> bool:
    """Wait until the pipe is closed or the parent gone; return whether the run was finished.

    A process that the parent forked may hold the pipe, so the child also looks for its parent.

    Args:
        pipe: The descriptor of the pipe.
        parent: The number of the parent process.
        living: Whether it lives, for tests.
    """
    alive = living or _is_parent
    said = b""
    while True:
        gone = not alive(parent)
        if _readable(pipe, 0.0 if gone else _LOOK):
            part = os.read(pipe, 4096)
            said += part
            if _FAREWELL in said:
                return True
            if not part:
                return not _ends(parent, alive)
        elif gone:
            return False


def _ends(parent: int, alive: Callable[[int], bool]) -> bool:
    """Whether the process of a closed pipe ends; otherwise only the logger was dropped."""
    if sys.platform == "win32":
        return True
    until = time.monotonic() + _GONE
    while alive(parent) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(parent)


def _is_parent(parent: int) -> bool:
    # a process whose parent has ended belongs to another one
    return sys.platform == "win32" or os.getppid() == parent


def _readable(pipe: int, seconds: float) -> bool:
    """Whether the pipe can be read; on Windows, where pipes cannot be waited for, always."""
    return sys.platform == "win32" or bool(select.select([pipe], [], [], seconds)[0])


def _close_in_forked_processes(watchdog: Watchdog) -> None:
    """Close the pipe in processes forked later, which would hold it open."""
    global _registered
    _OPEN.add(watchdog)
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(after_in_child=_abandon_all)


def _abandon_all() -> None:
    for watchdog in list(_OPEN):
        watchdog.abandon()
