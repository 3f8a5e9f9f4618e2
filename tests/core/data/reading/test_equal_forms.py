"""The same data in every format and in memory: the same values, whatever the size of blocks."""

import csv
import io
import json
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from core.data.reading.reading_checks import rows_of
from torch_rechub.data.reading import BlockReader, delimited, json_lines, read_blocks

N = 3_000
POWERS = [-9, -5, -3, 0, 2, 5, 10, 20, 29]  # no whole numbers below 2**53


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(7)
    hole = rng.random(N) < 0.1
    ids = rng.integers(-(2**62), 2**62, N)
    words = rng.choice(["", "007", "7", "a,b", 'q"q', "é\nü", "2024-01-02", " x "], N).astype(
        object
    )
    return pd.DataFrame(
        {
            "id": pd.array(np.where(hole, None, ids), dtype="Int64"),
            "word": np.where(hole, None, words),
            "ratio": np.where(hole, np.nan, rng.normal(size=N) * 10.0 ** rng.choice(POWERS, N)),
            "small": rng.integers(0, 9, N).astype(np.int8),
        }
    )


@pytest.fixture(scope="module")
def folder(frame, tmp_path_factory):
    folder = tmp_path_factory.mktemp("forms")
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_csv(folder / "a.tsv.gz", index=False, sep="\t")
    frame.to_parquet(folder / "a.parquet", row_group_size=700)
    rows = json.loads(frame.to_json(orient="records", double_precision=15))
    for row, ratio in zip(rows, frame["ratio"], strict=True):  # pandas rounds what it writes
        row["ratio"] = None if np.isnan(ratio) else ratio
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


FILES = ["a.csv", "a.tsv.gz", "a.jsonl", "a.parquet"]


def by_hand(frame):
    """The text of each value as a CSV file has it: decimal, and the shortest float."""
    text = {name: [None if pd.isna(c) else str(c) for c in frame[name]] for name in ("id", "small")}
    text["ratio"] = [None if np.isnan(c) else repr(float(c)) for c in frame["ratio"]]
    return {**text, "word": [None if pd.isna(w) or w == "" else w for w in frame["word"]]}


@pytest.mark.parametrize("rows", [1000, 262_144])
@pytest.mark.parametrize("file", [*FILES, None])
def test_the_text_of_values_is_that_of_their_decimals(frame, folder, file, rows):
    names = list(frame.columns)
    data = frame if file is None else folder / file
    options = {"columns": names, "text_columns": names, "number_columns": [], "block_rows": rows}
    expected = by_hand(frame)
    assert rows_of(data, **options) == {name: expected[name] for name in names}
    assert rows_of(data, **options, dictionary=True) == {name: expected[name] for name in names}


def test_whole_floats_are_whole_numbers_but_text_stays_as_it_is_written(tmp_path):
    ids = pd.DataFrame({"a": [1.0, np.nan, 3.0]})  # ids with a hole are floats in pandas
    ids.to_csv(tmp_path / "a.csv", index=False)
    assert rows_of(ids) == {"a": ["1", None, "3"]}
    assert rows_of({"a": [1, None, 3]}) == {"a": ["1", None, "3"]}
    assert rows_of(tmp_path / "a.csv") == {"a": ["1.0", None, "3.0"]}


@pytest.mark.parametrize("file", [*FILES, None])
def test_numbers_are_exact(frame, folder, file):
    data = frame if file is None else folder / file
    found = rows_of(data, columns=["ratio", "id"], number_columns=["id", "ratio"], block_rows=999)
    for name in ("id", "ratio"):
        assert found[name] == [None if pd.isna(cell) else cell for cell in frame[name]]


@pytest.fixture
def small_blocks(monkeypatch):
    """Arrow parses a few rows at a time, so that cells straddle blocks."""
    monkeypatch.setattr(delimited, "_BLOCK", 40)
    monkeypatch.setattr(json_lines, "_CHUNK", 64)


