"""Lines that no `JSONLLogger` wrote, among those of a run: each costs itself alone and is reported.

Every line of the tables in `odd_lines` stands between good ones.
"""

import csv
import io
import json
import math
import time

import pytest

from core.runs.odd_lines import AFTER, BEFORE, KEPT, LEFT_OUT, READ, metrics, start
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.cli import main
from torch_rechub.runs import compare, read_runs


def written(line):
    return line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")


@pytest.fixture
def among(tmp_path):
    """Writes a line among good ones, next to a run of another file; gives the folder."""

    def write(line):
        other = [start("other"), *BEFORE[1:], *AFTER]
        (tmp_path / "a.run.jsonl").write_text("\n".join(other) + "\n")
        lines = [*map(written, BEFORE), written(line), *map(written, AFTER)]
        (tmp_path / "b.run.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        return tmp_path

    return write


@pytest.mark.parametrize(("line", "reason"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_line_that_is_none_costs_itself_and_is_reported_with_its_number(
    line, reason, among, caplog
):
    folder = among(line)
    other, bad = read_runs(folder)
    assert (other.name, bad.name) == ("other", "bad")
    assert other.metrics == bad.metrics == {"val/auc": KEPT}
    assert other.status == bad.status == "finished"
    assert bad.hyperparams == {"lr": 0.1, "monitor": "val/auc"}
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{folder}/b.run.jsonl: 1 damaged line is left out: line 4 (")
    assert reason in message


@pytest.mark.parametrize(("line", "points"), READ.values(), ids=READ)
def test_an_odd_line_that_is_one_is_read(line, points, among, caplog):
    folder = among(line)
    other, bad = sorted(read_runs(folder), key=lambda run: run.path)
    assert other.metrics == {"val/auc": KEPT}
    assert bad.metrics["val/auc"] == [KEPT[0], *points, KEPT[1]]
    assert bad.status == "finished"
    assert caplog.records == []


@pytest.mark.parametrize("line", [*LEFT_OUT.values(), *READ.values()], ids=[*LEFT_OUT, *READ])
def test_a_run_with_an_odd_line_can_be_continued(line, among):
    folder = among(line[0])
    with JSONLLogger(dir=folder, id="b", resume="must") as logger:
        logger.log_metrics({"val/auc": 1.0})
    (run,) = [run for run in read_runs(folder) if run.path.endswith("b.run.jsonl")]
    assert run.last("val/auc") == (10, 1.0)


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
@pytest.mark.parametrize("command", ["runs", "compare"])
def test_every_command_shows_all_runs_whatever_their_lines(command, form, tmp_path, capsys):
    lines = {name: line for name, (line, _) in (LEFT_OUT | READ).items()}
    for number, line in enumerate(lines.values()):
        texts = [start(f"run{number}."), *BEFORE[1:], line, *AFTER]
        (tmp_path / f"{number}.run.jsonl").write_bytes(b"\n".join(map(written, texts)) + b"\n")
    page = ["--plot", str(tmp_path / "curves.html")] if command == "compare" else []
    assert main([command, str(tmp_path), *page, "--format", form]) == 0
    out = capsys.readouterr().out
    assert [number for number in range(len(lines)) if f"run{number}." not in out] == []
    assert {c for c in out if not c.isprintable()} == {"\n"}
    if form == "json":
        json.loads(out, parse_constant=pytest.fail)
    if form == "csv":
        assert len(list(csv.reader(io.StringIO(out)))) == len(lines) + 1


def test_many_damaged_lines_of_a_file_are_one_report(among, caplog):
    among("\n".join(["null", metrics(), "[]", "7"]))
    read_runs(among("\n".join(["null", metrics(), "[]", "7"])))
    (message,) = [record.getMessage() for record in caplog.records]
    assert "b.run.jsonl: 3 damaged lines are left out, the first at line 4 (no JSON ob" in message


# Starts


def only(folder):
    return [run for run in read_runs(folder) if run.path.endswith("b.run.jsonl")]


@pytest.mark.parametrize(
    "header",
    [start().replace("2026", "0001"), start(more=',"project":5'), start()[:20], "null"],
    ids=["time", "project", "cut off", "something else"],
)
def test_a_run_whose_start_is_damaged_goes_by_the_files_name(header, tmp_path, caplog):
    (tmp_path / "b.run.jsonl").write_text("\n".join([header, *BEFORE[1:], *AFTER]) + "\n")
    (run,) = only(tmp_path)
    assert (run.name, run.started, run.metrics) == ("b", None, {"val/auc": KEPT})
    (message,) = [record.getMessage() for record in caplog.records]
    assert "1 damaged line is left out: line 1" in message


def test_a_run_without_a_start_goes_by_the_files_name(tmp_path, caplog):
    (tmp_path / "b.run.jsonl").write_text("\n".join([*BEFORE[1:], *AFTER]) + "\n")
    (run,) = only(tmp_path)
    assert (run.name, run.status, run.metrics) == ("b", "finished", {"val/auc": KEPT})
    assert "b.run.jsonl has no start; its run is named after the file" in caplog.text


def test_a_second_start_begins_a_second_run_even_where_it_is_damaged(among):
    first, second = only(among(start("second")))
    assert (first.name, second.name) == ("bad", "second")
    assert (first.metrics, second.metrics) == ({"val/auc": KEPT[:1]}, {"val/auc": KEPT[1:]})
    first, second = only(among(start("second").replace("2026-01", "2026-99")))
    assert (first.name, second.name) == ("bad", "b")
    assert (first.metrics, second.metrics) == ({"val/auc": KEPT[:1]}, {"val/auc": KEPT[1:]})


def test_a_start_that_comes_later_begins_a_run_there(tmp_path):
    lines = [*BEFORE[1:], *BEFORE, *AFTER]
    (tmp_path / "b.run.jsonl").write_text("\n".join(lines) + "\n")
    assert {run.name: run.metrics["val/auc"] for run in only(tmp_path)} == {
        "b": KEPT[:1],
        "bad": KEPT,
    }


# Later formats


def test_lines_of_a_later_format_are_left_out_with_the_remedy(among, caplog):
    (run,) = only(among(metrics(v="2")))
    assert run.metrics == {"val/auc": KEPT}
    (message,) = [record.getMessage() for record in caplog.records]
    assert "has format 2 in 1 lines, which are left out" in message
    assert "reads 1: pip install -U rechub-core" in message


def test_a_run_of_a_later_format_is_not_continued(among):
    folder = among(metrics(v="2"))
    before = (folder / "b.run.jsonl").read_bytes()
    for _ in range(2):  # it lets go of the file
        with pytest.raises(ValueError, match=r"cannot continue .*format 2.*install -U rechub-core"):
            JSONLLogger(dir=folder, id="b", resume="allow")
    assert (folder / "b.run.jsonl").read_bytes() == before


# Sizes


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_line_of_50_mb_is_read_in_seconds(ending, tmp_path, caplog):
    lines = [*BEFORE, metrics(name="m" * 50_000_000)]
    (tmp_path / "b.run.jsonl").write_text("\n".join(lines) + ending)
    began = time.perf_counter()
    (run,) = read_runs(tmp_path)
    assert len(run.metrics) == 2
    assert time.perf_counter() - began < 20  # a fifth of a second on a laptop
    assert caplog.records == []


def test_a_line_beyond_any_record_is_left_out_without_filling_the_memory(tmp_path, caplog):
    path = tmp_path / "b.run.jsonl"
    path.write_text("\n".join([*BEFORE, ""]))
    with path.open("ab") as file:
        file.truncate(200 * 2**20)  # zeros, without taking the disk
        file.seek(0, 2)
        file.write(b"\n" + "\n".join(AFTER).encode() + b"\n")
    (run,) = read_runs(tmp_path)
    assert run.metrics == {"val/auc": KEPT}
    assert "1 damaged line is left out: line 4 (longer than 67108864 bytes)" in caplog.text


def test_what_a_line_cannot_say_two_runs_cannot_either(tmp_path):
    """Values at the end of the floats have a mean and a spread."""
    for seed in range(2):
        with JSONLLogger(config={"seed": seed}, dir=tmp_path) as logger:
            logger.log_metrics({"val/auc": 1.7e308 - seed * 1e300}, step=0)
    (row,) = compare(tmp_path).rows
    assert row.best.mean == pytest.approx(1.7e308)
    assert row.best.sd == pytest.approx(1e300 / math.sqrt(2))
