"""Bootstrap intervals, compared with SciPy's on the same resamples, and by their coverage."""

import numpy as np
import pytest
from scipy import stats

from torch_rechub.significance import bootstrap_interval
from torch_rechub.significance.bootstrap import interval_of, resampled_means


def scipys(values, method, confidence, resamples=999):
    rng = np.random.default_rng(0)
    options = {"method": method, "confidence_level": confidence, "n_resamples": resamples}
    return stats.bootstrap((values,), np.mean, rng=rng, axis=-1, **options)


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize(
    "cases", [15, pytest.param(500, marks=pytest.mark.slow)], ids=lambda n: f"{n} cases"
)
def test_intervals_of_the_same_resamples_are_those_of_scipy(method, cases):
    rng = np.random.default_rng(1)
    compared = 0
    while compared < cases:
        values = rng.standard_t(3, rng.integers(8, 60)) + rng.normal()
        confidence = float(rng.choice([0.8, 0.95, 0.99]))
        expected = scipys(values, "BCa" if method == "bca" else method, confidence)
        mean = values.mean()
        drawn = expected.bootstrap_distribution
        if ((drawn != mean) & np.isclose(drawn, mean, rtol=0, atol=1e-12)).any():
            continue  # a resample of all values, which SciPy counts as less or more by rounding
        compared += 1
        found = interval_of(drawn, mean, values - mean, confidence, method)
        ends = (expected.confidence_interval.low, expected.confidence_interval.high)
        assert (found.low, found.high) == pytest.approx(ends, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", ["smooth", "few values", "weighted"])
def test_resampled_means_have_the_moments_of_drawing_with_replacement(kind):
    rng = np.random.default_rng(2)
    values = rng.exponential(size=400)
    values = (values > 1.5) * 1.0 if kind == "few values" else values
    weights = rng.integers(1, 4, 400) * 1.0 if kind == "weighted" else None
    drawn = resampled_means(values, weights, 20_000, seed=0)
    mean = np.average(values, weights=weights)
    w = np.ones(400) if weights is None else weights
    error = np.sqrt(((w * (values - mean)) ** 2).sum()) / w.sum()
    assert drawn.mean() == pytest.approx(mean, abs=5 * error / 100)
    assert drawn.std() == pytest.approx(error, rel=0.03)


def test_the_interval_of_many_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(3).normal(5, 2, 5_000)
    found = bootstrap_interval(values, resamples=4_000)
    error = 2 / np.sqrt(5_000)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_equal_weights_change_nothing_but_the_draws():
    values = np.random.default_rng(4).normal(size=1_000)
    plain = bootstrap_interval(values, resamples=4_000)
    weighted = bootstrap_interval(values, np.full(1_000, 7.0), resamples=4_000)
    assert (plain.low, plain.high) == pytest.approx((weighted.low, weighted.high), abs=0.01)


def test_equal_values_have_an_interval_of_one_point():
    found = bootstrap_interval([0.25] * 10)
    assert (found.low, found.high) == (0.25, 0.25)


def test_results_depend_on_the_seed_only():
    values = np.random.default_rng(5).normal(size=100)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)


def test_bad_settings_are_refused_by_name():
    with pytest.raises(ValueError, match="method must be one of 'bca', 'percentile', got 'basic'"):
        bootstrap_interval([1.0, 2.0], method="basic")
    with pytest.raises(ValueError, match="confidence must be above 0 and below 1, got 95"):
        bootstrap_interval([1.0, 2.0], confidence=95)
    with pytest.raises(ValueError, match="values must be finite, got inf in row 1"):
        bootstrap_interval([1.0, np.inf])
