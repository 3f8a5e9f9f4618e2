"""Files are put together here by the format's description, with the sizes that matter."""

import struct
import zlib

import pytest

from torch_rechub.runs.damage import Damage
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
    with Damage(path, "record", "byte") as damage:
        return [record for _, record in leveldb_records(path, IDENT, 0, damage)]


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


def test_damage_costs_its_record_and_is_reported(tmp_path, caplog):
    records = [bytes([i]) * 9_000 for i in range(20)]
    data = bytearray(framed(records))
    data[BLOCK + 500] ^= 1
    found = read(tmp_path / "f", bytes(data))
    assert found == records[:3] + records[4:]  # the fourth reaches into the second block
    assert f"f: 1 damaged record is left out: byte {BLOCK} (its checksum is another)" in caplog.text


def test_every_flipped_bit_costs_the_record_it_lies_in_and_is_reported(tmp_path, caplog):
    records = [b"one" * 9, b"two", b"", b"three" * 5]
    data = framed(records)
    ends = [7]
    for record in records:
        ends.append(ends[-1] + 7 + len(record))
    for bit in range(8 * ends[0], 8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        caplog.clear()
        hit = sum(bit // 8 >= end for end in ends) - 1
        assert read(tmp_path / "f", bytes(flipped)) == records[:hit] + records[hit + 1 :], bit
        assert "1 damaged record is left out: byte" in caplog.text, bit


def test_a_piece_that_is_missing_is_reported(tmp_path, caplog):
    first = b"a" * (BLOCK - 100)
    data = framed([first, b"b" * 200, b"c"])
    last_piece = slice(BLOCK, BLOCK + 7 + 200 - (100 - 3 * 7))  # of the second record
    assert read(tmp_path / "e", data[: last_piece.start] + data[last_piece.stop :]) == [first, b"c"]
    assert f"e: 1 damaged record is left out: byte {BLOCK} (the end of a rec" in caplog.text
    assert read(tmp_path / "f", data[:7] + data[BLOCK:]) == [b"c"]
    assert "f: 1 damaged record is left out: byte 7 (the beginning of a rec" in caplog.text
    assert read(tmp_path / "g", data[:7] + bytes(BLOCK - 7) + data[BLOCK:]) == [b"c"]
    assert "g: 1 damaged record is left out: byte 7 (zeros between records)" in caplog.text


def test_a_file_of_nothing_but_damage_is_read_in_seconds(tmp_path):
    header = struct.pack("<IHB", 0, 9, 1)  # in which every seventh byte could begin a piece
    assert read(tmp_path / "f", IDENT + b"\0\0\0" + header * (20 * BLOCK // 7)) == []


def test_a_file_of_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"it begins with b'PK.*, not with b':W&B'"):
        read(tmp_path / "f", b"PK\x03\x04 and so on")


def test_a_later_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="it has format 3, and the installed reader knows 0"):
        read(tmp_path / "f", IDENT + b"\0\0\3")


def test_an_empty_file_has_no_records(tmp_path):
    assert read(tmp_path / "f", b"") == []
