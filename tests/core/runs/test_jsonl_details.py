"""Details of runs in files of JSON lines, hostile ones included."""

import json

import pytest

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.runs import details, read_runs

TIME = "2026-11-30T10:00:00+00:00"


def written(folder, *records):
    """The run of a file of these records, after a start."""
    lines = [{"event": "start", "name": "n"}, *records]
    text = "\n".join(json.dumps({"v": 1, "time": TIME, **line}) for line in lines)
    (folder / "a.run.jsonl").write_text(text + "\n")
    (run,) = read_runs(folder)
    return run


def test_records_that_a_continuation_supersedes_are_left_out(tmp_path):
    logger = JSONLLogger(dir=tmp_path, id="a")
    for step in range(3):
        logger.log_metrics({"val/auc": step}, step)
        logger.log_text("note", f"epoch {step}", step)
        logger.log_table("top", ["item"], [[step]], step)
    logger.finish()
    again = JSONLLogger(dir=tmp_path, id="a", resume="must")
    again.resume_at(1, {})
    again.log_metrics({"val/auc": 7.0}, 1)
    again.finish()
    (run,) = read_runs(tmp_path)
    found = details(run)
    assert run.metrics["val/auc"] == [(0, 0.0), (1, 7.0)]
    assert len(found.times["val/auc"]) == 2
    assert [text.text for text in found.texts] == ["epoch 0"]
    assert [table.rows for table in found.tables] == [[[0]]]


def test_the_details_of_each_run_of_a_file_are_its_own(tmp_path):
    lines = []
    for hour in (10, 11):
        time = f"2026-11-30T{hour}:00:00+00:00"
        lines += [
            {"v": 1, "time": time, "event": "start", "name": "n"},
            {"v": 1, "time": time, "event": "text", "name": "t", "text": str(hour), "step": 0},
        ]
    (tmp_path / "a.run.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    texts = [[text.text for text in details(run).texts] for run in read_runs(tmp_path)]
    assert texts == [["10"], ["11"]]


@pytest.mark.parametrize(
    "file",
    [
        "../secret",
        "/etc/passwd",
        "a.files/../../secret",
        "a.files/link",
        "linked.files/secret",
        "a.files/missing",
        "a.files/",
        "a.files",
        "",
        "a.files\\secret",
        7,
        None,
    ],
)
@pytest.mark.parametrize("event", ["figure", "artifact"])
def test_a_file_elsewhere_is_not_read(event, file, tmp_path, caplog):
    secret, runs = tmp_path / "secret", tmp_path / "runs"
    secret.write_text("secret")
    (runs / "a.files").mkdir(parents=True)
    (runs / "a.files" / "link").symlink_to(secret)
    (runs / "linked.files").symlink_to(tmp_path)
    run = written(runs, {"event": event, "name": "a", "file": file, "step": 0})
    found = details(run)
    assert (found.figures, found.files) == ((), {})
    assert "1 damaged line is left out" in caplog.text


@pytest.mark.parametrize(
    "record",
    [
        {"event": "table", "columns": ["a"], "rows": [[1, 2]]},
        {"event": "table", "columns": "a", "rows": []},
        {"event": "table", "columns": ["a"], "rows": [[{"b": 1}]]},
        {"event": "table", "columns": ["a"], "rows": {"a": 1}},
        {"event": "histogram", "counts": [1], "edges": [0]},
        {"event": "histogram", "counts": ["1"], "edges": [0, 1]},
        {"event": "histogram", "counts": [1], "edges": [0, {"$float": "nan"}]},
        {"event": "text", "text": ["a"]},
    ],
)
def test_an_invalid_record_is_left_out(record, tmp_path, caplog):
    run = written(tmp_path, {"name": "x", "step": 0, **record})
    found = details(run)
    assert (found.tables, found.histograms, found.texts) == ((), (), ())
    assert "1 damaged line is left out" in caplog.text
