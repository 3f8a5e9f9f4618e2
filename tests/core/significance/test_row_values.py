"""Values of rows: their mean is the metric, their deviation its derivative in a row's weight."""

import numpy as np
import pytest
from sklearn import metrics as sklearn

from torch_rechub.metrics.monitor import metric_named
from torch_rechub.significance import row_values

METRICS = (
    "auc", "log_loss", "mse", "rmse", "mae", "accuracy", "precision", "recall", "f1", "ne",
    "precision_0.3", "accuracy_0.7",
)  # fmt: skip


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    p = np.clip(0.3 * y + np.round(rng.random(n), 2) * 0.7, 0.01, 0.99)
    return y, p, rng.integers(1, 4, n)


@pytest.mark.parametrize("name", METRICS)
def test_the_weighted_mean_of_rows_is_the_metric(name):
    y, p, w = table()
    metric = metric_named(name)
    mean = np.average(row_values(name, y, p, w), weights=w)
    assert mean == pytest.approx(metric.function(y, p, weights=w), abs=1e-12)
    assert row_values(name, y, p).mean() == pytest.approx(metric.function(y, p), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("auc", sklearn.roc_auc_score),
        ("log_loss", sklearn.log_loss),
        ("f1", lambda y, p: sklearn.f1_score(y, p >= 0.5)),
        ("recall", lambda y, p: sklearn.recall_score(y, p >= 0.5)),
    ],
)
def test_the_mean_of_rows_is_the_metric_of_scikit_learn(name, function):
    y, p, _ = table(seed=1)
    assert row_values(name, y, p).mean() == pytest.approx(function(y, p))


@pytest.mark.parametrize("name", METRICS)
def test_a_row_deviates_by_the_derivative_of_the_metric_in_its_weight(name):
    y, p, _ = table(seed=2)
    metric, values, step = metric_named(name), row_values(name, y, p), 1e-6
    whole = metric.function(y, p)
    for i in range(0, len(y), 7):
        w = np.ones(len(y))
        w[i] += step
        slope = (metric.function(y, p, weights=w) - whole) / step * len(y)
        assert values[i] - whole == pytest.approx(slope, abs=1e-3)


def test_metrics_without_positives_are_those_of_the_library():
    y, p = [0, 1, 1], [0.1, 0.2, 0.3]
    assert row_values("precision", y, p).tolist() == [0, 0, 0]
    assert row_values("rmse", [1.0, 2.0], [1.0, 2.0]).tolist() == [0, 0]


def test_rows_that_a_metric_is_not_defined_on_are_refused():
    with pytest.raises(ValueError, match="auc is not defined on these rows"):
        row_values("auc", [1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="ne is not defined on these rows"):
        row_values("ne", [1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="scores must be finite, got nan in row 1"):
        row_values("log_loss", [1, 0], [0.5, np.nan])
    with pytest.raises(ValueError, match="labels must be 0 or 1, got 3"):
        row_values("f1", [1, 3], [0.5, 0.5])
