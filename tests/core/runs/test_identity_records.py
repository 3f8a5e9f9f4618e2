"""Recorded identities, damaged and random: nothing raises, and no edit of a table is missed."""

import json
import random

import numpy as np
import pytest

from torch_rechub.data.fingerprint import fingerprint
from torch_rechub.runs import Run, difference
from torch_rechub.runs.data_warning import different_data
from torch_rechub.runs.difference_views import change_table, heading, metric_table, unknown_lines
from torch_rechub.runs.identity import data_of, is_identity, section

NAMES = ("train", "val", "rows", "digest", "columns", "split", "files", "label_rate", "x/y", "",
         "sizes", "packages", "commit", "source_unordered")  # fmt: skip
TEXTS = ("", "x", "[", "[1,2", "{}", "null", "a b c d e f g", "\x1b[2J", "1" * 300, "ff" * 8)
NUMBERS = (0, 1, -1, 2**70, 0.5, float("nan"), float("inf"))


def junk(draw, depth=0):
    kind = draw.randrange(8)
    if kind == 0:
        return draw.choice([None, True])
    if kind == 1:
        return draw.choice(NUMBERS)
    if kind < 4 or depth == 3:
        return draw.choice(TEXTS)
    if kind == 4:
        return [junk(draw, depth + 1) for _ in range(draw.randrange(4))]
    return {draw.choice(NAMES): junk(draw, depth + 1) for _ in range(draw.randrange(5))}


def damaged(draw, value):
    if draw.random() < 0.15:
        return junk(draw)
    if isinstance(value, dict):
        return {k: damaged(draw, v) for k, v in value.items() if draw.random() > 0.1}
    return [damaged(draw, v) for v in value] if isinstance(value, list) else value


def test_damaged_records_raise_nothing_and_do_not_differ_from_themselves():
    record = {"train": fingerprint({"a": [1, 2], "b": [3, 4]}).record(),
              "val": fingerprint({"a": np.arange(200)}, limit=50).record()}  # fmt: skip
    draw = random.Random(1)
    for _ in range(300):
        runs = []
        for _ in range(2):
            params = {n: junk(draw) for n in ("code", "environment", "versions", "monitor", "lr")}
            params["data"] = damaged(draw, record) if draw.random() < 0.7 else junk(draw)
            metrics = {"val/auc": [(0, 0.5)], "x": [(0, float("nan"))]}
            runs.append(Run("n", "jsonl", "p", hyperparams=params, metrics=metrics))
        found = difference(*runs)
        json.dumps(found.to_dict())
        change_table(found), metric_table(found), heading(found, "table")
        unknown_lines(found, "markdown")
        different_data([[run] for run in runs])
        assert difference(runs[0], runs[0]).changes == ()


def run_of(x):
    record = fingerprint(x).record()
    return Run("n", "jsonl", "p", hyperparams={"data": {"train": record}})


def other_value(draw, x, name):
    row = draw.randrange(len(x[name]))
    x[name] = x[name].copy()
    x[name][row] += draw.choice([1, 1000, -5])


def other_type(draw, x, name):
    x[name] = x[name].astype(np.float64 if x[name].dtype == np.int64 else np.int64)


def removed(draw, x, name):
    del x[name]


EDITS = {"other values": other_value, "type": other_type, "column removed": removed}


@pytest.mark.parametrize("seed", range(40))
def test_random_edits_of_columns_are_named_and_no_others(seed):
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    n = draw.randrange(2, 40)
    x = {name: rng.integers(-9, 10 ** draw.randrange(1, 15), n) for name in "abcdefg"}
    edited, expected = dict(x), set()
    for name in draw.sample("abcdefg", draw.randrange(4)):
        how = draw.choice(list(EDITS))
        EDITS[how](draw, edited, name)
        expected.add((name, how))
    found = difference(run_of(x), run_of(edited))
    assert {(c.name, c.how) for c in found.changes} == expected
    order = rng.permutation(n)
    moved = {name: values[order] for name, values in x.items()}
    is_moved = any((moved[name] != values).any() for name, values in x.items())
    changes = [c.how for c in difference(run_of(x), run_of(moved)).changes]
    assert changes == ["order of rows"] * is_moved


def test_names_of_identity_are_no_settings():
    names = ["run_id", "data/train/rows", "data/sizes", "code/commit", "environment/python",
             "trial/number", "parent_run_id"]  # fmt: skip
    settings = ["data", "data/folder", "code", "environment", "lr", "runs/data/train"]
    assert [is_identity(name) for name in names + settings] == [True] * 7 + [False] * 6


def test_flat_and_nested_records_are_read_alike():
    nested = {"data": {"train": fingerprint({"a": [1, 2]}).record(), "folder": "x"}, "lr": 0.1}
    flat = {}
    for name, value in nested["data"]["train"].items():
        flat[f"data/train/{name}"] = json.dumps(value) if isinstance(value, list) else value
    assert section(flat, "data") == section(nested, "data")
    assert data_of(Run("a", "b", "c", hyperparams=flat)) == data_of(
        Run("a", "b", "c", hyperparams=nested)
    )


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ({"train": "day1.csv"}, {"train": "day2.csv"}, "data/train"),
        ({"val": 0.1, "test": 0.1}, {"val": 0.2, "test": 0.1}, "data/val"),
        ({"train": {"path": "a"}}, {"train": {"path": "b"}}, "data/train/path"),
    ],
)
def test_settings_that_a_user_calls_data_are_settings(before, after, name):
    runs = [Run("n", "jsonl", "p", hyperparams={"data": data}) for data in (before, after)]
    found = difference(*runs)
    assert [(c.kind, c.name) for c in found.changes] == [("settings", name)]
    assert "data: not recorded in either run" in found.unknown


def test_rows_without_a_recorded_content_are_unknown():
    run = Run("n", "jsonl", "p", hyperparams={"data": {"train": {"rows": 8}}})
    assert "content of train: not recorded in either run" in difference(run, run).unknown


def test_a_pruned_trial_with_some_of_the_splits_is_no_other_data():
    def trial(number, seed, state="finished", split=None):
        about = {"number": number, "study": "s", "params": [], "state": state}
        record = {"digest": f"part {seed if split is None else split}", "rows": 8}
        record["split"] = {"source_unordered": "all"}
        return Run("r", "jsonl", "r", hyperparams={"trial": about, "data": {"train": record}})

    whole = [[trial(n, seed) for seed in (0, 1)] for n in (0, 1)]
    assert different_data([*whole, [trial(2, 0, "pruned")]]) is None
    assert "splits" in different_data([*whole, [trial(2, 0, "pruned", split=7)]])
    assert "splits" in different_data([*whole, [trial(2, 0)]])
