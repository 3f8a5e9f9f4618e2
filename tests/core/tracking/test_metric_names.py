"""No two metrics become one: each keeps a series of its own, and a changed name is reported."""

import enum

import numpy as np
import pytest

from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.basic.tracking.plain import plain_metrics
from torch_rechub.runs import read_runs


class Split(str, enum.Enum):
    VAL = "val"


def warnings(caplog):
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("metrics", "values", "told"),
    [
        ({"task": {"a": 1}, "task/a": 2}, [1, 2], ["['task', 'a']", "['task/a']", "'task/a_'"]),
        ({"task/a": 2, "task": {"a": 1}}, [2, 1], ["['task/a']", "['task', 'a']", "'task/a_'"]),
        ({1: 0.25, "1": 0.5}, [0.25, 0.5], ["[1]", "['1']", "'1_'"]),
        ({None: 0.25, "None": 0.5}, [0.25, 0.5], ["[None]", "['None']", "'None_'"]),
        ({"a": {"b": {"c": 1}}, "a/b": {"c": 2}}, [1, 2], ["['a', 'b', 'c']", "['a/b', 'c']"]),
        ({True: 1, "True": 2}, [1, 2], ["[True]", "['True']"]),
        ({"a": {1: 1}, "a/1": 2, "a/1_": 3}, [1, 2, 3], ["'a/1_'", "'a/1__'"]),
    ],
)
def test_both_values_are_kept_and_the_warning_names_both(metrics, values, told, caplog):
    plain = plain_metrics(metrics)
    assert list(plain.values()) == values
    first, second, *_ = plain
    assert first + "_" == second
    text = "".join(warnings(caplog))
    assert all(part in text for part in told), text


def test_over_a_run_each_keeps_its_name_and_one_warning_is_enough(tmp_path, caplog):
    with JSONLLogger(dir=tmp_path) as logger:
        for step in range(3):
            logger.log_metrics({"task": {"a": step}}, step)
            logger.log_metrics({"task/a": 10 + step}, step)
    (run,) = read_runs(tmp_path)
    assert run.metrics == {
        "task/a": [(0, 0), (1, 1), (2, 2)],
        "task/a_": [(0, 10), (1, 11), (2, 12)],
    }
    assert len(warnings(caplog)) == 1


def test_other_runs_do_not_count(tmp_path, caplog):
    for name, metrics in (("one", {"task": {"a": 1}}), ("two", {"task/a": 2})):
        with JSONLLogger(name=name, dir=tmp_path) as logger:
            logger.log_metrics(metrics, 0)
    assert [list(run.metrics) for run in read_runs(tmp_path)] == [["task/a"], ["task/a"]]
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("one", "same"),
    [("val", np.str_("val")), ("val", Split.VAL), (1, np.int64(1)), (Split.VAL, "val")],
)
def test_keys_that_are_one_key_of_a_dict_are_one_metric(one, same, tmp_path, caplog):
    with JSONLLogger(dir=tmp_path) as logger:
        logger.log_metrics({one: {"auc": 0.5}}, 0)
        logger.log_metrics({same: {"auc": 0.75}}, 1)
    (run,) = read_runs(tmp_path)
    assert run.metrics == {f"{'val' if one != 1 else 1}/auc": [(0, 0.5), (1, 0.75)]}
    assert warnings(caplog) == []
