import math
import statistics
from collections import Counter
from dataclasses import replace

import pytest

from torch_rechub.runs import Run, compare, tables, values
from torch_rechub.runs.copies import origin_of_copy
from torch_rechub.runs.monitored import default_metric, direction
from torch_rechub.runs.views import comparison_table


def run(name, values, metric="val/auc", status="finished", backend="jsonl", **params):
    points = list(enumerate(values))
    return Run(name, backend, name, "p", status, hyperparams=params, metrics={metric: points})


def grid():
    """Two learning rates, three seeds each."""
    aucs = {
        (0.1, 0): [0.5, 0.7, 0.6],
        (0.1, 1): [0.5, 0.6, 0.65],
        (0.1, 2): [0.8, 0.7, 0.7],
        (0.2, 0): [0.9, 0.8, 0.8],
        (0.2, 1): [0.7, 0.7, 0.6],
        (0.2, 2): [0.6, 0.8, 0.9],
    }
    return [
        run(f"lr{lr}-seed{seed}", values, lr=lr, seed=seed, model="DeepFM")
        for (lr, seed), values in aucs.items()
    ]


def test_runs_that_differ_by_their_seed_are_one_row_with_mean_and_spread():
    found = compare(grid())
    assert (found.metric, found.mode, found.differing) == ("val/auc", "max", ("lr",))
    assert found.common == {"model": "DeepFM"}
    first, second = found.rows
    assert (first.rank, second.rank) == (1, 2)
    assert (first.hyperparams, first.seeds, first.n) == ({"lr": 0.2}, (0, 1, 2), 3)
    best, last = [0.9, 0.7, 0.9], [0.8, 0.6, 0.9]  # by hand, from the table above
    assert (first.best.mean, first.best.sd) == (statistics.fmean(best), statistics.stdev(best))
    assert (first.last.mean, first.last.sd) == (statistics.fmean(last), statistics.stdev(last))
    assert (first.name, first.best_step) == ("lr0.2-seed*", None)
    assert [r.name for r in first.runs] == ["lr0.2-seed0", "lr0.2-seed1", "lr0.2-seed2"]


@pytest.mark.parametrize("key", ["seed", "random_seed", "SEED"])
def test_a_seed_is_known_by_its_name_at_any_depth(key):
    runs = [run(str(s), [0.5], data={key: s}, lr=1) for s in range(2)]
    (row,) = compare(runs).rows
    assert (row.n, row.seeds) == (2, (0, 1))


@pytest.mark.parametrize(
    "differs",
    [{"lr": 2}, {"status": "failed"}, {"backend": "wandb"}, {"dropout": 0}],
    ids=["value", "status", "backend", "one more"],
)
def test_runs_that_differ_otherwise_are_rows_of_their_own(differs):
    runs = [
        run("a", [0.5], **{"lr": 1, "seed": 0}),
        run("b", [0.5], **{"lr": 1, "seed": 1} | differs),
    ]
    assert [row.n for row in compare(runs).rows] == [1, 1]


def test_runs_without_a_seed_are_rows_of_their_own():
    rows = compare([run("a", [0.5, 0.6], lr=1), run("b", [0.5], lr=1)]).rows
    assert [(row.name, row.n, row.seeds, row.best_step) for row in rows] == [
        ("a", 1, (), 1),
        ("b", 1, (), 0),
    ]
    assert rows[0].best.sd is None


def test_a_value_is_the_same_however_a_tracker_keeps_it():
    runs = [
        run("a", [0.5], n=3, none=None, mlp={"dims": [64, 32]}, seed=0),
        run("b", [0.5], **{"n": 3.0, "none": "null", "mlp/dims": "[64, 32]", "seed": 1.0}),
    ]
    (row,) = compare(runs).rows
    assert row.n == 2


NOTHING = [{}, {"a": None}, {"a": "null"}, {"a": {}}, {"a": "{}"}, {"a": []}, {"a": "[]"},
           {"a": ""}, {"a": {"b": None}}, {"a": {"b": {}}}]  # fmt: skip


