"""Metrics at a threshold against scikit-learn's of predicted labels."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from torch_rechub.metrics.classification import (
    accuracy_score,
    binary_f1,
    binary_precision,
    binary_recall,
)

ORACLES = {
    accuracy_score: sklearn_metrics.accuracy_score,
    binary_precision: sklearn_metrics.precision_score,
    binary_recall: sklearn_metrics.recall_score,
    binary_f1: sklearn_metrics.f1_score,
}


@pytest.mark.parametrize("metric", ORACLES)
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9])
def test_a_metric_is_scikit_learns_of_the_labels_predicted_at_the_threshold(metric, threshold):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 200), rng.integers(0, 11, 200) / 10  # some on the threshold
    expected = ORACLES[metric](y, p >= threshold)
    assert metric(y, p, threshold) == pytest.approx(expected)
    if threshold == 0.5:
        assert metric(y, p) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ORACLES)
@pytest.mark.parametrize(("y", "p"), [([0, 0], [0.1, 0.2]), ([1, 1], [0.1, 0.2]), ([0], [0.9])])
def test_without_positives_or_predicted_ones_it_is_what_scikit_learn_gives(metric, y, p):
    options = {} if metric is accuracy_score else {"zero_division": 0}
    assert metric(y, p) == ORACLES[metric](y, np.array(p) >= 0.5, **options)


@pytest.mark.parametrize("metric", ORACLES)
def test_scores_may_be_logits(metric):
    assert metric([0, 1, 1], [-3.0, 2.0, 0.5], threshold=0.0) == 1.0


@pytest.mark.parametrize("metric", ORACLES)
def test_of_nothing_and_of_nan_it_is_nan(metric, caplog):
    assert math.isnan(metric([], []))
    assert not caplog.records
    assert math.isnan(metric([0, 1], [math.nan, 0.7]))
    assert "1 scores are NaN" in caplog.text


@pytest.mark.parametrize("metric", ORACLES)
@pytest.mark.parametrize(
    ("y", "p", "threshold", "message"),
    [
        ([0, 2], [0.1, 0.2], 0.5, "labels must be 0 or 1, got 2"),
        ([0, 0.5], [0.1, 0.2], 0.5, "labels must be 0 or 1, got 0.5"),
        ([0, 1], [0.1], 0.5, "2 labels, but 1 predictions"),
        ([0, 1], [0.1, 0.2], math.inf, "threshold must be finite, got inf"),
    ],
)
def test_what_does_not_fit_is_refused(metric, y, p, threshold, message):
    with pytest.raises(ValueError, match=message):
        metric(y, p, threshold)
