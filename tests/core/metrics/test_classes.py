"""Metrics of several classes against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from torch_rechub.metrics.classes import class_accuracy, class_log_loss


def classes(n=200, c=5, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(c), n)
    return rng.integers(0, c, n), p


def test_they_are_those_of_scikit_learn():
    y, p = classes()
    assert class_log_loss(y, p) == pytest.approx(sklearn_metrics.log_loss(y, p))
    assert class_accuracy(y, p) == pytest.approx(sklearn_metrics.accuracy_score(y, p.argmax(1)))


def test_a_row_of_weight_two_counts_as_two_rows():
    y, p = classes()
    w = np.random.default_rng(1).integers(0, 4, len(y))
    for metric in (class_log_loss, class_accuracy):
        repeated = metric(np.repeat(y, w), np.repeat(p, w, axis=0))
        assert metric(y, p, weights=w) == pytest.approx(repeated)


def test_metrics_of_no_row_are_nan():
    for metric in (class_log_loss, class_accuracy):
        assert math.isnan(metric([], np.empty((0, 3))))
    assert math.isnan(class_accuracy([0], [[math.nan, 0.5]]))


@pytest.mark.parametrize(
    ("labels", "p", "message"),
    [
        ([0, 3], [[0.5, 0.5], [0.5, 0.5]], "labels must be classes 0 to 1, got 3"),
        ([0, 0.5], [[0.5, 0.5], [0.5, 0.5]], "got 0.5"),
        ([0, 1], [0.5, 0.5], r"must have the shape \(N, C\), got \(2,\)"),
        ([0], [[0.5, 0.5], [0.5, 0.5]], "1 labels, but 2 predictions"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, p, message):
    for metric in (class_log_loss, class_accuracy):
        with pytest.raises(ValueError, match=message):
            metric(labels, p)
