"""Metrics of rows that count differently, against scikit-learn and against repeated rows."""

import logging
import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from torch_rechub.metrics import Metric, RankedLists, at_threshold, metric_named
from torch_rechub.metrics.calibration import (
    calibration_error,
    calibration_score,
    normalized_entropy,
)
from torch_rechub.metrics.computing import of_lists, of_predictions
from torch_rechub.metrics.monitor import as_metrics
from torch_rechub.metrics.ranking import ranking_metrics_from_hits

RNG = np.random.default_rng(0)
N = 400
Y = RNG.integers(0, 2, N)
P = np.round(RNG.random(N) * 0.6 + 0.2 * Y, 2)  # with ties
W = RNG.random(N) * RNG.integers(0, 3, N)
WHOLE = RNG.integers(0, 4, N)
OF_ROWS = [
    "auc", "log_loss", "ne", "calibration", "calibration_error", "mse", "rmse", "mae",
    "accuracy", "precision", "recall", "f1", "precision_0.3",
]  # fmt: skip

SKLEARN = {
    "auc": sklearn_metrics.roc_auc_score,
    "log_loss": sklearn_metrics.log_loss,
    "mse": sklearn_metrics.mean_squared_error,
    "mae": sklearn_metrics.mean_absolute_error,
}
OF_CLASSES = {
    "accuracy": sklearn_metrics.accuracy_score,
    "precision": sklearn_metrics.precision_score,
    "recall": sklearn_metrics.recall_score,
    "f1": sklearn_metrics.f1_score,
}


@pytest.mark.parametrize("name", SKLEARN)
def test_metrics_are_those_of_scikit_learn(name):
    expected = SKLEARN[name](Y, P, sample_weight=W)
    assert metric_named(name).function(Y, P, weights=W) == pytest.approx(expected, rel=1e-12)


def test_the_root_of_the_squared_error_is_that_of_scikit_learn():
    expected = math.sqrt(sklearn_metrics.mean_squared_error(Y, P, sample_weight=W))
    assert metric_named("rmse").function(Y, P, weights=W) == pytest.approx(expected)


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize("threshold", [0.5, 0.37])
def test_metrics_at_a_threshold_are_those_of_scikit_learn(name, threshold):
    expected = OF_CLASSES[name](Y, threshold <= P, sample_weight=W)
    found = at_threshold(name, threshold).function(Y, P, weights=W)
    assert found == pytest.approx(expected, rel=1e-12)


def test_calibration_is_its_formula():
    rows = [(w, y, p) for w, y, p in zip(W.tolist(), Y.tolist(), P.tolist()) if w > 0]
    expected = sum(w * p for w, _, p in rows) / sum(w * y for w, y, _ in rows)
    assert calibration_score(Y, P, weights=W) == pytest.approx(expected)


def test_normalized_entropy_is_its_formula():
    rate = sum(W * Y) / sum(W)
    own = sum(w * -math.log(p if y else 1 - p) for w, y, p in zip(W, Y, P)) / sum(W)
    constant = -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)
    assert normalized_entropy(Y, P, weights=W) == pytest.approx(own / constant)


@pytest.mark.parametrize("n_bins", [1, 3, 10])
def test_calibration_error_is_a_loop_over_bins_of_equal_weight(n_bins):
    total, shared = sum(W), {}
    for p in set(P.tolist()):
        same = p == P
        shared[p] = sum(W[same] * Y[same]) / sum(W[same]) if W[same].any() else 0.0
    gaps, place = [0.0] * n_bins, 0.0
    for i in np.argsort(P, kind="stable"):
        left = W[i]  # which bins share, where one ends within the row
        while left > 0:
            b = min(int(place / total * n_bins + 1e-12), n_bins - 1)
            part = left if b == n_bins - 1 else min(left, total * (b + 1) / n_bins - place)
            part = max(part, 1e-15)
            gaps[b] += part * (P[i] - shared[P[i]])
            place, left = place + part, left - part
    expected = sum(map(abs, gaps)) / total
    assert calibration_error(Y, P, n_bins, weights=W) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", OF_ROWS)
def test_a_row_of_weight_n_counts_as_n_rows(name):
    function = metric_named(name).function
    expected = function(np.repeat(Y, WHOLE), np.repeat(P, WHOLE))
    assert function(Y, P, weights=WHOLE) == pytest.approx(expected, rel=1e-10)
    assert function(Y, P, weights=np.ones(N)) == pytest.approx(function(Y, P), rel=1e-10)


