"""Records of runs that were made before: their times, drawn figures, and runs without an end."""

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_given: ContextVar[float | None] = ContextVar("record_time", default=None)


@contextmanager
def recorded_at(seconds: float | None) -> Iterator[None]:
    """Give the records that loggers write in a block another time than the clock's.

    Args:
        seconds: Seconds since 1970; None leaves the time to the clock.

    Example:
        >>> with recorded_at(5.0):
        ...     record_time()
        5.0
    """
    token = _given.set(seconds)
    try:
        yield
    finally:
        _given.reset(token)


def given_time() -> float | None:
    """Return the time that `recorded_at` gives, if any."""
    return _given.get()


def record_time() -> float:
    """Return the time of a record that is written now, in seconds since 1970."""
    given = _given.get()
    return time.time() if given is None else given


class NoEnd(BaseException):
    """Given to `log_failure`, it leaves a run without an end, if the tracker can."""


class PNG:
    """A figure that was drawn before.

    Args:
        data: The bytes of a PNG file.

    Attributes:
        data: The bytes.
        size: Width and height.

    Raises:
        ValueError: `data` is no PNG file.
    """

    def __init__(self, data: bytes) -> None:
        if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
            raise ValueError("the figure is no PNG file")
        self.data = data
        self.size: tuple[int, int] = struct.unpack(">II", data[16:24])

    def savefig(self, file: Any, **options: Any) -> None:
        """Write the figure to a path or an open file, as a figure of matplotlib does."""
        if hasattr(file, "write"):
            file.write(self.data)
            return
        with open(file, "wb") as opened:
            opened.write(self.data)
