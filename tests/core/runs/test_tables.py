import csv
import io
import json
import math

import pytest

from torch_rechub.runs import tables
from torch_rechub.runs.tables import (
    Table,
    aligned,
    cell,
    csv_text,
    json_text,
    markdown,
    number,
    shortened,
    spread,
    width,
)

TABLE = Table(
    ("name", "lr", "dims"),
    (("精排模型", "0.1", "[64, 32]"), ("a", "0.001", "")),
    numeric=frozenset({"lr"}),
    optional=("lr", "dims"),
)


def test_columns_line_up_where_chinese_characters_take_two():
    text, left_out = aligned(TABLE, None)
    assert text == (
        "name         lr  dims\n"
        "精排模型    0.1  [64, 32]\n"
        "a         0.001\n"
    )  # fmt: skip
    assert left_out == ()


def test_what_has_no_room_is_left_out_the_last_first():
    assert aligned(TABLE, 25)[1] == ()
    text, left_out = aligned(TABLE, 16)
    assert left_out == ("dims",)
    assert max(map(width, text.splitlines())) <= 16
    text, left_out = aligned(TABLE, 3)  # what is not optional stays
    assert (text.split(), left_out) == (["name", "精排模型", "a"], ("lr", "dims"))


@pytest.mark.parametrize(
    ("text", "columns", "cut"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("精排", 4, "精排"), ("精排模", 4, "精…"), ("", 1, "")],
)
def test_long_cells_are_cut_by_their_width(text, columns, cut):
    assert shortened(text, columns) == cut
    assert width(cut) <= columns


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\r", "\x07", "\u202eabc", "\ud800"])
def test_nothing_that_steers_a_terminal_passes(text):
    assert cell(text).isprintable()


@pytest.mark.parametrize("letter", ["a", "精", "e\u0301"])
def test_cutting_a_text_looks_at_each_character_once(letter, monkeypatch):
    looked_at = []
    real = tables.unicodedata.combining
    monkeypatch.setattr(
        tables.unicodedata, "combining", lambda c: (looked_at.append(c), real(c))[1]
    )
    text = letter * 10_000
    assert width(shortened(text, 48)) <= 48
    assert len(looked_at) <= 48 * 4
    looked_at.clear()
    assert shortened(text, 30_000) == text
    assert len(looked_at) == (0 if text.isascii() else len(text))


def test_numbers_are_read_with_ease():
    assert [number(v) for v in (0.5, 0.123456, 12, 1e-7, 1e20, math.inf)] == [
        "0.5000", "0.1235", "12", "1e-07", "1e+20", "inf",
    ]  # fmt: skip
    assert [number(v) for v in (76997.047, 146339.81, 1234567.0, -2e5 - 0.5, 1e300)] == [
        "76997.0470", "146339.8", "1234567", "-200000.5", "1e+300",
    ]  # fmt: skip
    assert spread(0.7, 0.01234) == "0.7000 ± 0.0123"
    assert spread(1e-5, 1e-6) == "1e-05 ± 1e-06"


def test_markdown_shows_names_as_they_are():
    table = Table(("a|b",), (("*x*_<b>[l](u)",),), frozenset({"a|b"}))
    assert markdown(table) == (
        "| a\\|b |\n| ---: |\n| \\*x\\*\\_&lt;b>\\[l](u) |\n"
    )  # fmt: skip


RECORD = {"name": 'a,"b"\n精', "value": 1 / 3, "sd": None, "seeds": [0, 1], "nan": math.nan}


def test_csv_keeps_numbers_in_full_and_names_with_commas():
    (row,) = csv.DictReader(io.StringIO(csv_text([RECORD])))
    assert row["name"] == 'a,"b"\\n精'
    assert float(row["value"]) == 1 / 3
    assert (row["sd"], row["seeds"], row["nan"]) == ("", "[0, 1]", "nan")


def test_json_is_strict_and_keeps_numbers_in_full():
    text = json_text([RECORD])
    (read,) = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert read == {**RECORD, "nan": "nan"}
    assert "精" in text
