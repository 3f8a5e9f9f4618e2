"""Hostile inputs: each gives the right rows, or an error that names file, row, column and remedy.

Columns ``a`` are text and columns ``b`` numbers; an expectation is the rows, or an error's message.
"""

import numpy as np
import pytest

from core.data.reading.reading_checks import check, table_of

MB = "x" * 1_000_000


# (case, bytes of the file, options, expectation)
CSV = [
    ("leading zeros", "a,b\n007,1\n 7 ,2\n", {}, {"a": ["007", " 7 "], "b": [1, 2]}),
    ("empty cells", 'a,b\n,\n"",""\n', {}, {"a": [None, None], "b": [None, None]}),
    ("quotes", 'a,b\n"x,y\nz ""q""",1\nu"v,2\n', {}, {"a": ['x,y\nz "q"', 'u"v'], "b": [1, 2]}),
    ("byte order mark", b"\xef\xbb\xbfa,b\nx,1\n", {}, {"a": ["x"], "b": [1]}),
    ("CRLF, no final newline", "a,b\r\nx,1\r\ny,2", {}, {"a": ["x", "y"], "b": [1, 2]}),
    ("CR alone", "a,b\rx,1\ry,2\r", {}, {"a": ["x", "y"], "b": [1, 2]}),
    ("NUL bytes", b"a,b\nx\0y,1\n", {}, {"a": ["x\0y"], "b": [1]}),
    ("cell of 3 MB", f'a,b\n{MB}{MB}\n"{MB}\n{MB}",1\n'.replace(f"{MB}{MB}\n", f"{MB * 3},2\n"), {},
     {"a": [MB * 3, f"{MB}\n{MB}"], "b": [2, 1]}),
    ("blank lines", "\n\na,b\nx,1\n\ny,2\n\n", {}, {"a": ["x", "y"], "b": [1, 2]}),
    ("blank lines of one column", "a\nx\n\ny\n", {}, {"a": ["x", None, "y"]}),
    ("name with a line break", '"a\nb",b\nx,1\n', {}, {"a\nb": ["x"], "b": [1]}),
    ("column without a name", ",a\n0,x\n", {}, {"": ["0"], "a": ["x"]}),
    ("column named twice", "a,b,a\nx,1,y\n", {},
     (ValueError,
      r"first line of \S+\.csv names column 'a' twice, at positions 0 and 2: pass hea")),
    ("another column named twice", "a,c,c\nx,1,2\n", {"columns": ["a"]}, {"a": ["x"]}),
    ("row of data for names", "1,0,0\n", {},
     (ValueError, "names column '0' twice.*pass header=.names. if it is a row of data")),
    ("missing column", "a,b\nx,1\n", {"columns": ["a", "c"]},
     (KeyError, r"\.csv has no column 'c': its columns are \['a', 'b'\]; pass header=")),
    ("header of another length", "x,1,2\n", {"header": ["a", "b"]},
     (ValueError, r"header has 2 names, but the first line of \S+ has 3 cells")),
    ("short row", 'a,b\n"x\ny",1\n\nz\n', {},
     (ValueError, r"row 1 \(line 5\) of \S+\.csv has 1 cell, not one for each of 2 col.*mend")),
    ("long row", "a,b\nx,1\ny,2,3\n", {}, (ValueError, r"row 1 \(line 3\) of \S+ has 3 cells")),
    ("quote left open", 'a,b\nx,1\n"y,2\n', {}, (ValueError, r"row 1 \(line 3\).* has 1 cell")),
    ("quote left open in the last column", 'b,a\n1,x\n2,"y\n3,z\n', {},
     (ValueError, r"the quote that opens in row 1 \(line 3\) of \S+ is not closed: .*quote=None")),
    ("quotes of text", 'a,b\n"y,2\nz"z,3\n', {"quote": None}, {"a": ['"y', 'z"z'], "b": [2, 3]}),
    ("empty file", "", {}, (ValueError, r"\.csv is empty: it has no line with the names")),
    ("empty file with header", "", {"header": ["a"]}, {}),
    ("header alone", "a,b\n", {}, {}),
    ("one row", "a,b\nx,1", {}, {"a": ["x"], "b": [1]}),
    ("latin-1", b"a,b\nx,1\n\xe9,2\n", {},
     (ValueError,
      r"column 'a' holds the byte 0xe9 in row 1 \(line 3\) of \S+.*encoding='latin-1'")),
    ("latin-1 in the names", b"\xe9,b\n", {}, (ValueError, "first line of .*encoding='latin-1'")),
    ("latin-1 that is named", b"a,b\n\xe9,2\n", {"encoding": "latin-1"}, {"a": ["é"], "b": [2]}),
    ("another encoding", "a,b\né,2\n".encode(), {"encoding": "ascii"},
     (ValueError, r"column 'a' holds the byte 0xc3 in row 0 \(line 2\).*not of the enc.* ascii")),
    ("damaged UTF-16", "a,b\né,2\n".encode("utf-16")[:-1], {"encoding": "utf-16"},
     (ValueError, r"rows\.csv is not utf-16 \(.*truncated data\): pass another one")),
    ("UTF-16", "a,b\né,2\n".encode("utf-16"), {"encoding": "utf-16"}, {"a": ["é"], "b": [2]}),
    ("another separator", "a;b\nx;1\n", {}, (ValueError, "one column by the sep.*separator=';'")),
    ("text among numbers", "a,b\nx,1\ny,NULL\n", {},
     (ValueError,
      r"'b' holds 'NULL' in row 1 \(line 3\) of .*no number.*add 'NULL' to null_values")),
    ("NULL for missing", "a,b\nNULL,NULL\n", {"null_values": ["", "NULL"]},
     {"a": [None], "b": [None]}),
    ("beyond int64", f"a,b\nx,1\ny,{2**63}\n", {},
     (ValueError,
      rf"column 'b' holds the whole number {2**63} in row 1 \(line 3\) of .*int64.*categ")),
    ("largest int64", f"a,b\n{2**63},{2**63 - 1}\nx,-1\n", {},
     {"a": [str(2**63), "x"], "b": [2**63 - 1, -1]}),
    ("large number among fractions", f"b\n0.5\n{2**53 + 1}\n", {},
     (ValueError, rf"the whole number {2**53 + 1} in row 1 \(line 3\) of .* among fractions")),
    ("large number and infinity", f"b\n{2**53 + 1}\n0.5\ninf\n", {},
     (ValueError, rf"the whole number {2**53 + 1} in row 0 \(line 2\) of .* among fractions")),
    ("numbers of all forms", "b\n+1\n 2 \n1e2\n-.5\nnan\ninf\nTrue\n", {},
     {"b": [1, 2, 100, -0.5, None, np.inf, 1]}),
    ("all missing", "a,b\n,\n,\n", {}, {"a": [None, None], "b": [None, None]}),
    ("very wide", ",".join(f"c{i}" for i in range(5000)) + "\n" + ",".join(map(str, range(5000))),
     {"columns": ["c4999"]}, {"c4999": ["4999"]}),
]  # fmt: skip