@pytest.mark.parametrize("seed", range(8))
def test_cells_that_straddle_blocks_are_read_as_the_csv_module_reads_them(
    small_blocks, tmp_path, seed
):
    rng = random.Random(seed)
    cells = ["", "x" * 9, "x" * 300, 'q"q', "l\nm", "c,d", '"', '"\n"', "é\r\n", "007"]
    rows = [[rng.choice(cells), str(rng.randrange(10**9)), rng.choice(cells)] for _ in range(60)]
    text = io.StringIO()
    csv.writer(text, lineterminator=rng.choice(["\n", "\r\n"])).writerows([["a", "b", "c"], *rows])
    path = tmp_path / "rows.csv"
    path.write_bytes(text.getvalue().encode())
    found = rows_of(path, block_rows=7)
    oracle = [*csv.reader(io.StringIO(text.getvalue(), newline=""))][1:]
    assert found["a"] == [row[0] or None for row in oracle]
    assert found["b"] == [int(row[1]) for row in oracle]
    assert found["c"] == [row[2] or None for row in oracle]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_types_do_not_depend_on_the_block(small_blocks, tmp_path, kind):
    numbers = [*range(100), 0.5, None, *range(100), 2e300, *range(50)]
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        column = pd.Series(numbers, dtype=object)
        pd.DataFrame({"b": column, "a": range(len(numbers))}).to_csv(path, index=False)
    else:
        lines = [json.dumps({"b": number, "a": i}) for i, number in enumerate(numbers)]
        path.write_text("\n".join(lines))
    found = rows_of(path, block_rows=16)
    assert found == {"b": numbers, "a": [str(i) for i in range(len(numbers))]}


VALUES = [None, True, 5, -7, 2**53 + 1, 2**70, 0.5, 2.0, 1e-7, 1e20, 1e15 + 0.5]
VALUES += ["", "x", "7", "é\n", "2024-01-02 03:04:05", "2024-01-02"]


def text_by_hand(value):
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value == 2 else str(value)


@pytest.mark.parametrize("seed", range(40))
def test_keys_of_any_types_are_read_as_the_json_module_reads_them(small_blocks, tmp_path, seed):
    rng = random.Random(seed)
    values = {key: rng.sample(VALUES, rng.randint(1, 4)) for key in "abcd"}
    rows = [{k: rng.choice(v) for k, v in values.items() if rng.random() < 0.9} for _ in range(30)]
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row, ensure_ascii=seed % 2 == 0) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = rows_of(path, columns=list(values), text_columns=list(values), number_columns=[])
    rows = [json.loads(line) for line in lines]
    assert found == {key: [text_by_hand(row.get(key)) for row in rows] for key in values}


def test_a_wrong_number_far_down_is_found_at_its_line(small_blocks, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + '"x\ny",1\n' * 200 + "z,oops\n")
    with pytest.raises(ValueError, match=r"column 'b' holds 'oops' in row 200 \(line 402\) of"):
        rows_of(path, block_rows=10)


def test_places_count_rows_in_each_file(tmp_path):
    for name, count in (("a.csv", 5), ("b.csv", 3)):
        (tmp_path / name).write_text("b\n" + "".join(f"{i}\n" for i in range(count)))
    reader = BlockReader(str(tmp_path / "*.csv"), block_rows=2, number_columns=["b"])
    for _ in range(2):  # it can be read again
        found = [(block.place.source[-5:], block.place.first_row) for block in reader]
        assert found == [("a.csv", 0), ("a.csv", 2), ("a.csv", 4), ("b.csv", 0), ("b.csv", 2)]
    reader = BlockReader([{"b": [1, 2, 3]}, {"b": [4]}], block_rows=2, number_columns=["b"])
    assert [block.place.first_row for block in reader] == [0, 2, 3]
    assert block_rows_of(reader) == [2, 1, 1]


def block_rows_of(reader):
    return [block.table.num_rows for block in reader]


def test_numbers_in_memory_are_not_copied():
    numbers = np.arange(1000)
    (block,) = read_blocks({"b": numbers}, number_columns=["b"])
    assert block["b"].chunk(0).buffers()[1].address == numbers.ctypes.data
    table = pa.table({"b": numbers, "a": ["x"] * 1000})
    first, second = read_blocks(table, number_columns=["b"], text_columns=["a"], block_rows=600)
    assert second["a"].chunk(0).buffers()[1].address == table["a"].chunk(0).buffers()[1].address
    assert len(first) + len(second) == 1000
