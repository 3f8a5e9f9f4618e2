"""Files as streams: decompressed, as UTF-8 or text, and with a mark at their end."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from .paths import DataFile

OTHER_ENCODING = "pass another one, such as encoding='latin-1' or 'gb18030'"


def opened(file: DataFile, encoding: str) -> Any:
    """Open a file, compressed or not, as a stream of bytes of UTF-8."""
    import pyarrow as pa

    stream = pa.input_stream(str(file.path), compression=file.compression)
    return stream if _is_utf8(encoding) else pa.transcoding_input_stream(stream, encoding, "utf8")


@contextmanager
def opened_text(file: DataFile, encoding: str) -> Iterator[TextIO]:
    """Open a file, compressed or not, as text without its byte order mark.

    Bytes that are not of the encoding become surrogates, as with ``errors="surrogateescape"``.

    Raises:
        ValueError: The file is damaged.
    """
    import pyarrow as pa

    codec = "utf-8-sig" if _is_utf8(encoding) else encoding
    stream = pa.input_stream(str(file.path), compression=file.compression)
    try:
        with io.TextIOWrapper(io.BufferedReader(stream), codec, "surrogateescape") as text:
            yield text
    except OSError as error:
        raise damaged(file, error) from error
    except UnicodeError as error:
        raise ValueError(f"{file} is not {encoding} ({error}): {OTHER_ENCODING}") from error


def damaged(file: DataFile, error: Exception, after: str = "") -> ValueError:
    """The error for a file that cannot be read, or not be decompressed."""
    kind = f"is damaged, or is not {file.compression}" if file.compression else "cannot be read"
    return ValueError(f"{file} {kind}{after}: {error}; copy it again")


class MarkedEnd(io.RawIOBase):
    """A stream with one more line at its end, the mark.

    Arrow takes a quoted cell that is left open for one that the end of the file closes. The mark
    is then part of the cell, and is not seen.

    Args:
        stream: The stream of bytes.
        mark: The line.
    """

    def __init__(self, stream: Any, mark: str) -> None:
        self._stream, self._mark = stream, mark.encode()
        self._last, self._rest = b"", b""

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        more: bytes = self._stream.read(size) if self._mark else b""
        if more:
            self._last = more[-1:]
            return more
        if self._mark:
            ended = self._last in (b"", b"\n", b"\r")
            self._rest, self._mark = (b"" if ended else b"\n") + self._mark, b""
        more, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return more

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
        super().close()


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("-", "").replace("_", "") == "utf8"
