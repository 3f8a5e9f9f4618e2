import json
import logging
import math
from datetime import datetime, timedelta, timezone

import pytest

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.runs import Run, read_runs

START = (
    '{"v":1,"event":"start","time":"2026-11-01T10:00:00+00:00","id":"0a1b2c3d","name":"first",'
    '"project":"ctr","tags":[],"notes":null}'
)
# A run as the format's description has it, written by hand.
BY_HAND = [
    START,
    '{"v":1,"event":"hyperparams","time":"2026-11-01T10:00:00+00:00","hyperparams":{"lr":0.1}}',
    '{"v":1,"event":"hyperparams","time":"2026-11-01T10:00:01+00:00",'
    '"hyperparams":{"lr":0.2,"mlp":{"dims":[64,32],"clip":{"$float":"inf"}}}}',
    '{"v":1,"event":"metrics","time":"2026-11-01T10:00:02+00:00","step":0,'
    '"metrics":{"train/loss":{"$float":"nan"},"val/auc":0.1}}',
    '{"v":1,"event":"metrics","time":"2026-11-01T10:00:03+00:00","step":1,'
    '"metrics":{"val/auc":0.30000000000000004}}',
    '{"v":1,"event":"finish","time":"2026-11-01T10:00:04.5+00:00","status":"failed",'
    '"error":"ValueError: no"}',
]


def store(folder, lines, name="a.run.jsonl"):
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_file_written_by_hand_is_read_as_the_format_says(tmp_path):
    path = store(tmp_path, BY_HAND)
    (run,) = read_runs(path)
    ten = datetime(2026, 11, 1, 10, tzinfo=timezone.utc)
    assert math.isnan(run.metrics["train/loss"][0][1])
    assert run.metrics["val/auc"] == [(0, 0.1), (1, 0.30000000000000004)]
    assert run.hyperparams == {"lr": 0.2, "mlp": {"dims": [64, 32], "clip": math.inf}}
    described = (run.name, run.backend, run.path, run.project, run.status, run.error)
    assert described == ("first", "jsonl", str(path), "ctr", "failed", "ValueError: no")
    assert (run.started, run.ended) == (ten, ten + timedelta(seconds=4.5))


def test_what_was_logged_is_read_back_equal(tmp_path):
    before = datetime.now(timezone.utc)
    with JSONLLogger("p", "n", config={"seed": 1, "none": None}, dir=tmp_path) as logger:
        logger.log_metrics({"a": 1 / 3, "b": -math.inf}, step=5)
    (run,) = read_runs(tmp_path)
    assert run == Run(
        "n", "jsonl", logger.path, "p", "finished", None, run.started, run.ended,
        {"seed": 1, "none": None}, {"a": [(5, 1 / 3)], "b": [(5, -math.inf)]},
    )  # fmt: skip
    assert before <= run.started <= run.ended <= datetime.now(timezone.utc)


def test_a_run_without_a_name_goes_by_its_id(tmp_path):
    logger = JSONLLogger(dir=tmp_path)
    (run,) = read_runs(tmp_path)
    assert (run.name, run.status, run.ended) == (logger.run_id, "unfinished", None)


def test_a_file_that_is_cut_off_anywhere_gives_the_whole_lines(tmp_path, caplog):
    path = store(tmp_path, BY_HAND[:5])
    data = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for size in range(0, len(data), 3):
        path.write_bytes(data[:size])
        runs = read_runs(tmp_path)
        whole = sum(size >= end - 1 for end in ends)  # a line without its end is whole too
        points = sum(len(pairs) for run in runs for pairs in run.metrics.values())
        assert (len(runs), points) == (whole > 0, {4: 2, 5: 3}.get(whole, 0)), size
    assert caplog.records == []


def test_a_damaged_line_costs_itself_and_is_reported(tmp_path, caplog):
    store(tmp_path, [*BY_HAND[:3], BY_HAND[3][:40], *BY_HAND[4:]])
    (run,) = read_runs(tmp_path)
    assert run.metrics == {"val/auc": [(1, 0.30000000000000004)]}
    assert run.status == "failed"
    assert "1 damaged line is left out: line 4 (no JSON: " in caplog.text


def test_files_put_together_give_their_runs(tmp_path):
    store(tmp_path, [*BY_HAND, START.replace("first", "second"), BY_HAND[4]])
    assert [(run.name, run.status) for run in read_runs(tmp_path)] == [
        ("first", "failed"),
        ("second", "unfinished"),
    ]


def test_a_newer_format_is_refused_and_the_other_files_are_read(tmp_path, caplog):
    store(tmp_path, BY_HAND)
    store(tmp_path, [json.dumps({**json.loads(START), "v": 2})], "b.run.jsonl")
    assert len(read_runs(tmp_path)) == 1
    assert "b.run.jsonl has format 2" in caplog.text
    assert "pip install -U rechub-core" in caplog.text


@pytest.mark.parametrize("line", ["[]", "7", '{"v":1}', '{"v":1,"event":"start"}', "null"])
def test_a_file_of_something_else_is_no_run(tmp_path, line, caplog):
    caplog.set_level(logging.WARNING)
    store(tmp_path, [line])
    assert read_runs(tmp_path) == ()


def test_an_empty_file_is_no_run(tmp_path):
    store(tmp_path, [])
    assert read_runs(tmp_path) == ()
