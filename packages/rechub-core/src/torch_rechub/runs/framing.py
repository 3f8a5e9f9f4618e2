"""Reader of LevelDB's log format, the framing of record files that several SDKs write.

A file starts with a header of 7 bytes; then blocks of 32 KiB hold pieces of records, each after its
checksum (4 bytes), length (2) and kind (1: whole, 2: first, 3: middle, 4: last). The end of a block
is padded if it is too short for another piece.
Reference: the LevelDB documentation, "leveldb Log format".
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

from .damage import Damage

AnyMessage = TypeVar("AnyMessage")

_BLOCK = 32 * 1024
_HEADER = 7
_DAMAGED, _WHOLE, _FIRST, _MIDDLE, _LAST, _ZEROS = range(6)
_SEARCHES = 100  # in a file that is damaged throughout, a search in every block would take minutes


def leveldb_records(
    path: str | os.PathLike[str], ident: bytes, version: int, damage: Damage
) -> Iterator[tuple[int, bytes]]:
    """Iterate over the records of a file with the position of their last piece, block by block.

    A truncated record, as after ``kill -9``, ends the iteration. Damaged records are skipped up to
    the next one with a correct checksum. The length of a piece is not part of its checksum, but a
    wrong length gives a wrong checksum.

    Args:
        path: The file; an empty one has no records.
        ident: The required first bytes of the file.
        version: The latest version of the format that can be read, the last byte of the header.
        damage: Counts the parts that are skipped.

    Raises:
        ValueError: The file has another header, or a later version.
    """
    parts: list[bytes] = []
    lost = False  # whether the beginning of the current record is lost
    with open(path, "rb") as file:
        _check_header(file.read(_HEADER), ident, version)
        for at, kind, piece in _all_pieces(file, damage):
            if parts and kind in (_WHOLE, _FIRST):
                damage.add(at, "the end of a record is missing")
            if not parts and not lost and kind in (_MIDDLE, _LAST):
                damage.add(at, "the beginning of a record is missing")
            parts = [] if kind in (_DAMAGED, _WHOLE, _FIRST) else parts
            lost = kind == _DAMAGED or (not parts and kind in (_MIDDLE, _LAST))
            if not lost:
                parts.append(piece)
            if parts and kind in (_WHOLE, _LAST):
                yield at, b"".join(parts)
                parts = []


def leveldb_messages(
    path: str | os.PathLike[str],
    ident: bytes,
    version: int,
    damage: Damage,
    parse: Callable[[bytes], AnyMessage],
) -> Iterator[tuple[int, AnyMessage]]:
    """Iterate over the records of a file as messages, with their positions.

    Args:
        path: The file.
        ident: The required first bytes of the file.
        version: The latest version of the format that can be read.
        damage: Counts the parts that are skipped, and the records that are no message.
        parse: Parses a record, such as the `FromString` of a class of protobuf.

    Raises:
        ValueError: The file has another header, or a later version.
    """
    for at, data in leveldb_records(path, ident, version, damage):
        try:
            message = parse(data)
        except Exception as error:  # protobuf's, which core does not know
            damage.add(at, str(error))
            continue
        yield at, message


def last_records(path: str | os.PathLike[str], blocks: int = 32) -> Iterator[bytes]:
    """Iterate over the records in the last blocks of a file of any size; damage is skipped.

    Args:
        path: The file.
        blocks: Number of blocks of 32 KiB to read.
    """
    parts: list[bytes] = []
    with open(path, "rb") as file:
        begin = max(0, os.fstat(file.fileno()).st_size // _BLOCK + 1 - blocks) * _BLOCK
        file.seek(begin)
        start = 0 if begin else _HEADER
        while block := file.read(_BLOCK):
            for _, kind, piece in _pieces(block, start, False):
                parts = [*parts, piece] if kind in (_MIDDLE, _LAST) and parts else [piece]
                if kind == _WHOLE or (kind == _LAST and len(parts) > 1):
                    yield b"".join(parts)
                if kind not in (_FIRST, _MIDDLE):
                    parts = []
            start = 0


def _all_pieces(file: BinaryIO, damage: Damage) -> Iterator[tuple[int, int, bytes]]:
    """Iterate over position, kind and bytes of the pieces of a file, damaged ones included."""
    file.seek(0)
    begin, start, hole = 0, _HEADER, -1
    while block := file.read(_BLOCK):
        for at, kind, piece in _pieces(block, start, damage.count < _SEARCHES):
            if kind == _ZEROS:
                hole = begin + at  # padding at the end of the file, unless a piece follows
                continue
            if hole >= 0:
                damage.add(hole, "zeros between records")
                yield hole, _DAMAGED, b""
                hole = -1
            if kind == _DAMAGED:
                damage.add(begin + at, "its checksum is another")
            yield begin + at, kind, piece
        begin, start = begin + len(block), 0


def _check_header(header: bytes, ident: bytes, version: int) -> None:
    if header[: len(ident)] != ident[: len(header)]:
        raise ValueError(f"it begins with {header[: len(ident)]!r}, not with {ident!r}")
    if len(header) == _HEADER and header[-1] > version:
        raise ValueError(
            f"it has format {header[-1]}, and the installed reader knows {version}: update the "
            "package of this backend"
        )


def _pieces(block: bytes, at: int, search: bool) -> Iterator[tuple[int, int, bytes]]:
    """Iterate over position, kind and bytes of the pieces of a block, with damage and zeros."""
    while at + _HEADER <= len(block):
        crc, length, kind = struct.unpack_from("<IHB", block, at)
        if crc == length == kind == 0 and not block[at:].strip(b"\0"):
            yield at, _ZEROS, b""
            return
        piece = block[at + _HEADER : at + _HEADER + length]
        if _is_piece(block, at):
            yield at, kind, piece
            at += _HEADER + length
            continue
        places = range(at + 1, len(block)) if search else ()
        after = next((place for place in places if _is_piece(block, place)), None)
        cut_off = len(piece) < length and len(block) < _BLOCK and kind <= _LAST
        if cut_off and after is None and _checksum(kind, piece) != crc:  # else the length is wrong
            return
        yield at, _DAMAGED, b""
        if after is None:
            return
        at = after


def _is_piece(block: bytes, at: int) -> bool:
    if at + _HEADER > len(block):
        return False
    crc: int
    crc, length, kind = struct.unpack_from("<IHB", block, at)
    end = at + _HEADER + length
    if kind not in (_WHOLE, _FIRST, _MIDDLE, _LAST) or end > len(block):
        return False
    return crc == _checksum(kind, block[at + _HEADER : end])


def _checksum(kind: int, piece: bytes) -> int:
    return zlib.crc32(piece, zlib.crc32(bytes([kind])))
