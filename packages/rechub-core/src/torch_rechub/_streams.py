"""The standard streams of a process that may have none: closed, broken, or on a full disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal


class StandardStream:
    """`sys.stdout` or `sys.stderr`, whichever object that is when something is written.

    What cannot be written is dropped: for progress and messages, which nothing depends on.

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
        """Write, if that is possible."""
        with suppress(Exception):
            getattr(sys, self._name).write(text)

    def flush(self) -> None:
        """Flush, if that is possible."""
        with suppress(Exception):
            getattr(sys, self._name).flush()

    def isatty(self) -> bool:
        """Whether it is a terminal; no stream is none."""
        with suppress(Exception):
            return bool(getattr(sys, self._name).isatty())
        return False

    def fileno(self) -> int:
        """The descriptor.

        Raises:
            OSError: There is none.
        """
        try:
            return int(getattr(sys, self._name).fileno())
        except Exception as error:
            raise OSError(f"sys.{self._name} has no descriptor") from error


@contextmanager
def usable_streams() -> Iterator[None]:
    """In this block a standard stream that cannot be written to is None.

    That is how Python itself says that a process has none: `print`, `warnings` and `logging` take
    it as such, while a closed stream makes a warning an error.
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
    """A stream, less its errors of writing; in all else the stream itself."""

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
    """In this block what cannot be written to a standard stream is dropped.

    For calls of an SDK that says something and dies of a broken pipe or a full disk meanwhile,
    which no stream tells beforehand.

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
