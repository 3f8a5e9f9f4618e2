"""Files that are read and written: errors that name them, tensors read without running code."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from .types import FilePath


log = logging.getLogger("torch_rechub")


class CheckpointError(RuntimeError):
    """A file of weights or a checkpoint cannot be used; the message says why and what to do."""


@contextmanager
def naming(file: "FilePath") -> Iterator[None]:
    """Have errors of the operating system name a file: a full disk names none by itself.

    Example:
        >>> with naming("model.pth"):
        ...     raise OSError(28, "No space left on device")
        Traceback (most recent call last):
        OSError: [Errno 28] No space left on device: 'model.pth'
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        if error.errno is None:  # a library's own, of text alone
            raise OSError(f"{error}: {os.fspath(file)!r}") from error
        raise OSError(error.errno, error.strerror, os.fspath(file)) from error


@contextmanager
def written_whole(file: "FilePath") -> Iterator[BinaryIO]:
    """A stream whose content takes the place of `file`, at once, when the block has ended.

    It is written to a new file in its folder, which no other writer has, in any process,
    and which is synced first. An error leaves what was there before, and nothing else.

    Raises:
        OSError: It cannot be written, as on a full disk; the error names `file`.

    Example:
        >>> import tempfile
        >>> file = tempfile.mkdtemp() + "/a"
        >>> with written_whole(file) as stream:
        ...     stream.write(b"whole")
        5
        >>> os.listdir(os.path.dirname(file))
        ['a']
    """
    folder, name = os.path.split(os.path.abspath(file))
    new = os.path.join(folder, f".{name[:200]}.{os.urandom(8).hex()}.tmp")
    # O_EXCL follows no link that somebody left at the name, and no two writers open one file
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with naming(file):
        descriptor = os.open(new, flags | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with open(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(new, file)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(new)
            raise


def read_tensors(file: "FilePath") -> Any:
    """Read what `torch.save` wrote, onto the CPU; nothing in the file is executed.

    Raises:
        OSError: There is no such file, or it cannot be opened.
        CheckpointError: It is damaged, or holds more than tensors and plain data.
    """
    import torch

    _warn_of_torch(str(torch.__version__))
    with open(file, "rb") as stream:  # errors of opening stay as they are
        head = stream.read(4)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # what torch raises on damaged bytes is of half a dozen types
        raise CheckpointError(f"{os.fspath(file)} {_why_unreadable(head, str(error))}") from error


@cache
def _warn_of_torch(version: str) -> None:
    """Say once, where it is so, that a prepared file can harm the torch that reads it."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < (2, 10):
        log.warning(
            "torch %s has known holes in reading files: one that was prepared for it may run code, "
            "weights_only=True or not. Read files from people you trust only, or install "
            "torch>=2.10.",
            version,
        )


def _why_unreadable(head: bytes, message: str) -> str:
    """The cause in a user's terms, and what to do, from a file's first bytes and torch's error."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    refused = next((line for line in lines if "global" in line.lower()), None)
    if refused is not None:
        return (
            f"holds more than tensors and plain data, which is never executed ({refused[:120]}): "
            "save the state dict alone, with torch.save(model.state_dict(), file)"
        )
    if not head:
        return f"is empty: {_SOUND_COPY}"
    if head != _ZIP:
        return f"is damaged, or was not written by torch.save: {_SOUND_COPY}"
    reason = next((line for line in lines if "Weights only load failed" not in line), "unreadable")
    return f"is damaged or cut short ({reason[:120]}): {_SOUND_COPY}"


_ZIP = b"PK\x03\x04"
_SOUND_COPY = "remove it, or put a sound copy there"