@pytest.mark.parametrize("one", NOTHING, ids=str)
@pytest.mark.parametrize("other", NOTHING[:4], ids=str)
def test_empty_and_missing_are_the_same_value(one, other):
    found = compare([run("a", [0.5], seed=0, **one), run("b", [0.5], seed=1, **other)])
    assert (len(found.rows), found.differing) == (1, ())


@pytest.mark.parametrize("value", [0, 0.0, False, "None", [None, 0], "0", math.nan])
def test_a_value_that_is_little_is_not_empty(value):
    found = compare([run("a", [0.5], seed=0, a=value), run("b", [0.5], seed=1, a={})])
    assert (len(found.rows), found.differing) == (2, ("a",))


def test_emptiness_within_a_list_is_the_same_however_it_is_kept():
    """As of a list of features, some without a pooling: JSON, SwanLab, TensorBoard."""
    kept = [[{"n": 1, "p": None}, None], [{"n": 1}, {}], '[{"p": null, "n": 1.0}, ""]']
    runs = [run(str(s), [0.5], seed=s, features=value) for s, value in enumerate(kept)]
    assert compare(runs).differing == ()


def test_settings_shared_by_all_runs_are_shown_even_where_the_first_lacks_them():
    found = compare([run("a", [0.5]), run("b", [0.5], a={}, lr=1), run("c", [0.5], lr=1)])
    assert found.differing == ("lr",)
    assert found.common == {"a": {}}


def columns(*runs):
    found = compare(runs)
    return comparison_table(found, found.rows).header


def test_columns_that_say_nothing_are_not_shown():
    shown = ("#", "name", "best val/auc", "at", "last")
    first, second = run("a", [0.5]), run("b", [0.4])
    assert columns(first, second) == shown
    assert columns(first, replace(second, project=None)) == shown  # some trackers keep none
    assert columns(first, replace(second, project="q")) == (*shown[:2], "project", *shown[2:])
    assert columns(first, run("b", [0.4], backend="x")) == (*shown[:2], "backend", *shown[2:])
    assert columns(run("a", [0.5], seed=0), run("b", [0.4], lr=1, seed=0)) == (
        "#", "name", "lr", "seeds", "best val/auc", "at", "last",
    )  # fmt: skip


def test_empty_and_missing_are_shown_alike():
    runs = [run("a", [0.3]), run("b", [0.2], p={}), run("c", [0.1], p=None), run("d", [0.4], p=[1])]
    found = compare(runs)
    table = comparison_table(found, found.rows)
    at = table.header.index("p")
    assert [row[at] for row in table.rows] == ["[1]", "–", "–", "–"]


@pytest.mark.parametrize("length", [200, 400])
def test_the_work_of_comparing_grows_with_the_length_of_hyper_parameters_no_faster(
    length, monkeypatch
):
    """Counted in values turned to text and characters measured: 100 runs take 0.03 s."""
    counted = Counter()
    measured = tables.unicodedata.east_asian_width

    def east_asian_width(character):
        counted["characters"] += 1
        return measured(character)

    monkeypatch.setattr(tables.unicodedata, "east_asian_width", east_asian_width)
    monkeypatch.setattr(values.json, "dumps", lambda v, **k: (counted.update(["json"]), str(v))[1])
    runs = [run(f"r{i}", [i / 200], f=[f"feature_{j}_{i}" for j in range(length)], lr=i)
            for i in range(100)]  # fmt: skip
    found = compare(runs)
    tables.aligned(comparison_table(found, found.rows), 80)
    assert counted["json"] <= 100 * 2 + 100  # once for each value, once for the table
    assert counted["characters"] <= 100 * 6 * 100


def test_ignored_hyperparameters_neither_show_nor_separate():
    runs = [run(str(s), [0.5], seed=s, path=f"/tmp/{s}") for s in range(3)]
    assert [row.n for row in compare(runs).rows] == [1, 1, 1]
    found = compare(runs, ignore=["path"])
    assert ([row.n for row in found.rows], found.differing) == ([3], ())


