"""Tests over units, over seeds, and over both, compared with SciPy and with loops."""

import math

import numpy as np
import pytest
from scipy import stats

from torch_rechub.significance import bootstrap_interval, levels, paired_test, sign_flip_test


def test_over_seeds_it_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    for n_seeds in (2, 5, 20):
        a, b = rng.normal(0.3, 1, (n_seeds, 30)), rng.normal(0, 1, (n_seeds, 30))
        found = paired_test(a - b, level="seeds")
        expected = stats.ttest_rel(a.mean(axis=1), b.mean(axis=1))
        interval = expected.confidence_interval(0.95)
        assert found.p == pytest.approx(expected.pvalue)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_over_units_it_averages_seeds_and_flips_signs():
    d = np.random.default_rng(1).normal(0.1, 1, (3, 50))
    found, means = paired_test(d), d.mean(axis=0)
    assert found.p == sign_flip_test(means).p
    interval = bootstrap_interval(means)
    assert (found.low, found.high) == (interval.low, interval.high)
    assert found.difference == pytest.approx(d.mean())


def components(d):
    """The variances of the means of units, of seeds and of the residuals, by loops."""
    n_seeds, n_units = d.shape
    total = d.mean()
    seeds = [d[s].mean() for s in range(n_seeds)]
    units = [d[:, u].mean() for u in range(n_units)]
    of_seeds = sum((m - total) ** 2 for m in seeds) / (n_seeds - 1) / n_seeds
    of_units = sum((m - total) ** 2 for m in units) / (n_units - 1) / n_units
    residual = 0.0
    for s in range(n_seeds):
        for u in range(n_units):
            residual += (d[s, u] - seeds[s] - units[u] + total) ** 2
    residual /= (n_seeds - 1) * (n_units - 1) * n_seeds * n_units
    return of_units, of_seeds, residual


def test_over_both_the_p_value_is_that_of_drawn_variances():
    rng = np.random.default_rng(2)
    d = rng.normal(size=(4, 1)) + rng.normal(size=(1, 9)) + 0.5 * rng.normal(size=(4, 9)) + 0.7
    of_units, of_seeds, residual = components(d)
    p = []
    for _ in range(40_000):
        seeds = of_seeds * 3 / rng.chisquare(3) - residual * 24 / rng.chisquare(24)
        variance = of_units * 8 / rng.chisquare(8) + max(seeds, 0)
        p.append(math.erfc(abs(d.mean()) / math.sqrt(2 * variance)))
    found = paired_test(d, level="both", resamples=40_000)
    assert found.p == pytest.approx(np.mean(p), abs=0.01)
    assert found.difference == pytest.approx(d.mean())


def test_over_both_it_is_the_t_test_of_seeds_where_seeds_dominate():
    d = np.random.default_rng(3).normal(0.5, 1, (4, 1)) + np.zeros((1, 50))
    d = d + np.random.default_rng(4).normal(0, 1e-3, (4, 50))
    found, expected = paired_test(d, level="both", resamples=100_000), paired_test(d, level="seeds")
    assert found.p == pytest.approx(expected.p, abs=0.01)
    assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=0.05)


def test_over_both_it_is_the_test_of_units_where_seeds_agree():
    units = np.random.default_rng(3).normal(0.2, 1, 40)
    found = paired_test(np.tile(units, (3, 1)), level="both", resamples=100_000)
    assert found.p == pytest.approx(stats.ttest_1samp(units, 0).pvalue, abs=0.01)
    constant = paired_test(np.ones((3, 6)), level="both")
    assert (constant.p, constant.low, constant.high) == (2 / 2**6, 1.0, 1.0)


def test_seeds_that_agree_by_chance_are_no_certainty():
    found = paired_test([[-0.5, -0.5], [0.0, -1.0]], level="seeds")
    assert (found.p, found.low, found.high) == (0.5, -0.5, -0.5)


def test_more_units_than_can_be_resampled_are_tested_by_t(monkeypatch):
    monkeypatch.setattr(levels, "MOST_DRAWS", 100 * 500 - 1)
    d = np.random.default_rng(5).normal(0.1, 1, 500)
    found = paired_test(d, resamples=100)
    assert (found.method, found.p) == ("t", pytest.approx(stats.ttest_1samp(d, 0).pvalue))


def test_weights_repeat_units():
    d, w = np.random.default_rng(4).normal(size=(3, 5)), np.array([1, 2, 1, 3, 0])
    repeated = paired_test(np.repeat(d, w, axis=1), level="seeds")
    weighted = paired_test(d, w, level="seeds")
    assert weighted.p == pytest.approx(repeated.p)
    assert weighted.difference == pytest.approx(repeated.difference)


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="level='both' needs at least two seeds, got 1"):
        paired_test([0.1, 0.2], level="both")
    with pytest.raises(ValueError, match="level must be one of 'units', 'seeds', 'both'"):
        paired_test([0.1, 0.2], level="users")
    with pytest.raises(ValueError, match=r"shape \(seeds, units\), got \(1, 0\)"):
        paired_test([])