@pytest.mark.parametrize("name", OF_ROWS)
def test_rows_of_weight_0_may_hold_anything(name):
    function, w = metric_named(name).function, W > 0.5
    y, p = np.where(w, Y, 7), np.where(w, P, math.nan)
    assert function(y, p, weights=w) == pytest.approx(function(Y[w], P[w]), rel=1e-12)


@pytest.mark.parametrize("name", OF_ROWS)
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_impossible_weights_are_refused(name, value):
    w = np.ones(N)
    w[5] = value
    with pytest.raises(ValueError, match=f"weights must be finite and at least 0, got {value:g}"):
        metric_named(name).function(Y, P, weights=w)
    with pytest.raises(ValueError, match="400 labels, but 3 weights"):
        metric_named(name).function(Y, P, weights=[1, 1, 1])


def test_one_class_of_weight_above_0_has_no_auc(caplog):
    with caplog.at_level(logging.WARNING, "torch_rechub"):
        assert math.isnan(metric_named("auc").function(Y, P, weights=Y))
        assert math.isnan(metric_named("auc").function(Y, P, weights=0 * Y))
    assert "AUC is undefined on only the label 1" in caplog.text
    assert "AUC is undefined on no rows" in caplog.text


def test_metrics_of_rows_take_their_weights_by_name():
    names = ["auc", "log_loss", "precision_0.3"]
    found = of_predictions(as_metrics(names), Y, P, weights=W)
    expected = {name: metric_named(name).function(Y, P, weights=W) for name in names}
    assert found == pytest.approx(expected)


def test_metrics_of_groups_leave_out_rows_of_weight_0_and_count_the_others_alike():
    users, kept = RNG.integers(0, 30, N), W > 0
    metrics = as_metrics(["gauc", "ndcg@3", "hit@1", "auc"])
    found = of_predictions(metrics, Y, P, users, W)
    expected = of_predictions(metrics[:3], Y[kept], P[kept], users[kept])
    assert {name: found[name] for name in expected} == expected
    assert found["auc"] == pytest.approx(sklearn_metrics.roc_auc_score(Y, P, sample_weight=W))


def test_a_function_is_given_weights_as_it_says():
    def bias(y, p, sample_weight=None):
        return float(np.average(p - y, weights=sample_weight))

    given = {"bias": "sample_weight", "alike": False}
    metrics = [Metric(name, bias, None, weighted=how) for name, how in given.items()]
    found = of_predictions(metrics, Y, P, weights=W)
    kept = W > 0
    expected = {"bias": np.average(P - Y, weights=W), "alike": np.mean((P - Y)[kept])}
    assert found == pytest.approx(expected)
    with pytest.raises(ValueError, match="metric bias does not say whether it takes them"):
        of_predictions([Metric("bias", bias, None)], Y, P, weights=W)
    with pytest.raises(TypeError, match="weighted must be True, False, None or the name"):
        Metric("bias", bias, None, weighted=1)


def test_lists_of_users_count_by_their_weights():
    hits = RNG.random((50, 4)) < 0.2
    n_relevant = hits.sum(axis=1) + RNG.integers(0, 2, 50)
    w = RNG.integers(0, 4, 50)
    repeated = (hits.repeat(w, axis=0), n_relevant.repeat(w))
    expected = ranking_metrics_from_hits(*repeated, [1, 4])
    assert ranking_metrics_from_hits(hits, n_relevant, [1, 4], weights=w) == pytest.approx(expected)
    names = ["ndcg@4", "mrr@1", "recall@4", "map@4"]
    found = of_lists(as_metrics(names), RankedLists(hits, n_relevant, weights=w))
    assert found == pytest.approx({name: expected[name] for name in names})
    own = Metric("own", metric_named("ndcg@4").function, "max", "hits", 4, weighted=True)
    assert of_lists([own], RankedLists(hits, n_relevant, weights=w))["own"] == pytest.approx(
        expected["ndcg@4"]
    )
    alike = Metric("own", lambda hits, n: len(hits), "max", "hits", 4, weighted=False)
    assert of_lists([alike], RankedLists(hits, n_relevant, weights=w)) == {"own": (w > 0).sum()}
    with pytest.raises(ValueError, match="weights must be"):
        RankedLists(hits, n_relevant, weights=w[:3])