def test_of_a_loss_the_smallest_is_best_unless_told_otherwise():
    runs = [run("low", [3.0, 1.0, 2.0], "val/loss"), run("high", [4.0, 5.0], "val/loss")]
    assert [(row.name, row.best.mean) for row in compare(runs).rows] == [
        ("low", 1.0),
        ("high", 4.0),
    ]
    rows = compare(runs, mode="max").rows
    assert [(row.name, row.best.mean) for row in rows] == [("high", 5.0), ("low", 3.0)]


@pytest.mark.parametrize(("recorded", "best"), [("min", 1.0), ("max", 3.0)])
def test_the_direction_that_runs_monitored_a_metric_in_comes_before_that_of_its_name(
    recorded, best
):
    params = {"monitor": "val/auc", "monitor_direction": recorded}
    runs = [run("a", [3.0, 1.0], **params), run("b", [1.0, 3.0])]
    assert [row.best.mean for row in compare(runs, "val/auc").rows] == [best] * 2
    contrary = "max" if recorded == "min" else "min"
    assert [row.best.mean for row in compare(runs, "val/auc", contrary).rows] == [4.0 - best] * 2


@pytest.mark.parametrize(
    "params",
    [
        {"monitor": "val/loss", "monitor_direction": "min"},  # of another metric
        {"monitor_direction": "min"},
        {"monitor": "val/auc", "monitor_direction": "down"},
        {"monitor": "val/auc", "monitor_direction": ["min"]},
        {"monitor": "val/auc"},
    ],
)
def test_otherwise_the_direction_is_that_of_the_name(params):
    assert compare([run("a", [3.0, 1.0], **params)], "val/auc").mode == "max"


def test_runs_that_monitored_a_metric_both_ways_need_a_mode():
    runs = [
        run("a", [0.5], monitor="val/auc", monitor_direction=direction)
        for direction in ("max", "min")
    ]
    with pytest.raises(ValueError, match=r"'val/auc' for its largest value, .*--mode"):
        compare(runs)
    assert compare(runs, mode="max").mode == "max"


@pytest.mark.parametrize("metric", ["val/calibration", "val/task_1_calibration"])
def test_a_metric_without_a_direction_needs_a_mode(metric):
    runs = [run("a", [0.9, 1.1], metric)]
    with pytest.raises(ValueError, match=f"of '{metric}' neither the largest nor .*--mode"):
        compare(runs, metric)
    assert compare(runs, metric, "min").rows[0].best.mean == 0.9
    recorded = {"monitor": metric, "monitor_direction": "min"}
    assert compare([run("a", [0.9, 1.1], metric, **recorded)], metric).mode == "min"


def test_nan_is_never_best_but_may_be_last():
    nan, inf = math.nan, math.inf
    found = compare([run("a", [nan, 0.5, nan]), run("b", [nan]), run("c", [-inf, 0.1])])
    assert [(row.name, row.best.mean) for row in found.rows] == [("a", 0.5), ("c", 0.1)]
    assert math.isnan(found.rows[0].last.mean)
    assert [r.name for r in found.without_metric] == ["b"]


def test_infinities_do_not_disturb_the_others():
    rows = compare([run(str(s), [v], seed=s) for s, v in enumerate([math.inf, 0.5])]).rows
    assert (rows[0].best.mean, math.isnan(rows[0].best.sd)) == (math.inf, True)


def test_steps_out_of_order_and_repeated_are_read_as_they_count():
    points = [(0, 0.1), (2, 0.3), (1, 0.9), (2, 0.4)]
    (row,) = compare([Run("a", "jsonl", "a", metrics={"m": points})]).rows
    assert (row.best.mean, row.best_step, row.last.mean) == (0.9, 1, 0.4)


def test_a_metric_that_no_run_has_lists_those_there_are():
    with pytest.raises(ValueError, match=r"none of 6 runs .* 'val/acu'; they have: val/auc"):
        compare(grid(), metric="val/acu")


def test_a_mode_of_another_name_is_refused():
    with pytest.raises(ValueError, match="'max' or 'min', got 'maximum'"):
        compare(grid(), mode="maximum")


def test_without_runs_the_place_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"no runs below .*{tmp_path.name}"):
        compare(tmp_path)


