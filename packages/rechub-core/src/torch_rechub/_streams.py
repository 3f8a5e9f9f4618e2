"""Standard streams that may be missing, closed, broken, or on a full disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal


class StandardStream:
    """`sys.stdout` or `sys.stderr`, looked up at each write.

    Errors of writing are ignored: for progress and messages, which nothing depends on.

    Args:
        name: ``stdout`` or ``stderr``.

    Example:
        >>> StandardStream("stdout").write("epoch 0")
        epoch 0
    """

    encoding = "utf-8"

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        self._name = name

    def write(self, text: str) -> None:
        """Write, ignoring errors."""
        with suppress(Exception):
            getattr(sys, self._name).write(text)

    def flush(self) -> None:
        """Flush, ignoring errors."""
        with suppress(Exception):
            getattr(sys, self._name).flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal; False if there is no stream."""
        with suppress(Exception):
            return bool(getattr(sys, self._name).isatty())
        return False

    def fileno(self) -> int:
        """The file descriptor.

        Raises:
            OSError: The stream has none.
        """
        try:
            return int(getattr(sys, self._name).fileno())
        except Exception as error:
            raise OSError(f"sys.{self._name} has no descriptor") from error


@contextmanager
def usable_streams() -> Iterator[None]:
    """Set standard streams that cannot be written to None for the block.

    None is Python's own value for a missing stream: `print`, `warnings` and `logging` then do
    nothing, while with a closed stream a warning raises.
    """
    broken: dict[str, Any] = {}
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not _takes_text(stream):
            broken[name] = stream
            setattr(sys, name, None)
    try:
        yield
    finally:
        for name, stream in broken.items():
            if getattr(sys, name) is None:
                setattr(sys, name, stream)


class _Forgiving:
    """Wraps a stream and ignores errors of writing."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """Ignore errors of writing to the standard streams in the block.

    For calls of SDKs that print, and would fail on a broken pipe or a full disk, which cannot be
    detected beforehand.

    Example:
        >>> with forgiving_streams():
        ...     print("opened")
        opened
    """
    given = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    forgiving = {name: _Forgiving(stream) for name, stream in given.items() if stream is not None}
    for name, stream in forgiving.items():
        setattr(sys, name, stream)
    try:
        yield
    finally:
        for name, stream in forgiving.items():
            if getattr(sys, name) is stream:
                setattr(sys, name, given[name])


def _takes_text(stream: Any) -> bool:
    try:
        stream.write("")
    except Exception:
        return False
    return True
