"""Blocks of whole lines, read from a stream within bounded memory."""

from collections.abc import Iterator

from .layout import FaultError
from .members import Bounded

BLOCK = 4 * 2**20  # bytes, read at a time
LONGEST = 16 * 2**20  # bytes of a line
_BOM = b"\xef\xbb\xbf"


def line_blocks(stream: Bounded, quoted: bool) -> Iterator[tuple[int, bytes]]:
    r"""Yield blocks of whole lines with the number of the first, from 1.

    Lines end with "\n" alone, the last one too; blank lines at the end of a block are left out.

    Args:
        stream: The file.
        quoted: Whether a line ends only where its double quotes are balanced.

    Raises:
        FaultError: A line is longer than `LONGEST`, or has a NUL byte.
    """
    line, rest = 1, b""
    start = True
    while chunk := stream.read(BLOCK):
        data = rest + chunk
        data = data.removeprefix(_BOM) if start else data
        start = False
        end = _end_of_lines(data, quoted)
        if not end and len(data) > LONGEST:
            raise FaultError(line, f"is longer than {LONGEST:,} bytes, or a quote is not closed")
        if end:
            yield line, _tidy(data[:end], line)
        line += data.count(b"\n", 0, end)
        rest = data[end:]
    if rest.strip(b"\r\n"):
        yield line, _tidy(rest, line)


def _end_of_lines(data: bytes, quoted: bool) -> int:
    """The number of bytes up to the last end of a line outside quotes."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end) if quoted else 0
    while end and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return end


def _tidy(block: bytes, line: int) -> bytes:
    if b"\0" in block:
        place = block.index(b"\0")
        raise FaultError(line + block.count(b"\n", 0, place), "has a NUL byte")
    return block.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
