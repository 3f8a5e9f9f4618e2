"""The framing of record files that several SDKs write: LevelDB's log format.

A file starts with a header of 7 bytes; then blocks of 32 KiB hold pieces of records, each behind
its checksum (4 bytes), length (2) and kind (1: whole, 2: first, 3: middle, 4: last); what is too
short for another piece at the end of a block is filled up.
Reference: the LevelDB documentation, "leveldb Log format".
"""

import logging
import os
import struct
import zlib
from collections.abc import Iterator

log = logging.getLogger("torch_rechub.runs")

_BLOCK = 32 * 1024
_HEADER = 7
_DAMAGED, _WHOLE, _FIRST, _LAST = 0, 1, 2, 4


def leveldb_records(path: str | os.PathLike[str], ident: bytes) -> Iterator[bytes]:
    """The records of a file, one after another; the whole file is never in memory.

    A record that was cut off, as by ``kill -9``, ends the reading. A damaged one is left out, with
    the rest of its block, and reported.

    Args:
        path: The file; an empty one has no records.
        ident: What its first bytes must be.

    Raises:
        ValueError: The file begins otherwise.
    """
    with open(path, "rb") as file:
        header = file.read(_HEADER)
        if header[: len(ident)] != ident[: len(header)]:
            raise ValueError(f"{os.fspath(path)} begins with {header[:4]!r}, not with {ident!r}")
        file.seek(0)
        parts: list[bytes] = []
        start = _HEADER
        while block := file.read(_BLOCK):
            for kind, piece in _pieces(block, start, path):
                if kind in (_WHOLE, _FIRST, _DAMAGED):
                    parts = []
                if kind in (_WHOLE, _FIRST) or parts:  # else its beginning is lost
                    parts.append(piece)
                if kind in (_WHOLE, _LAST) and parts:
                    yield b"".join(parts)
                    parts = []
            start = 0


def _pieces(block: bytes, at: int, path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    while at + _HEADER <= len(block):
        crc, length, kind = struct.unpack_from("<IHB", block, at)
        piece = block[at + _HEADER : at + _HEADER + length]
        if len(piece) < length or kind == length == 0:
            return  # cut off, or filled up with zeros
        if zlib.crc32(piece, zlib.crc32(bytes([kind]))) != crc or kind > _LAST:
            log.warning("%s is damaged; some of its records are left out.", os.fspath(path))
            yield _DAMAGED, b""
            return
        yield kind, piece
        at += _HEADER + length
