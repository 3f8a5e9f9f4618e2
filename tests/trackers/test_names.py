"""Metrics whose names collide in a tracker are stored separately, and that is reported."""

from itertools import chain

import pytest
from backends import BACKENDS, open_logger, read_run

from torch_rechub.basic.tracking import names

EACH = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture
def warned(warnings_of_trackers, monkeypatch):
    monkeypatch.setattr(names, "_reported", set())
    return warnings_of_trackers


@EACH
@pytest.mark.parametrize(
    "metrics",
    [
        {"task": {"a": 1.0}, "task/a": 2.0},
        {1: 1.0, "1": 2.0},
        {"two words": 1.0, "two_words": 2.0},
        {"a\0": 1.0, "a_": 2.0},
        {"x" * 600: 1.0, "x" * 599 + "y": 2.0},
        {"/a": 1.0, "a": 2.0},
    ],
    ids=lambda metrics: repr(list(metrics))[:40],
)
def test_two_metrics_keep_a_series_each(backend, metrics, tmp_path, warned):
    with open_logger(backend, tmp_path) as logger:
        for step in range(2):
            logger.log_metrics(metrics, step)
    found = read_run(backend, tmp_path).metrics
    assert sorted(found.values()) == [[(0, 1.0), (1, 1.0)], [(0, 2.0), (1, 2.0)]]


@EACH
@pytest.mark.parametrize(
    ("params", "values"),
    [
        ({"mlp": {"dims": 1}, "mlp/dims": 2}, {1, 2}),
        ({"lr": 1, "-lr": 2}, {1, 2}),
        ({"\ud800": 1, "\\ud800": 2}, {1, 2}),
    ],
    ids=["nested", "with a dash", "no UTF-8"],
)
def test_two_hyperparams_keep_a_value_each(backend, params, values, tmp_path, warned):
    with open_logger(backend, tmp_path) as logger:
        logger.log_hyperparams(params)
    found = read_run(backend, tmp_path).hyperparams
    parts = [list(v.values()) if isinstance(v, dict) else [v] for v in found.values()]
    assert set(chain(*parts)) == values


def test_the_report_names_them(tmp_path, warned):
    names.distinct([("dims", 1), ("dims", 2)])
    names.distinct([("dims", 1), ("dims", 2)])
    assert warned() == ["Two hyper-parameters are called 'dims'; one is recorded as 'dims_'."]
