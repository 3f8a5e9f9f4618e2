"""Metrics of probabilities against their formulas."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from torch_rechub.metrics.calibration import (
    calibration_error,
    calibration_score,
    normalized_entropy,
)

METRICS = (normalized_entropy, calibration_score, calibration_error)


def clicks(n=400, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return (rng.random(n) < p).astype(int), p


def error_by_loop(y, p, n_bins):
    """Bins of rows in order of their prediction, the first ones longer by one where need be."""
    rows = sorted(zip(p, y))
    total, start = 0.0, 0
    for b in range(n_bins):
        size = len(rows) // n_bins + (b < len(rows) % n_bins)
        bin_rows = rows[start : start + size]
        start += size
        mean_p = sum(row[0] for row in bin_rows) / size
        mean_y = sum(row[1] for row in bin_rows) / size
        total += size / len(rows) * abs(mean_p - mean_y)
    return total


def test_normalized_entropy_is_log_loss_over_that_of_the_mean_label():
    y, p = clicks()
    constant = sklearn_metrics.log_loss(y, np.full(len(y), y.mean()))
    assert normalized_entropy(y, p) == pytest.approx(sklearn_metrics.log_loss(y, p) / constant)
    assert normalized_entropy(y, np.full(len(y), y.mean())) == pytest.approx(1)
    assert normalized_entropy(y, p) < 1 < normalized_entropy(y, 1 - p)


def test_calibration_is_the_mean_prediction_over_the_mean_label():
    y, p = clicks()
    assert calibration_score(y, p) == pytest.approx(p.mean() / y.mean())
    assert calibration_score([0, 1], [0.9, 0.6]) == 1.5


@pytest.mark.parametrize("n_bins", [1, 3, 7, 10])
def test_calibration_error_is_the_weighted_gap_of_bins_of_equal_mass(n_bins):
    y, p = clicks(n=103)
    assert calibration_error(y, p, n_bins) == pytest.approx(error_by_loop(y, p, n_bins))


def test_calibration_error_takes_ten_bins_and_one_of_each_row_where_there_are_fewer():
    y, p = clicks()
    assert calibration_error(y, p) == calibration_error(y, p, n_bins=10)
    assert calibration_error([0, 1, 1], [0.1, 0.6, 0.8]) == pytest.approx((0.1 + 0.4 + 0.2) / 3)


def test_calibration_error_of_equal_predictions_does_not_depend_on_the_order_of_rows():
    y, p = np.array([1] * 30 + [0] * 70), np.full(100, 0.3)
    shuffled = np.random.default_rng(0).permutation(y)
    assert calibration_error(y, p) == pytest.approx(0)
    assert calibration_error(shuffled, p) == pytest.approx(0)


def test_calibration_error_of_predictions_that_are_too_high_is_the_excess():
    rng = np.random.default_rng(1)
    p = np.repeat([0.2, 0.5], 50_000)
    y = rng.random(100_000) < p
    assert calibration_error(y, p + 0.1) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("metric", "y", "p", "reason"),
    [
        (normalized_entropy, [1, 1], [0.2, 0.4], "only the label 1"),
        (normalized_entropy, [], [], "no rows"),
        (calibration_score, [0, 0], [0.2, 0.4], "without a positive label"),
        (calibration_score, [], [], "without a positive label"),
        (calibration_error, [0, 1], [math.nan, 0.4], "1 scores are NaN"),
    ],
)
def test_an_undefined_metric_is_nan_with_a_warning_that_says_why(metric, y, p, reason, caplog):
    assert math.isnan(metric(y, p))
    (record,) = caplog.records
    assert (record.levelname, reason in record.message) == ("WARNING", True)


def test_the_metrics_of_a_nan_are_nan():
    assert math.isnan(normalized_entropy([0, 1], [math.nan, 0.4]))
    assert math.isnan(calibration_score([0, 1], [math.nan, 0.4]))
    assert math.isnan(calibration_error([], []))


@pytest.mark.parametrize("metric", METRICS)
def test_labels_outside_0_to_1_are_refused(metric):
    with pytest.raises(ValueError, match=r"labels must be in \[0, 1\], got 3"):
        metric([0, 3, 1], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="2 labels, but 1 predictions"):
        metric([0, 1], [0.1])


def test_labels_between_0_and_1_count_as_shares_of_clicks():
    # 3 clicks in 10 impressions: one row of label 0.3, or ten rows of labels 0 and 1
    rates, p = np.array([0.3, 0.8, 0.3]), np.array([0.2, 0.9, 0.5])
    clicks = np.concatenate([[1] * round(10 * r) + [0] * (10 - round(10 * r)) for r in rates])
    for metric in METRICS:
        bins = {"n_bins": 3} if metric is calibration_error else {}
        assert metric(rates, p, **bins) == pytest.approx(metric(clicks, p.repeat(10), **bins))


def test_normalized_entropy_of_one_rate_is_defined():
    assert normalized_entropy([0.3, 0.3], [0.3, 0.3]) == pytest.approx(1)


def test_bins_below_1_are_refused():
    with pytest.raises(ValueError, match="n_bins must be at least 1, got 0"):
        calibration_error([0, 1], [0.1, 0.2], n_bins=0)
