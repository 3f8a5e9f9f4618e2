"""Files of a data set: in a folder, in a zip or tar archive, or alone, compressed or not.

Members of archives are found and read by name; nothing is extracted onto the disk.
"""

import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from .layout import Layout, PublicDataError

_DEPTH = 4  # of folders in which files are looked for
# Text seldom shrinks to less than a tenth; the allowance lets tiny files repeat themselves.
_LARGEST_RATIO = 200
_ALLOWANCE = 64 * 2**20
_DAMAGE = (
    EOFError, NotImplementedError, RuntimeError, gzip.BadGzipFile, lzma.LZMAError,
    tarfile.TarError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A file, or a member of an archive."""

    path: Path
    name: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.name}" if self.name else str(self.path)

    @property
    def base_name(self) -> str:
        """The last part of its name, without ".gz"."""
        return PurePosixPath(self.name or self.path.name).name.removesuffix(".gz")

    @contextmanager
    def open(self) -> Iterator["Bounded"]:
        """Open it, decompressed.

        Raises:
            PublicDataError: It is damaged, or expands to more than any text does.
        """
        with ExitStack() as stack:
            with damaged(self):
                raw, size = self._raw(stack)
                buffered = stack.enter_context(io.BufferedReader(cast(io.RawIOBase, raw)))
                stream: BinaryIO = buffered
                if buffered.peek(2)[:2] == b"\x1f\x8b":
                    stream = cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=buffered)))
            yield Bounded(stream, self, size * _LARGEST_RATIO + _ALLOWANCE)

    def _raw(self, stack: ExitStack) -> tuple[BinaryIO, int]:
        """The bytes of the file or member, and how many there are of them when compressed."""
        size = self.path.stat().st_size
        if not self.name:
            return stack.enter_context(open(self.path, "rb")), size
        if zipfile.is_zipfile(self.path):
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            compressed = archive.getinfo(self.name).compress_size
            return cast(BinaryIO, stack.enter_context(archive.open(self.name))), compressed
        tar = stack.enter_context(tarfile.open(self.path))  # noqa: SIM115
        for member in tar:  # getmember() would read on to the end of the archive
            if member.name == self.name:
                return cast(BinaryIO, tar.extractfile(member)), size
        raise EOFError("the member is no longer in the archive")


class Bounded:
    """A stream that ends with an error when an archive expands too far."""

    def __init__(self, stream: BinaryIO, member: Member, most: int) -> None:
        self._stream = stream
        self._member = member
        self._most = most
        self._left = most

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes.

        Raises:
            PublicDataError: The file is damaged, or too large for its compressed size.
        """
        with damaged(self._member):
            data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise PublicDataError(
                f"{self._member} expands to more than {self._most:,} bytes, over "
                f"{_LARGEST_RATIO} times its compressed size, which no text does: the archive "
                "is not the published one. Download it again."
            )
        return data


@contextmanager
def damaged(member: Member) -> Iterator[None]:
    """Name the file in errors of decompression."""
    try:
        yield
    except PublicDataError:
        raise
    except _DAMAGE as error:
        raise PublicDataError(
            f"{member} is damaged or cut short ({type(error).__name__}: {error}). "
            "Download it again."
        ) from error


def find_members(path: Path, layout: Layout) -> dict[str, tuple[Member, ...]]:
    """Find the files of the tables of a data set.

    Args:
        path: A folder, an archive (zip, tar, tar.gz), or a file of one table.
        layout: The data set.

    Returns:
        The files by the names of the tables that are there.

    Raises:
        FileNotFoundError: There is no such path.
        PublicDataError: No table is there, or two files could be the same table.
    """
    members = list(_members(path))
    found = {}
    for name, table in layout.tables.items():
        files = [m for m in members if any(fnmatchcase(m.base_name, p) for p in table.files)]
        if len(files) > 1 and not table.many:
            names = ", ".join(str(file) for file in files)
            raise PublicDataError(
                f"{path} has {len(files)} files that could be the table {name!r} of "
                f"{layout.title}: {names}. Give the path of one of them."
            )
        if files:
            found[name] = tuple(sorted(files, key=lambda file: file.base_name))
    if not found:
        expected = "; ".join(table.describe() for table in layout.tables.values())
        raise PublicDataError(
            f"{path} has no file of {layout.title}: it has {_some(members)}. Expected {expected}. "
            f"The archive is on {layout.url}"
        )
    return found


def _members(path: Path) -> Iterator[Member]:
    if path.is_dir():
        for depth in range(_DEPTH):
            pattern = "/".join(["*"] * (depth + 1))
            yield from (Member(file) for file in sorted(path.glob(pattern)) if file.is_file())
        return
    with damaged(Member(path)):
        if path.suffix == ".zip":  # is_zipfile() also finds the end of a zip in other files
            with zipfile.ZipFile(path) as archive:
                names = [info.filename for info in archive.infolist() if not info.is_dir()]
            yield from (Member(path, name) for name in names if "__MACOSX" not in name)
        elif path.name.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(path) as tar:
                names = [member.name for member in tar if member.isfile()]
            yield from (Member(path, name) for name in names)
        else:
            path.stat()  # raises FileNotFoundError with the name
            yield Member(path)


def _some(members: Sequence[Member]) -> str:
    names = [member.name or member.path.name for member in members]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return (", ".join(names[:5]) + more) if names else "no files"


def compare_md5(path: Path, layout: Layout) -> None:
    """Compare the checksum of an archive with the published one, where there is one.

    Raises:
        PublicDataError: They differ.
    """
    expected = layout.md5.get(path.name)
    if expected is None or not path.is_file():
        return
    md5 = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(2**20):
            md5.update(chunk)
    if md5.hexdigest() != expected:
        raise PublicDataError(
            f"{path} has the MD5 checksum {md5.hexdigest()}, expected {expected} of "
            f"{layout.title}: it is damaged, or another edition. Download it again from "
            f"{layout.url}, or pass verify=False for an archive that you made yourself."
        )
