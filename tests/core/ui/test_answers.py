import csv
import io
import math

import pytest

from core.ui.conftest import record, serving
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.basic.tracking.json_lines import json_line
from torch_rechub.runs import Run, compare, read_runs
from torch_rechub.runs.searches import searches
from torch_rechub.ui.columns import Columns
from torch_rechub.ui.curves import kept
from torch_rechub.ui.entry import Entry

SEPARATOR = "\x1f"


@pytest.fixture
def sweep(tmp_path):
    """Six runs: three learning rates, two seeds."""
    for number, lr in enumerate((0.1, 0.01, 0.001)):
        for seed in range(2):
            values = [0.5, 0.6 + number / 10 + seed / 100, 0.55]
            record(tmp_path, f"run-{number}-{seed}", values, group=f"g{number}", lr=lr, seed=seed)
    return tmp_path


def names(served, **query):
    return [row["cells"][0] for row in served.data("runs", columns="name", **query)["rows"]]


def test_the_table_is_sorted_filtered_and_paged(sweep):
    with serving(sweep) as served:
        best = names(served, sort="best:val/auc", order="desc")
        assert best == ["run-2-1", "run-2-0", "run-1-1", "run-1-0", "run-0-1", "run-0-0"]
        assert names(served, sort="best:val/auc") == best[::-1]
        page = served.data("runs", columns="name", sort="name", offset=2, limit=3)
        assert [row["cells"] for row in page["rows"]] == [["run-1-0"], ["run-1-1"], ["run-2-0"]]
        assert (page["total"], page["matched"]) == (6, 6)
        some = served.data("runs", columns="name", filter="lr<0.05 seed=1", sort="name")
        assert (some["total"], some["matched"], len(some["rows"])) == (6, 2, 2)
        assert len(served.data("runs", columns="name", limit=10**9)["rows"]) == 6


def test_runs_without_a_value_come_last_in_either_order(tmp_path):
    record(tmp_path, "a", [0.5], x=2)
    record(tmp_path, "b", [math.nan], x="text")
    record(tmp_path, "c", [], x=None)
    record(tmp_path, "d", [0.7], x=10)
    with serving(tmp_path) as served:
        assert names(served, sort="best:val/auc")[:2] == ["a", "d"]
        assert names(served, sort="best:val/auc", order="desc")[:2] == ["d", "a"]
        assert names(served, sort="last:val/auc")[:2] == ["a", "d"]
        assert names(served, sort="param:x") == ["a", "d", "b", "c"]
        assert names(served, sort="param:x", order="desc") == ["b", "d", "a", "c"]


def test_columns_name_what_differs_and_count_labels(sweep):
    with serving(sweep) as served:
        found = served.data("columns")
    assert found["shown"] == [
        "name", "status", "best:val/auc", "last:val/auc", "param:lr", "group", "started",
    ]  # fmt: skip
    assert dict(found["params"]) == {"lr": 3, "seed": 2}
    assert (found["metric"], found["modes"]) == ("val/auc", {"val/auc": "max"})
    assert found["labels"]["group"] == [["g0", 2], ["g1", 2], ["g2", 2]]
    assert found["labels"]["status"] == [["finished", 6]]


def test_records_of_several_trackers_are_told_apart_in_the_table():
    runs = [Run("a", backend, "a") for backend in ("jsonl", "wandb")]
    columns = Columns([Entry(str(number), 1, run) for number, run in enumerate(runs)])
    assert columns.shown()[:3] == ["name", "backend", "status"]


def curves_of(served, **query):
    keys = SEPARATOR.join(row["key"] for row in served.data("runs", sort="name")["rows"])
    return served.data("curves", metric="val/auc", keys=keys, **query)


def test_curves_over_seeds_are_those_of_compare(sweep):
    with serving(sweep) as served:
        single = curves_of(served)["curves"]
        seeds = curves_of(served, by="seed")["curves"]
        groups = curves_of(served, by="group")["curves"]
    assert [curve["label"] for curve in single][:2] == ["run-0-0", "run-0-1"]
    assert single[0]["mean"] == [0.5, 0.6, 0.55]
    assert single[0]["sd"] == []
    rows = compare(read_runs(sweep), "val/auc").rows
    assert [curve["label"] for curve in seeds] == ["lr=0.001", "lr=0.01", "lr=0.1"]
    for curve, row in zip(seeds, rows, strict=True):
        assert curve["mean"][1] == pytest.approx(row.best.mean)
        assert curve["sd"][1] == pytest.approx(row.best.sd)
        assert len(curve["keys"]) == 2
    assert [curve["label"] for curve in groups] == ["g0", "g1", "g2"]
    assert groups[2]["mean"] == seeds[0]["mean"]


def test_curves_of_runs_that_have_not_changed_are_not_sent_again(sweep):
    with serving(sweep) as served:
        first = curves_of(served)
        assert curves_of(served, since=first["revision"])["unchanged"]
        record(sweep, "run-9", [0.5], seed=9)
        served.live.refresh()
        assert "curves" in curves_of(served, since=first["revision"])


def test_a_long_curve_keeps_its_ends_and_its_extremes():
    values = [math.sin(step / 1000) for step in range(100_000)]
    values[12_345], values[67_890] = 5.0, -5.0
    places = kept(values, 600)
    assert len(places) <= 602
    assert {0, 12_345, 67_890, 99_999} <= {*places}
    assert places == sorted(places)