@pytest.mark.parametrize(("content", "options", "expected"), **table_of(CSV))
def test_a_csv_file(tmp_path, content, options, expected):
    path = tmp_path / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check(expected, path, **options)


JSON = [
    ("changing keys", '{"a":"x"}\n{"b":2,"a":"y"}\n', {}, {"a": ["x", "y"], "b": [None, 2]}),
    ("text and numbers", '{"a":7}\n{"a":"7"}\n{"a":7.5}\n{"a":true}\n', {},
     {"a": ["7", "7", "7.5", "true"]}),
    ("numbers as text", '{"b":"7"}\n{"b":8}\n', {}, {"b": [7, 8]}),
    ("beyond int64", f'{{"a":{2**70}}}\n', {}, {"a": [str(2**70)]}),
    ("number beyond int64", f'{{"b":1}}\n{{"b":{2**70}}}\n', {},
     (ValueError,
      rf"'b' holds the whole number {2**70} in row 1 \(line 2\) of \S+\.jsonl, which is bey")),
    ("large number among fractions", f'{{"a":{2**53 + 1}}}\n{{"a":0.5}}\n', {},
     {"a": [str(2**53 + 1), "0.5"]}),
    ("text like a time", '{"a":"2024-01-02 03:04:05"}\n', {}, {"a": ["2024-01-02 03:04:05"]}),
    ("blank lines", '\n{"a":"x"}\n\r\n  \n{"a":"y"}', {}, {"a": ["x", "y"]}),
    ("byte order mark", b'\xef\xbb\xbf{"a":"x"}\n', {}, {"a": ["x"]}),
    ("broken line", '{"a":"x"}\n\n{"a":"y"\n{"a":"z"}\n', {},
     (ValueError,
      r"row 1 \(line 3\) of \S+ is not JSON: Expecting ',' delimiter.*begins '{\"a\".*mend")),
    ("two objects on a line", '{"a":"x"} {"a":"y"}\n', {},
     (ValueError, r"row 0 \(line 1\).*Extra data")),
    ("object over lines", '{"a":\n"x"}\n', {},
     (ValueError, r"row 0 \(line 1\) of \S+ is not JSON")),
    ("array of objects", '[{"a":"x"}]', {}, (ValueError, "is a JSON array.*lines=True")),
    ("no object", '{"a":"x"}\n5\n', {},
     (ValueError, r"row 1 \(line 2\) of \S+ is int, not an object")),
    ("key twice", '{"a":"x","a":"y"}\n', {},
     (ValueError, r"row 0 \(line 1\).*key 'a' occurs twice")),
    ("objects within", '{"a":{"c":1}}\n', {},
     (TypeError, r"'a' holds objects.*row 0.*json_normalize")),
    ("objects that are not read", '{"a":1,"z":[1]}\n{"a":"x","z":{"c":1}}\n',
     {"columns": ["a"]}, {"a": ["1", "x"]}),
    ("another encoding", '{"a":"é"}'.encode(), {"encoding": "ascii"},
     (ValueError, r"\.jsonl is not of the encoding ascii.*encoding='latin-1'")),
    ("lists", '{"a":["x",""]}\n{"a":null}\n{"a":[1]}\n', {}, {"a": [["x", None], None, ["1"]]}),
    ("vectors", '{"b":[1,0.5]}\n{"b":[2,3]}\n', {}, {"b": [[1, 0.5], [2, 3]]}),
    ("empty text", '{"a":""}\n', {}, {"a": [None]}),
    ("NaN", '{"b":NaN}\n{"b":null}\n', {}, {"b": [None, None]}),
    ("latin-1", b'{"a":"x"}\n{"a":"\xe9"}\n', {},
     (ValueError, r"row 1 \(line 2\).*byte 0xe9.*encoding=")),
    ("latin-1 that is named", b'{"a":"\xe9"}\n', {"encoding": "latin-1"}, {"a": ["é"]}),
    ("half a character", '{"a":"\\ud83d"}\n', {},
     (ValueError, r"'a' holds half a character.*row 0 \(line 1\)")),
    ("missing key", '{"a":"x"}\n', {"columns": ["c"]},
     (KeyError, r"no line of \S+ has the key 'c'.*\['a'\]")),
    ("empty file", "", {}, (ValueError, r"\.jsonl is empty")),
    ("blank file", "\n \n", {}, (ValueError, r"\.jsonl is empty")),
    ("cell of 3 MB", f'{{"a":"{MB * 3}"}}\n{{"a":"y"}}\n', {}, {"a": [MB * 3, "y"]}),
]  # fmt: skip


@pytest.mark.parametrize(("content", "options", "expected"), **table_of(JSON))
def test_a_file_of_json_lines(tmp_path, content, options, expected):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check(expected, path, **options)
