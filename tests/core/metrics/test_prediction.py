"""Metrics against scikit-learn and the definition, and where they are undefined."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics

from torch_rechub.basic.metric import auc_score, log_loss, mse_score, rmse_score
from torch_rechub.metrics.prediction import mae_score


def pairs_won(y, p):
    """The share of pairs of a positive and a negative in which the positive scores higher."""
    won = [
        1.0 if positive > negative else 0.5 if positive == negative else 0.0
        for positive, label in zip(p, y)
        if label == 1
        for negative, other in zip(p, y)
        if other == 0
    ]
    return sum(won) / len(won)


@pytest.mark.parametrize("levels", [2, 5, 10**6], ids=["mostly ties", "many ties", "no ties"])
def test_auc_is_the_share_of_pairs_in_order(levels):
    rng = np.random.default_rng(levels)
    y, p = rng.integers(0, 2, 60), rng.integers(0, levels, 60) / levels
    assert auc_score(y, p) == pytest.approx(pairs_won(y, p), abs=1e-12)
    assert auc_score(y, p) == pytest.approx(sklearn_metrics.roc_auc_score(y, p), abs=1e-12)


def test_auc_takes_lists_arrays_tensors_and_columns():
    y, p = [0, 1, 1, 0], [0.2, 0.1, 0.9, 0.3]
    expected = pairs_won(y, p)
    for given in (list, np.array, torch.tensor, lambda v: np.array(v).reshape(-1, 1)):
        assert auc_score(given(y), given(p)) == expected
    assert type(auc_score(y, p)) is float


def test_auc_of_two_other_labels_takes_the_larger_as_the_positive():
    assert auc_score([-1, 1, 1, -1], [0.2, 0.1, 0.9, 0.3]) == auc_score([0, 1, 1, 0], [2, 1, 9, 3])


@pytest.mark.parametrize("labels", [[0, 0.5, 1], [0, math.nan, 1]])
def test_auc_refuses_labels_of_more_than_two_values(labels):
    with pytest.raises(ValueError, match="AUC takes labels of two values, got"):
        auc_score(labels, [0.1, 0.2, 0.3])


def test_auc_of_infinite_scores_counts_their_order():
    assert auc_score([0, 1, 0, 1], [-math.inf, math.inf, 0.0, 0.5]) == 1.0


@pytest.mark.parametrize(
    ("y", "p", "reason"),
    [
        ([1, 1], [0.2, 0.4], "only the label 1"),
        ([0, 0], [0.2, 0.4], "only the label 0"),
        ([], [], "no rows"),
        ([0, 1, 1], [0.2, math.nan, math.nan], "2 scores are NaN"),
    ],
)
def test_an_undefined_auc_is_nan_with_a_warning_that_says_why(y, p, reason, caplog):
    assert math.isnan(auc_score(y, p))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert reason in record.getMessage()


def test_log_loss_is_scikit_learns():
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, 50), rng.random(50)
    assert log_loss(y, p) == pytest.approx(sklearn_metrics.log_loss(y, p), rel=1e-12)
    by_hand = -sum(math.log(q) if label else math.log(1 - q) for label, q in zip(y, p)) / 50
    assert log_loss(y.tolist(), p.tolist()) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize(
    ("y", "p", "expected"),
    [
        ([1, 0], [1.0, 0.0], 0.0),
        ([1], [0.0], -math.log(1e-15)),
        ([0], [1.0], -math.log(1e-15)),
        ([0, 1], np.array([1.0, 0.0], dtype=np.float32), -math.log(1e-15)),
    ],
)
def test_log_loss_is_finite_at_0_and_1(y, p, expected):
    assert log_loss(y, p) == pytest.approx(expected, rel=0.01, abs=1e-12)


def test_log_loss_of_nothing_is_nan():
    assert math.isnan(log_loss([], []))


def test_mse_and_rmse_are_scikit_learns():
    rng = np.random.default_rng(1)
    y, p = rng.normal(size=50), rng.normal(size=50)
    expected = sklearn_metrics.root_mean_squared_error(y, p)
    assert rmse_score(y, p) == pytest.approx(expected, rel=1e-12)
    assert mse_score(y, p) == pytest.approx(sklearn_metrics.mean_squared_error(y, p), rel=1e-12)
    assert type(rmse_score(y.tolist(), torch.tensor(p))) is float
    assert math.isnan(rmse_score([], []))
    assert math.isnan(mse_score([], []))


def test_mae_is_scikit_learns():
    rng = np.random.default_rng(1)
    y, p = rng.normal(size=50), rng.normal(size=50)
    assert mae_score(y, p) == pytest.approx(sklearn_metrics.mean_absolute_error(y, p), rel=1e-12)
    assert type(mae_score(y.tolist(), torch.tensor(p))) is float
    assert math.isnan(mae_score([], []))


@pytest.mark.parametrize("metric", [auc_score, log_loss, mae_score, mse_score, rmse_score])
def test_labels_and_predictions_must_be_of_one_length(metric):
    with pytest.raises(ValueError, match="2 labels, but 3 predictions"):
        metric([0, 1], [0.1, 0.2, 0.3])
