"""Lines that no `JSONLLogger` wrote, among those of a run: each costs itself alone and is reported.

Every line of the tables stands between good ones, with the points that it adds, or the reason for
which it is left out.
"""

import csv
import io
import json
import math
import time

import pytest

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.cli import main
from torch_rechub.runs import compare, read_runs

TIME = '"time":"2026-01-01T00:00:00+00:00"'


def start(name="bad", more=""):
    return f'{{"v":1,"event":"start",{TIME},"id":"{name}","name":"{name}","project":"p"{more}}}'


def params(text):
    return f'{{"v":1,"event":"hyperparams",{TIME},"hyperparams":{text}}}'


def metrics(value="0.5", step="2", name="val/auc", v="1"):
    return f'{{"v":{v},"event":"metrics",{TIME},"step":{step},"metrics":{{"{name}":{value}}}}}'


def event(name, more):
    return f'{{"v":1,"event":"{name}",{more}}}'


BEFORE = [start(), params('{"lr":0.1,"monitor":"val/auc"}'), metrics("0.5", "0")]
AFTER = [metrics("0.75", "9"), event("finish", f'{TIME},"status":"finished","error":null')]
KEPT = [(0, 0.5), (9, 0.75)]

LEFT_OUT = {
    "a number": ("12", "no JSON object but int"),
    "null": ("null", "no JSON object but NoneType"),
    "true": ("true", "no JSON object but bool"),
    "a text": ('"x"', "no JSON object but str"),
    "a list": ("[]", "no JSON object but list"),
    "bytes of something else": ("\x01\x02 binary", "no JSON: Expecting value"),
    "NUL bytes": ("\0\0\0\0", "no JSON: Expecting value"),
    "a NUL between good bytes": (metrics().replace("auc", "a\0uc"), "no JSON: Invalid control"),
    "half a line": ('{"v":1,"event":"met', "no JSON: Invalid control"),
    "two records on a line": (metrics() + metrics(), "no JSON: Extra data"),
    "a comment": ("// note", "no JSON"),
    "single quotes": ("{'v': 1}", "no JSON"),
    "invalid UTF-8": (metrics(name="caf\udce9"), "no UTF-8"),
    "a surrogate as bytes": (metrics().encode().replace(b"auc", b"\xed\xb3\xa9"), "no UTF-8"),
    "UTF-16": (metrics().encode("utf-16-le").replace(b"\n\0", b""), "no JSON"),
    "brackets without end": ("[" * 200_000, "nested too deeply"),
    "braces without end": ('{"a":' * 100_000, "nested too deeply"),
    "deep nesting that JSON allows": (params('{"a":' + "[" * 300 + "]" * 300 + "}"), "50 deep"),
    "no version": (event("x", TIME).replace('"v":1,', ""), "v is no version"),
    "version 0": (metrics(v="0"), "v is no version"),
    "version -1": (metrics(v="-1"), "v is no version"),
    "version as text": (metrics(v='"1"'), "v is no version"),
    "version 1.5": (metrics(v="1.5"), "v is no version"),
    "version null": (metrics(v="null"), "v is no version"),
    "version true": (metrics(v="true"), "v is no version"),
    "version of 400 digits": (metrics(v="1" + "0" * 400), "v is no version"),
    "no event": ('{"v":1}', "an unknown event 'None'"),
    "an event that is a list": ('{"v":1,"event":["metrics"]}', "an unknown event"),
    "an unknown event": (event("image", '"data":"x"'), "an unknown event 'image'"),
    "no step": (event("metrics", '"metrics":{"val/auc":0.1}'), "step is no whole number"),
    "step as text": (metrics(step='"7"'), "step is no whole number"),
    "step null": (metrics(step="null"), "step is no whole number"),
    "step true": (metrics(step="true"), "step is no whole number"),
    "step 2.5": (metrics(step="2.5"), "step is no whole number"),
    "step -1": (metrics(step="-1"), "step is no whole number"),
    "step beyond every tracker": (metrics(step="1" + "0" * 30), "step is no whole number"),
    "step NaN": (metrics(step="NaN"), "step is no whole number"),
    "step a list": (metrics(step="[2]"), "step is no whole number"),
    "no metrics": (event("metrics", '"step":3'), "metrics is no object"),
    "metrics null": (event("metrics", '"step":3,"metrics":null'), "metrics is no object"),
    "metrics a list": (event("metrics", '"step":3,"metrics":[0.5]'), "metrics is no object"),
    "a value that is text": (metrics('"high"'), "the metric 'val/auc' is no number"),
    "a value that is a number as text": (metrics('"0.5"'), "the metric 'val/auc' is no number"),
    "a value that is null": (metrics("null"), "the metric 'val/auc' is no number"),
    "a value that is true": (metrics("true"), "the metric 'val/auc' is no number"),
    "a value that is a list": (metrics("[1]"), "the metric 'val/auc' is no number"),
    "a value that is an object": (metrics('{"a":1}'), "the metric 'val/auc' is no number"),
    "one bad value beside a good one": (metrics('0.1,"b":"x"'), "the metric 'b' is no number"),
    "an integer of 400 digits": (metrics("1" + "0" * 400), "beyond the range of floats"),
    "an integer of 5000 digits": (metrics("9" * 5000), "digits"),
    "a float beyond floats": (metrics("1e400"), "beyond the range of floats"),
    "a float object of a word": (metrics('{"$float":"x"}'), "must be one of nan, inf, -inf"),
    "a float object of null": (metrics('{"$float":null}'), "must be one of nan, inf, -inf"),
    "a float object of a list": (metrics('{"$float":["nan"]}'), "must be one of nan, inf, -inf"),
    "a key twice": (metrics('0.1,"val/auc":0.2'), "a key is there twice"),
    "two steps": (metrics(step='2,"step":3'), "a key is there twice"),
    "keys that become one": (metrics('0.1,"$val/auc":0.2'), "a key is there twice"),
    "hyperparams a list": (params("[1]"), "hyperparams is no object"),
    "hyperparams null": (params("null"), "hyperparams is no object"),
    "a resume without steps": (event("resume", '"step":0'), "steps is no object"),
    "a resume of text": (event("resume", '"step":0,"steps":{"a":"0"}'), "step is no whole number"),
    "steps of a metric that are text": (
        event("resume", '"step":0,"steps":{"val/auc":"0"}'), "step is no whole number",
    ),
    "a finish without a status": (event("finish", f'{TIME},"error":null'), "status is none of"),
    "a status of its own": (event("finish", f'{TIME},"status":"won"'), "status is none of"),
    "a status that is a list": (event("finish", f'{TIME},"status":["failed"]'), "status is none"),
    "an error that is a number": (event("finish", f'{TIME},"status":"failed","error":5'), "error"),
    "a time that is a number": (event("finish", '"time":5,"status":"failed"'), "time is no text"),
    "a time that is a word": (event("finish", '"time":"soon","status":"failed"'), "no ISO 8601"),
    "no time": (event("finish", '"status":"failed"'), "time is no ISO 8601"),
    "the year 1": (event("finish", '"time":"0001-01-01T00:00:00","status":"failed"'), "the year 1"),
    "the year 9999": (
        event("finish", '"time":"9999-12-31T23:59:59+00:00","status":"failed"'), "the year 9999",
    ),
    "the year 99999": (
        event("finish", '"time":"99999-01-01T00:00:00","status":"failed"'), "no ISO 8601",
    ),
}  # fmt: skip