def test_everything_about_a_run(tmp_path):
    with JSONLLogger("p", "a", {"lr": 0.1, "mlp": {"dims": [64]}}, dir=tmp_path) as logger:
        logger.log_metrics({"val/auc": 0.5}, step=0)
        logger.log_metrics({"val/auc": math.nan}, step=1)
        logger.log_text("note", "two\nlines", step=1)
        logger.log_histogram("weights", [1, 2], [0.0, 0.5, 1.0], step=1)
        logger.log_table("top", ["item", "score"], [["x", 0.5], [None, 0.25]], step=1)
        (tmp_path / "weights.bin").write_bytes(b"12345")
        logger.log_artifact("model", str(tmp_path / "weights.bin"), "model")
        logger.log_failure(RuntimeError("out of memory"))
    with serving(tmp_path) as served:
        (row,) = served.data("runs")["rows"]
        found = served.data(f"run/{row['key']}")
    assert (found["name"], found["fields"]["status"]) == ("a", "failed")
    assert "out of memory" in found["error"]
    assert found["params"] == [["lr", 0.1], ["mlp/dims", "[64]"]]
    (metric,) = found["metrics"]
    assert metric == {
        "name": "val/auc", "mode": "max", "best": 0.5, "at": 0, "last": "nan", "n": 2, "lost": 1,
    }  # fmt: skip
    assert found["texts"] == [["note", 1, "two\nlines"]]
    assert found["histograms"] == [["weights", 1, [1, 2], [0.0, 0.5, 1.0]]]
    assert found["tables"][0]["rows"] == [["x", 0.5], [None, 0.25]]
    assert found["files"] == [["model", 5]]


PNG = b"\x89PNG\r\n\x1a\n and more"


def test_figures_are_sent_as_pictures_and_nothing_else_is(tmp_path):
    with JSONLLogger(name="a", dir=tmp_path, id="a"):
        pass
    (tmp_path / "a.files").mkdir()
    contents = {"good": PNG, "page": b"<script>alert(1)</script>", "again": PNG + b"!"}
    lines = []
    for step, (name, content) in enumerate(contents.items()):
        (tmp_path / "a.files" / f"{name}.png").write_bytes(content)
        event = {"v": 1, "event": "figure", "time": "2026-01-01T00:00:00+00:00", "step": step}
        lines.append(json_line({**event, "name": name, "file": f"a.files/{name}.png"}))
    with open(tmp_path / "a.run.jsonl", "ab") as file:
        file.writelines(lines)
    with serving(tmp_path) as served:
        (row,) = served.data("runs")["rows"]
        figures = served.data(f"run/{row['key']}")["figures"]
        answers = [served.ask(f"/api/run/{row['key']}/figure/{at}") for at, _, _ in figures]
        missing = served.ask(f"/api/run/{row['key']}/figure/3")
    assert figures == [[0, "good", 0], [1, "page", 1], [2, "again", 2]]
    assert [answer.status for answer in answers] == [200, 404, 200]
    assert (answers[0].body, answers[2].body) == (PNG, PNG + b"!")
    assert answers[0].headers["Content-Type"] == "image/png"
    assert b"script" not in answers[1].body
    assert missing.status == 404


def test_the_parent_and_the_children_of_a_run_are_named(tmp_path):
    record(tmp_path, "first", run_id="1")
    record(tmp_path, "second", run_id="2", parent_run_id="1")
    record(tmp_path, "third", run_id="3", parent_run_id="2")
    with serving(tmp_path) as served:
        (row,) = served.data("runs", filter="name=second")["rows"]
        relatives = served.data(f"run/{row['key']}")["relatives"]
    assert {(kind, name) for kind, _, name in relatives} == {
        ("parent", "first"),
        ("child", "third"),
    }


def test_the_table_can_be_taken_away_as_csv(sweep):
    with serving(sweep) as served:
        answer = served.ask(
            "/api/runs.csv", sort="name", filter="seed=1",
            columns=SEPARATOR.join(["name", "param:lr", "best:val/auc"]),
        )  # fmt: skip
        nothing = served.ask("/api/runs.csv", filter="absent", columns="name")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="runs.csv"'
    rows = list(csv.reader(io.StringIO(answer.body.decode())))
    assert rows[:2] == [["name", "param:lr", "best:val/auc"], ["run-0-1", "0.1", "0.61"]]
    assert nothing.body == b"name\n\n" or nothing.body.startswith(b"name\n")


def record_search(folder, n=20):
    for number in range(n):
        state = "pruned" if number % 5 == 4 else "finished"
        trial = {"number": number, "study": "s", "params": ["lr"], "state": state}
        record(folder, f"trial-{number}", [number / 100], lr=0.1 * number, trial=trial)


def test_searches_are_those_of_the_page_of_compare(tmp_path):
    record_search(tmp_path)
    runs = read_runs(tmp_path)
    with serving(tmp_path) as served:
        assert served.data("columns")["searches"]
        (found,) = served.data("searches", metric="val/auc")["searches"]
        some = served.data("searches", metric="val/auc", filter="lr<0.55")["searches"][0]
        assert served.data("runs", filter="status=pruned")["matched"] == 4
    assert [found] == searches(runs, "val/auc", "max")
    assert found["states"] == {"finished": 16, "pruned": 4}
    assert len(some["trials"]) == 6


def test_runs_without_a_search_have_none(sweep):
    with serving(sweep) as served:
        assert not served.data("columns")["searches"]
        assert served.data("searches", metric="val/auc")["searches"] == []
