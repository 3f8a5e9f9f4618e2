"""Rows of a comparison tested against a baseline: pairs by seed, corrections, refusals."""

import math
from dataclasses import replace

import pytest

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.runs import read_runs, significance
from torch_rechub.significance import TestValues, holm, save_test_values, sign_flip_test


def record(folder, name, values, metric="hit@1", val=0.5, units=None, **params):
    """A run with these values of users; None records no values."""
    with JSONLLogger(name=name, config={"model": name, **params}, dir=folder) as logger:
        logger.log_metrics({f"val/{metric}": val}, step=0)
        if values is None:
            return
        logger.log_metrics({f"test/{metric}": sum(values) / len(values)}, step=1)
        written = values
        if not isinstance(values, TestValues):
            units = range(len(values)) if units is None else units
            options = {"units": units, "directions": {f"test/{metric}": "max"}}
            written = save_test_values(folder / "values.npz", {f"test/{metric}": values}, **options)
        logger.log_artifact("test_values", str(written), "test_values")


GOOD, FAIR, BAD = [1] * 20, [1, 0] * 10, [0] * 20


@pytest.fixture
def folder(tmp_path):
    record(tmp_path, "good", GOOD, val=0.9)
    record(tmp_path, "fair", FAIR, val=0.8)
    record(tmp_path, "bad", BAD, val=0.7)
    return tmp_path


def test_each_row_is_tested_against_the_best_of_validation(folder):
    found = significance(folder)
    assert (found.metric, found.comparison.metric, found.baseline) == ("test/hit@1", "val/hit@1", 1)
    p = [sign_flip_test([y - x for x, y in zip(GOOD, row, strict=True)]).p for row in (FAIR, BAD)]
    tests = found.tests
    assert [test.p for test in tests] == [None, *p]
    assert [test.p_holm for test in tests] == [None, *holm(p)]
    assert [test.verdict for test in tests] == ["baseline", "worse", "worse"]
    assert [test.difference for test in tests[1:]] == pytest.approx([-0.5, -1.0])
    assert (tests[1].n_units, tests[1].unit, tests[1].n_seeds) == (20, "users", 1)


@pytest.mark.parametrize("name", ["fair", "id"])
def test_a_baseline_is_found_by_the_name_of_a_row_or_the_id_of_a_run(folder, name):
    if name == "id":
        record(folder, "named", FAIR, val=0.8, run_id="id")
    found = significance(folder, baseline=name)
    verdicts = {r.name: t.verdict for r, t in zip(found.comparison.rows, found.tests, strict=True)}
    assert verdicts["good"] == "better"
    assert verdicts["bad"] == "worse"


def test_a_baseline_below_the_first_rows_is_added_to_them(folder):
    found = significance(folder, baseline="bad", top=1)
    assert [row.name for row in found.comparison.rows] == ["good", "bad"]
    assert [test.verdict for test in found.tests] == ["better", "baseline"]


def test_the_direction_of_the_metric_decides_which_is_better(folder):
    found = significance(folder, mode="min")
    assert [row.name for row in found.comparison.rows] == ["bad", "fair", "good"]
    assert [test.verdict for test in found.tests] == ["baseline", "worse", "worse"]


def test_equal_values_are_the_same_and_small_differences_unclear(tmp_path):
    for name, values in {"a": GOOD, "b": GOOD, "c": [0, *GOOD[1:]]}.items():
        record(tmp_path, name, values)
    found = significance(tmp_path, baseline="a")
    assert [test.verdict for test in found.tests] == ["baseline", "same", "unclear"]


def test_runs_of_two_rows_are_paired_by_seed(tmp_path):
    values = {0: FAIR, 1: GOOD, 2: BAD}
    for seed, given in values.items():
        record(tmp_path, "a", given, lr=1, val=0.9, seed=seed)
        record(tmp_path, "b", given, lr=2, val=0.8, seed=2 - seed if seed != 1 else 1)
    found = significance(tmp_path, ignore=["model"])
    # paired by seed, the differences of the first and the last seed are opposite
    assert found.tests[1].difference == pytest.approx(0)
    assert (found.tests[1].n_seeds, found.tests[1].level) == (3, "both")
    assert found.tests[1].p_seeds == pytest.approx(1)


