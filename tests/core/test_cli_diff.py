"""The command `rechub diff`, and what `rechub compare` says of runs with different data."""

import json
import re

import pytest
import torch

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.cli import main
from torch_rechub.commands.diff import _only
from torch_rechub.data.fingerprint import fingerprint
from torch_rechub.data.loader import DataGenerator
from torch_rechub.runs import Run

HOSTILE = "a\x1b[2J\n|<script>`*"


def record(folder, name, auc, x, **params):
    data = {"train": fingerprint(x).record()}
    logger = JSONLLogger("p", name, {**params, "data": data}, dir=folder)
    logger.log_metrics({"val/auc": auc}, 0)
    logger.finish()


@pytest.fixture
def folder(tmp_path):
    record(tmp_path / "1", "one", 0.5, {"item": [1, 2], "price": [3, 4]}, lr=0.1, run_id="aaa")
    record(tmp_path / "2", "two", 0.75, {"item": [1, 2], "price": [3, 5]}, lr=0.2, run_id="bbb")
    record(tmp_path / "3", "two", 0.6, {"item": [1, 2], "price": [3, 5]}, lr=0.2, run_id="ccc")
    return tmp_path


def rechub(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_two_paths_are_compared(folder, capsys):
    code, out, err = rechub(capsys, "diff", folder / "1", folder / "2")
    assert (code, err) == (0, "")
    lines = [re.split(r"\s{2,}", line) for line in out.splitlines()]
    assert [line[:2] for line in lines[:2]] == [["A", "one"], ["B", "two"]]
    assert lines[3:6] == [
        ["differs", "what", "how", "A", "B"],
        ["data", "price (train)", "other values", "–", "–"],
        ["settings", "lr", "0.1", "0.2"],
    ]
    assert ["code: not recorded in either run"] in lines
    assert lines[-1] == ["val/auc", "0.5000", "0.7500", "0.2500"]


def test_names_and_ids_are_looked_up_below_a_path(folder, capsys):
    code, out, _ = rechub(capsys, "diff", "one", "ccc", "--in", folder, "--format", "json")
    found = json.loads(out)
    assert (code, found["before"]["run_id"], found["after"]["run_id"]) == (0, "aaa", "ccc")
    assert [change["kind"] for change in found["changes"]] == ["data", "settings"]
    assert found["metrics"] == [
        {"name": "val/auc", "before": 0.5, "after": 0.6, "change": pytest.approx(0.1)}
    ]


def test_nothing_differs(folder, capsys):
    _, out, _ = rechub(capsys, "diff", "bbb", "ccc", "--in", folder)
    assert "nothing differs" in out.splitlines()
    assert "code: not recorded in either run" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "one"], "there is no path 'nowhere'"),
        (["three", "one", "--in", "."], "no run is called 'three'; there are: one (id aaa, "),
        (
            ["two", "one", "--in", "."],
            "2 runs are called 'two'; give the id or the path of one of: two (id bbb, ",
        ),
        ([".", "1"], "3 runs are below '.'; give the id or the path of one of: one (id aaa, "),
    ],
)
def test_a_run_that_is_not_one_is_refused(folder, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    code, out, err = rechub(capsys, "diff", *arguments)
    assert (code, out) == (1, "")
    assert message in err


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_hostile_names_are_shown_as_text(tmp_path, capsys, form):
    record(tmp_path / "1", HOSTILE, 0.5, {HOSTILE: [1, 2]}, **{HOSTILE: HOSTILE})
    record(tmp_path / "2", "b", 0.5, {HOSTILE: [1, 3]}, **{HOSTILE: "other"})
    code, out, _ = rechub(capsys, "diff", tmp_path / "1", tmp_path / "2", "--format", form)
    assert code == 0
    assert "\x1b" not in out
    assert "a\n|" not in out
    if form == "json":
        assert json.loads(out)["changes"][0]["name"] == HOSTILE
    if form == "markdown":
        assert "<script>" not in out
        assert "\\|" in out


def test_damaged_fingerprints_are_unknown_and_break_nothing(tmp_path, capsys):
    for number, data in enumerate(
        [{"train": {"rows": "many", "columns": [1, "x", ["y"]], "split": 3, "digest": {}}},
         {"train": [1], "val": {"columns": "[[[", "label_rate": {"a": 1}, "files": []}}]
    ):  # fmt: skip
        with JSONLLogger(config={"data": data}, dir=tmp_path / str(number)):
            pass
    code, out, err = rechub(capsys, "diff", tmp_path / "0", tmp_path / "1")
    assert (code, err) == (0, "")
    assert "unknown:" in out


def test_compare_warns_of_runs_with_different_data_and_still_ranks_them(folder, capsys):
    code, out, err = rechub(capsys, "compare", folder)
    assert code == 0
    assert "warning: different data: train (2 different)" in err
    assert out.splitlines()[1].split()[1] == "two"
    assert not any("data/" in line for line in out.splitlines())
    assert rechub(capsys, "compare", folder / "2", folder / "3")[2] == ""


def test_records_of_one_training_run_are_told_apart_by_backend():
    about = {"run_id": "aaa"}
    runs = [Run("one", name, f"{name}/one", hyperparams=about) for name in ("jsonl", "wandb")]
    with pytest.raises(ValueError, match="; give the path or --backend and the name of one of"):
        _only(runs, "called 'one'")


def split_run(folder, lr, seed):
    torch.manual_seed(seed)
    table = DataGenerator({"item": list(range(20))}, [0, 1] * 10)
    train = table.generate_dataloader(split_ratio=[0.5, 0.5], batch_size=5)[0]
    data = {"train": fingerprint(train).record()}
    config = {"lr": lr, "seed": seed, "data": data}
    with JSONLLogger(config=config, dir=folder / f"{lr}-{seed}") as logger:
        logger.log_metrics({"val/auc": lr}, 0)


def test_compare_does_not_warn_of_the_same_random_splits_in_every_row(tmp_path, capsys):
    for lr in (0.1, 0.2):
        for seed in (0, 1):
            split_run(tmp_path, lr, seed)
    assert rechub(capsys, "compare", tmp_path)[2] == ""
    split_run(tmp_path, 0.3, 2)
    _, _, err = rechub(capsys, "compare", tmp_path)
    assert "warning: different splits of the same rows: train (3 different)" in err


def test_a_setting_of_the_user_called_data_counts_in_compare(tmp_path, capsys):
    for number, name in enumerate(["ml-1m", "ml-20m"]):
        with JSONLLogger(config={"data": name, "seed": 1}, dir=tmp_path / str(number)) as logger:
            logger.log_metrics({"val/auc": 0.5}, 0)
    _, out, _ = rechub(capsys, "compare", tmp_path)
    assert "ml-20m" in out