def test_the_records_are_plain_and_the_frame_has_them():
    found = compare(grid())
    first = found.to_records()[0]
    assert first["hyperparams/lr"] == 0.2
    assert (first["rank"], first["n"], first["seeds"]) == (1, 3, [0, 1, 2])
    frame = found.to_frame()
    assert frame["best"].tolist() == [row.best.mean for row in found.rows]
    assert list(frame.columns) == list(first)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["train/loss", "val/auc", "learning_rate"], "val/auc"),
        (["train/loss", "val/loss", "val/accuracy"], "val/accuracy"),
        (["train/loss", "val/loss"], "val/loss"),
        (["learning_rate", "train/task_0_loss"], "train/task_0_loss"),
        (["val/calibration", "val/loss", "train/loss"], "val/loss"),
    ],
)
def test_the_metric_compared_by_default(names, chosen):
    assert default_metric([Run("a", "b", "c", metrics={n: [(0, 0.5)] for n in names})]) == chosen


def test_a_recorded_monitor_decides():
    metrics = {"val/auc": [(0, 0.5)], "val/ndcg@10": [(0, 0.5)]}
    assert default_metric([Run("a", "b", "c", hyperparams={"monitor": "val/ndcg@10"},
                               metrics=metrics)]) == "val/ndcg@10"  # fmt: skip


@pytest.mark.parametrize(
    ("name", "mode"),
    [("val/auc", "max"), ("val/task_0_loss", "min"), ("val/ne", "min"), ("val/rmse", "min"),
     ("val/ndcg@10", "max"), ("val/collision_rate", "min"), ("glossary", "max")],
)  # fmt: skip
def test_the_direction_follows_the_name_and_is_max_where_it_says_nothing(name, mode):
    assert direction(name) == mode


def test_the_seed_that_trainers_record_groups_runs_and_gives_way_to_the_one_a_user_names():
    def run(value, **params):
        return Run("a", "jsonl", "a", metrics={"auc": [(0, value)]}, hyperparams=params)

    (row,) = compare([run(0.5, torch_seed=1), run(0.7, torch_seed=2)]).rows
    assert (row.n, row.seeds) == (2, (1, 2))
    (row,) = compare([run(0.5, seed=7, torch_seed=1), run(0.7, seed=8, torch_seed=1)]).rows
    assert (row.n, row.seeds) == (2, (7, 8))


def copy_of(original, backend="jsonl", path="copies"):
    params = {**original.hyperparams, "copied_from": origin_of_copy(original)}
    return replace(original, backend=backend, path=path, hyperparams=params)


def test_copies_do_not_count_as_more_seeds():
    runs = grid()
    copies = [copy_of(r, path=f"{folder}/{r.name}") for folder in "ab" for r in runs]
    found = compare([*copies, *runs])
    assert [row.n for row in found.rows] == [3, 3]
    assert found.repeated == 12
    assert {r.path for r in found.runs} == {r.path for r in runs}
    assert [(row.n, row.best) for row in compare(copies).rows] == [
        (row.n, row.best) for row in compare(runs).rows
    ]


def test_a_copy_of_a_training_run_that_its_tracker_recorded_too_does_not_count():
    """Two loggers recorded one training run, and one of the records was copied to the other."""
    recorded = [
        run("a", [0.5], backend=backend, run_id="6bc2", seed=0) for backend in ("jsonl", "wandb")
    ]
    found = compare([*recorded, copy_of(recorded[0], "wandb")])
    assert [(row.backend, row.n) for row in found.rows] == [("jsonl", 1), ("wandb", 1)]
    alone = compare([copy_of(recorded[0], "wandb")])
    assert (len(alone.rows), alone.repeated) == (1, 0)


def test_epochs_are_neither_tests_nor_steps_of_the_optimizer():
    metrics = {
        "val/auc": [(0, 0.5), (1, 0.6)],
        "test/auc": [(2, 0.6)],
        "train/loss_step": [(step, 0.5) for step in range(0, 100, 10)],
    }
    assert Run("a", "jsonl", "a", metrics=metrics).epochs == 2