def test_seeds_of_one_row_only_are_left_out_with_a_warning(tmp_path, caplog):
    for seed in (0, 1, 2):
        record(tmp_path, "a", GOOD, lr=1, val=0.9, seed=seed)
    for seed in (1, 2, 7):
        record(tmp_path, "b", FAIR, lr=2, val=0.8, seed=seed)
    assert significance(tmp_path, ignore=["model"]).tests[1].n_seeds == 2
    assert "2 seeds in common; other runs are left out" in caplog.text


def test_rows_without_a_seed_in_common_are_refused(tmp_path):
    for seed in (0, 1):
        record(tmp_path, "a", GOOD, lr=1, seed=seed)
        record(tmp_path, "b", FAIR, lr=2, seed=seed + 5)
    with pytest.raises(ValueError, match="have no seed in common, by which their runs are paired"):
        significance(tmp_path, ignore=["model"])


def test_two_runs_of_a_seed_are_refused(tmp_path):
    for name in ("a", "a", "b"):
        record(tmp_path, name, GOOD, seed=3)
    with pytest.raises(ValueError, match="two runs of 'a' of the seed 3 cannot be paired"):
        significance(tmp_path)


def test_rows_without_values_are_not_tested_and_say_so(folder):
    record(folder, "old", None, val=0.85)
    found = significance(folder)
    assert [test.verdict for test in found.tests] == ["baseline", "not recorded", "worse", "worse"]
    records = found.to_records()
    assert records[1]["test/p"] is None
    assert len(found.to_frame()) == 4


@pytest.mark.parametrize("recorded", [0, 1])
def test_without_two_rows_of_values_the_error_says_how_to_record_them(tmp_path, recorded):
    record(tmp_path, "a", GOOD if recorded else None)
    record(tmp_path, "b", None)
    with pytest.raises(ValueError, match=r"record=Recording\(test_values=True\)"):
        significance(tmp_path)


def test_one_row_is_no_comparison(folder):
    with pytest.raises(ValueError, match="a test needs two rows, got one: give more runs"):
        significance(folder, top=1)


def test_a_baseline_without_values_is_refused_by_name(folder):
    record(folder, "old", None)
    with pytest.raises(ValueError, match="the baseline 'old' lacks recorded values of test/hit@1"):
        significance(folder, baseline="old")
    with pytest.raises(ValueError, match=r"none is called 'x'.*good, fair, bad, old"):
        significance(folder, baseline="x")


def test_rows_of_different_users_are_refused_by_name(folder):
    record(folder, "other", GOOD, units=range(3, 23), val=0.1)
    with pytest.raises(ValueError, match="'other' and 'good' cannot be compared: the units differ"):
        significance(folder)
    assert len(significance(folder, top=3).tests) == 3


def test_values_of_another_metric_are_refused_by_name(folder):
    with JSONLLogger(name="other", config={"model": "other"}, dir=folder) as logger:
        logger.log_metrics({"val/hit@1": 0.1}, step=0)
        file = save_test_values(folder / "values.npz", {"test/mrr@1": GOOD})
        logger.log_artifact("test_values", str(file), "test_values")
    with pytest.raises(ValueError, match=r"'other': no values of 'test/hit@1' are recorded"):
        significance(folder, "val/hit@1")


def test_a_damaged_file_is_refused_by_its_path(folder):
    file = next(folder.glob("*.files/*"))
    file.write_bytes(b"junk")
    with pytest.raises(ValueError, match="is damaged, or no file of test values") as refused:
        significance(folder)
    assert str(file) in str(refused.value)


def test_results_are_plain_data(folder):
    found = significance(folder).to_dict()
    assert found["test"] == {"metric": "test/hit@1", "baseline": 1, "confidence": 0.95}
    first = found["rows"][1]
    assert first["test/verdict"] == "worse"
    assert math.isclose(first["test/low"], -0.7, abs_tol=0.1)


def test_a_training_run_that_several_loggers_recorded_is_tested_once(folder):
    alone = significance(folder)
    runs = [replace(r, hyperparams={**r.hyperparams, "run_id": r.name}) for r in read_runs(folder)]
    others = [replace(run, backend="wandb") for run in runs]
    found = significance([*others, *runs], baseline="good")
    assert found.tests == alone.tests
    assert [row.backend for row in found.comparison.rows] == ["jsonl"] * 3
    assert found.comparison.repeated == 3
