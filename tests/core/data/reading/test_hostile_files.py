"""Damaged files, paths that are not files, and schemas that change between files."""

import gzip
import os

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.reading.reading_checks import check


def test_damaged_files_are_named(tmp_path):
    table = pa.table({"a": [f"user {i}" for i in range(20_000)], "b": range(20_000)})
    whole, cut, bent = (
        tmp_path / name for name in ("whole.parquet", "cut.parquet", "bent.parquet")
    )
    kinds = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(table, whole, **kinds)
    sound = whole.read_bytes()
    cut.write_bytes(sound[:-100])
    place = pq.ParquetFile(whole).metadata.row_group(0).column(1).data_page_offset
    bent.write_bytes(sound[:place] + b"\xff" * 64 + sound[place + 64 :])
    check((ValueError, r"cut\.parquet is no Parquet file, or is damaged"), cut)
    check((ValueError, r"bent\.parquet, column 'b', is damaged"), bent)
    short, junk = tmp_path / "short.csv.gz", tmp_path / "junk.jsonl.gz"
    short.write_bytes(gzip.compress(os.urandom(99).hex().encode() + b"\nx\n" * 9)[:-20])
    junk.write_bytes(b'{"a": 1}\n')
    check((ValueError, r"short\.csv\.gz is damaged, or is not gzip"), short)
    check((ValueError, r"junk\.jsonl\.gz is damaged, or is not gzip"), junk)
    empty = tmp_path / "empty.parquet"
    empty.touch()
    check((ValueError, r"empty\.parquet is no Parquet file"), empty)


def test_paths_that_are_not_files(tmp_path):
    (tmp_path / "x.csv").write_text("a\nx\n")
    (tmp_path / "x.dat").write_text("a|b\nx|1\n")
    check(
        (IsADirectoryError, r"is a folder: name its files, such as by the glob '\S+\*\.parquet'"),
        tmp_path,
    )
    check((FileNotFoundError, r"no file matches the glob '\S+\*\.parquet'"), tmp_path / "*.parquet")
    check((FileNotFoundError, r"there is no file '\S+y\.csv'"), tmp_path / "y.csv")
    check(
        (ValueError, r"x\.csv occurs twice.*its rows would count twice"),
        [tmp_path / "x.csv", tmp_path / "*.csv"],
    )
    check(
        (ValueError, "the format of .*x.dat is not known from its name.*separator="),
        tmp_path / "x.dat",
    )
    check({"a": ["x"], "b": [1]}, tmp_path / "x.dat", separator="|")
    check((ValueError, "must be a local path, got the URL 's3:"), "s3://bucket/x.csv")
    check((TypeError, "a list of paths holds 5"), [tmp_path / "x.csv", 5])
    literal = tmp_path / "x[1].csv"
    literal.write_text("a\ny\n")
    check({"a": ["y"]}, literal)


def test_the_schema_changes_between_files(tmp_path):
    def write(name, **columns):
        path = tmp_path / name
        pq.write_table(pa.table(columns), path)
        return path

    first = write("0.parquet", a=["x"], b=[1], c=[1])
    wide = write("1.parquet", a=["y"], b=[2], c=[2], d=[3])
    narrow = write("2.parquet", a=["y"], b=[2])
    other = write("3.parquet", c=["2"], b=["2.5"], a=[7])
    check((ValueError, r"1\.parquet has the column 'd', which the first part lacks"), [first, wide])
    check(
        (KeyError, r"2\.parquet has no column 'c': its columns are \['a', 'b'\]"), [first, narrow]
    )
    check(
        (TypeError, r"'c' has the type string from row 0 of \S+3\.parquet, but int64 before"),
        [first, other],
    )
    check({"a": ["x", "7"], "b": [1, 2.5]}, [first, other], columns=["a", "b"])
    csv = tmp_path / "4.csv"
    csv.write_text("b,a\n5,007\n")
    check({"a": ["x", "007"], "b": [1, 5]}, [first, csv], columns=["a", "b"])
    lines = [tmp_path / "5.jsonl", tmp_path / "6.jsonl"]
    lines[0].write_text('{"a":"x"}\n')
    lines[1].write_text('{"a":"y"}\n{"a":"y","b":1}\n')
    check(
        (
            ValueError,
            r"row 1 \(line 2\) of \S+6\.jsonl has the key 'b', which the first lines lack",
        ),
        lines,
    )
