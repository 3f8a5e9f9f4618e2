"""Files that grow are read line by line, to the same runs as a reading from the beginning.

Lines of metrics are decoded by a short way, to the same records as all other lines.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.runs.odd_lines import AFTER, BEFORE, LEFT_OUT, READ, metrics, start
from torch_rechub.basic.tracking.json_lines import _plain_metrics, from_json_line
from torch_rechub.runs import read_runs
from torch_rechub.runs.jsonl_reader import JSONLRunReader

USUAL = '{"v":1,"event":"metrics","time":"t","step":3,"metrics":{"a":0.5,"b":-1e-300}}\n'
ODD_PARTS = [
    '"v":1', '"v":true', '"v":1.0', '"v":2', '"event":"metrics"', '"event":"text"', '"time":"t"',
    '"time":"\\u0024"', '"time":null', '"time":"a\\"b"', '"step":3', '"step":3.0', '"step":true',
    '"step" :3', '"metrics":{"a":0.5}', '"metrics":{"a":1e999}', '"metrics":{"a":1}',
    '"metrics":{"a":0.5,"a":0.5}', '"metrics":{"a" :0.5,"b":0.5}', '"metrics":{"$float":"nan"}',
    '"metrics":{"a":{"$float":"nan"}}', '"metrics":{"\\u0024float":0.5}', '"metrics":{}',
    '"metrics":{"a":NaN}', '"metrics":{"a":1e308,"b":1e308}', '"metrics":[0.5]', '"x":1e999',
    '"metrics":{"a":"b"}', '"metrics":{"a":true}',
]  # fmt: skip


def decoded(line):
    try:
        return repr(from_json_line(line))
    except ValueError:
        return "an error"


def test_a_line_of_metrics_takes_the_short_way():
    assert _plain_metrics(USUAL.encode()) == json.loads(USUAL)


@given(st.lists(st.sampled_from(ODD_PARTS), max_size=7), st.sampled_from(["\n", "", " \n", "x\n"]))
@example(
    ['"v":1', '"event":"metrics"', '"time":"t"', '"step" :3', '"metrics":{"a":1.5,"a":2.5}'], "\n"
)
def test_the_short_way_gives_what_the_strict_way_gives_or_nothing(parts, end):
    line = f"{{{','.join(parts)}}}{end}".encode()
    assert _plain_metrics(line) is None or repr(_plain_metrics(line)) == decoded(line)


@given(st.integers(0, len(USUAL) - 1), st.sampled_from(list('"{}:,.0e\\$x \n')))
def test_it_notices_any_changed_character(place, character):
    line = f"{USUAL[:place]}{character}{USUAL[place + 1 :]}".encode()
    assert _plain_metrics(line) is None or repr(_plain_metrics(line)) == decoded(line)


def run_of(file):
    (run,) = read_runs(file)
    return run


def without_path(run):
    return replace(run, path="")


def growing(path):
    follower = JSONLRunReader().follow(path)
    return lambda: follower.read()[-1]


ALL = [*BEFORE, *(line for line, _ in (LEFT_OUT | READ).values()), *AFTER]


def test_a_file_that_grows_by_any_line_gives_the_runs_of_a_whole_reading(tmp_path, caplog):
    file, whole = tmp_path / "a.run.jsonl", tmp_path / "whole.run.jsonl"
    file.touch()
    now = growing(file)
    for line in ALL:
        text = line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")
        with file.open("ab") as stream:
            stream.write(text + b"\n")
        grown = now()
    whole.write_bytes(file.read_bytes())
    assert repr(without_path(grown)) == repr(without_path(run_of(whole)))
    reports = [record.getMessage() for record in caplog.records if "a.run" in record.getMessage()]
    (all_of_it,) = [
        record.getMessage() for record in caplog.records if "whole.run" in record.getMessage()
    ]
    assert f": {len(reports)} damaged lines are left out" in all_of_it  # each was reported once


def test_each_line_is_read_once(tmp_path, monkeypatch):
    file = tmp_path / "a.run.jsonl"
    file.write_text("".join(f"{line}\n" for line in BEFORE))
    now = growing(file)
    assert now().epochs == 1
    from torch_rechub.runs import jsonl_lines

    read, real = [], jsonl_lines.read_records
    monkeypatch.setattr(
        jsonl_lines, "read_records",
        lambda *given: (read.append(pair) or pair for pair in real(*given)),
    )  # fmt: skip
    with file.open("a") as stream:
        stream.write(metrics(step="1") + "\n")
    assert now().epochs == 2
    assert [number for number, _ in read] == [4]
    assert now().epochs == 2
    assert len(read) == 1


def test_a_line_that_is_still_being_written_counts_when_it_is_complete(tmp_path, caplog):
    file = tmp_path / "a.run.jsonl"
    lines = "".join(f"{line}\n" for line in [*BEFORE, *AFTER]).encode()
    now = growing(file)
    for end in range(len(BEFORE[0]) + 1, len(lines) + 1, 7):
        file.write_bytes(lines[:end])
        assert now().name == "bad"
    file.write_bytes(lines)
    assert repr(now()) == repr(run_of(file))
    assert caplog.records == []


@pytest.mark.parametrize("how", ["shorter", "replaced"])
def test_a_file_that_was_replaced_is_read_from_its_beginning(how, tmp_path):
    file, other = tmp_path / "a.run.jsonl", tmp_path / "other"
    file.write_text("".join(f"{line}\n" for line in [*BEFORE, *AFTER]))
    now = growing(file)
    assert now().status == "finished"
    lines = [start("second")] + [metrics(step=str(n)) for n in range(1 if how == "shorter" else 99)]
    other.write_text("".join(f"{line}\n" for line in lines))
    if how == "shorter":
        file.write_bytes(other.read_bytes())
    else:
        other.replace(file)
    assert (now().name, now().status, now().epochs) == ("second", "unfinished", len(lines) - 1)


def test_a_run_that_was_returned_does_not_change(tmp_path):
    file = tmp_path / "a.run.jsonl"
    file.write_text("".join(f"{line}\n" for line in BEFORE))
    now = growing(file)
    earlier = now()
    with Path(file).open("a") as stream:
        stream.write(metrics(step="1") + "\n")
    assert (earlier.epochs, now().epochs, earlier.epochs) == (1, 2, 1)
