"""Reading and writing files: errors that name the file, atomic writes, safe loading of tensors."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from .types import FilePath


log = logging.getLogger("torch_rechub")


class CheckpointError(RuntimeError):
    """A weight file or checkpoint cannot be used; the message gives the reason and the remedy."""


@contextmanager
def naming(file: "FilePath") -> Iterator[None]:
    """Add the name of a file to OSErrors in the block that lack one, such as that of a full disk.

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
        if error.errno is None:  # raised by a library, with a text only
            raise OSError(f"{error}: {os.fspath(file)!r}") from error
        raise OSError(error.errno, error.strerror, os.fspath(file)) from error


@contextmanager
def written_whole(file: "FilePath") -> Iterator[BinaryIO]:
    """Write a file atomically: the stream replaces `file` when the block ends without an error.

    The content goes to a temporary file in the same folder, unique to this writer. After an error
    or a crash `file` is as before.

    Raises:
        OSError: Writing failed, as on a full disk; the error names `file`.

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
    # O_EXCL: no two writers open the same file, and a link planted at the name is not followed
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with naming(file):
        descriptor = os.open(new, flags | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with open(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                # data before name: otherwise a power failure may leave the new name on an empty
                # file
                os.fsync(stream.fileno())
            os.replace(new, file)  # atomic, as both are in one folder
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(new)
            raise


@contextmanager
def written_folder(target: Path) -> Iterator[Path]:
    """Write a folder whole or not at all: the yielded one replaces `target` when the block ends.

    Raises:
        OSError: Writing failed, as on a full disk; the error names `target`, which is as before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        with naming(target):
            yield new
            replace_folder(new, target)


def replace_folder(new: Path, target: Path) -> None:
    """Rename a folder to `target`; an earlier folder there is then where the new one was, or gone.

    On Linux the two change places in one step, so that `target` is always there, also if the
    process is killed. Elsewhere it is missing for a moment between two renames.

    Raises:
        OSError: A rename failed; `target` is as before.
    """
    if not target.exists():
        os.replace(new, target)
        return
    if _exchange(new, target):
        return
    old = new.with_name(f"{new.name}-old")
    os.replace(target, old)
    try:
        os.replace(new, target)
    except OSError:
        os.replace(old, target)
        raise


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two paths in one step; False where the system or the file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    rename = getattr(ctypes.CDLL(None), "renameat2", None)  # glibc has it since 2.28
    if rename is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    paths = (os.fsencode(first), os.fsencode(second))
    return bool(rename(here, paths[0], here, paths[1], exchange) == 0)


def read_tensors(file: "FilePath") -> Any:
    """Load a file written by `torch.save` onto the CPU, without executing code in it.

    Raises:
        OSError: The file does not exist or cannot be opened.
        CheckpointError: The file is damaged, or holds other objects than tensors and plain data.
    """
    import torch

    _warn_of_torch(str(torch.__version__))
    with open(file, "rb") as stream:  # OSErrors of open pass unchanged
        head = stream.read(4)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch raises many types for damaged bytes
        raise CheckpointError(f"{os.fspath(file)} {_why_unreadable(head, str(error))}") from error


@cache
def _warn_of_torch(version: str) -> None:
    """Warn once if the installed torch has known vulnerabilities in loading files."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < (2, 10):
        log.warning(
            "torch %s has known vulnerabilities in torch.load: a crafted file may execute code, "
            "even with weights_only=True. Load files from trusted sources only, or install "
            "torch>=2.10.",
            version,
        )


def _why_unreadable(head: bytes, message: str) -> str:
    """Explain cause and remedy of a load error, from the head of the file and torch's message."""
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