READ = {
    "an empty line": ("", []),
    "blanks": ("  \t ", []),
    "a carriage return at its end": (metrics() + "\r", [(2, 0.5)]),
    "a byte order mark": ("\ufeff" + metrics(), [(2, 0.5)]),
    "blanks around it": (f"  {metrics()}  ", [(2, 0.5)]),
    "a step that is written as a float": (metrics(step="2.0"), [(2, 0.5)]),
    "an integer": (metrics("1"), [(2, 1.0)]),
    "infinity": (metrics('{"$float":"inf"}'), [(2, math.inf)]),
    "infinity as Python writes it": (metrics("Infinity"), [(2, math.inf)]),
    "a text": (event("text", '"name":"a","text":"b","step":0'), []),
    "a histogram": (event("histogram", '"name":"a"'), []),
    "an empty metric's name": (metrics(name=""), []),
    "a metric's name of 10,000 characters": (metrics(name="m" * 10_000), []),
    "control characters": (metrics(name="\\u001b[2J\\u0000\\u009b"), []),
    "a lone surrogate": (params('{"file":"\\udce9"}'), []),
    "a monitor that is a list": (params('{"monitor":["val/auc"]}'), []),
    "a monitor that is a number": (params('{"monitor":7}'), []),
    "a seed that is an object": (params('{"seed":{"a":[1]}}'), []),
    "a hyper-parameter of 400 digits": (params('{"n":1' + "0" * 400 + "}"), []),
    "a hyper-parameter that is NaN": (params('{"n":NaN}'), []),
    "empty keys": (params('{"":{"":null}}'), []),
    "a later value beyond the squares of floats": (metrics("1.7e308", "3"), [(3, 1.7e308)]),
}


def written(line):
    return line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")


@pytest.fixture
def among(tmp_path):
    """Writes a line among good ones, beside a run of another file; gives the folder."""

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
    assert "b.run.jsonl has no start; its run goes by the file's name" in caplog.text


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
