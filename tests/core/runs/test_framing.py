"""Files are put together here by the format's description, with the sizes that matter."""

import struct
import zlib

import pytest

from torch_rechub.runs.framing import leveldb_records

IDENT = b":W&B"
BLOCK = 32 * 1024


def framed(records):
    data = bytearray(IDENT + b"\0\0\0")
    for record in records:
        first = True
        while first or record:
            room = BLOCK - len(data) % BLOCK
            if room < 7:
                data += bytes(room)
                room = BLOCK
            piece, record = record[: room - 7], record[room - 7 :]
            kind = {(1, 0): 1, (1, 1): 2, (0, 1): 3, (0, 0): 4}[first, bool(record)]
            crc = zlib.crc32(bytes([kind]) + piece)
            data += struct.pack("<IHB", crc, len(piece), kind) + piece
            first = False
    return bytes(data)


def read(path, data):
    path.write_bytes(data)
    return list(leveldb_records(path, IDENT))


RECORDS = [b"", b"a" * 10, b"b" * (3 * BLOCK), b"c" * BLOCK, b"d" * (BLOCK - 300), b"e", b"f" * 99]


@pytest.mark.parametrize("filling", range(9))
def test_records_of_every_size_come_back_wherever_a_block_ends(tmp_path, filling):
    # the second record ends so that 0 to 8 bytes are left in the block
    records = [b"x", b"y" * (BLOCK - 7 - 8 - 7 - filling), *RECORDS]
    assert read(tmp_path / "f", framed(records)) == records


def test_a_record_that_is_cut_off_ends_the_reading_quietly(tmp_path, caplog):
    data = framed(RECORDS)
    for size in [*range(40), *range(40, len(data), 997)]:
        found = read(tmp_path / "f", data[:size])
        assert found == RECORDS[: len(found)]
        assert sum(len(record) for record in found) <= size
    assert caplog.records == []


def test_zeros_at_the_end_are_no_records_and_no_damage(tmp_path, caplog):
    assert read(tmp_path / "f", framed([b"a"]) + bytes(5 * BLOCK)) == [b"a"]
    assert caplog.records == []


def test_damage_costs_what_lies_in_its_block_and_is_reported(tmp_path, caplog):
    records = [bytes([i]) * 9_000 for i in range(20)]
    data = bytearray(framed(records))
    data[BLOCK + 500] ^= 1
    found = read(tmp_path / "f", bytes(data))
    assert found == records[:3] + records[8:]  # those that begin or end in the second block
    assert "f is damaged" in caplog.text


def test_a_file_of_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"f begins with b'PK.*, not with b':W&B'"):
        read(tmp_path / "f", b"PK\x03\x04 and so on")


def test_an_empty_file_has_no_records(tmp_path):
    assert read(tmp_path / "f", b"") == []
