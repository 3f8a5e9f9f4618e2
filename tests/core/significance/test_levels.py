"""Tests over units, over seeds, and over both, compared with SciPy and with loops."""

import math

import numpy as np
import pytest
from scipy import stats

from torch_rechub.significance import bootstrap_interval, paired_test, sign_flip_test


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


def test_over_both_the_variance_is_that_of_the_analysis_of_variance():
    rng = np.random.default_rng(2)
    n_seeds, n_units = 4, 6
    d = rng.normal(size=(n_seeds, 1)) + rng.normal(size=(1, n_units))
    d = d + 0.1 * rng.normal(size=(n_seeds, n_units))
    total = d.mean()
    seeds = [d[s].mean() for s in range(n_seeds)]
    units = [d[:, u].mean() for u in range(n_units)]
    of_seeds = n_units * sum((m - total) ** 2 for m in seeds) / (n_seeds - 1)
    of_units = n_seeds * sum((m - total) ** 2 for m in units) / (n_units - 1)
    residual = 0.0
    for s in range(n_seeds):
        for u in range(n_units):
            residual += (d[s, u] - seeds[s] - units[u] + total) ** 2
    residual /= (n_seeds - 1) * (n_units - 1)
    variance = (of_seeds + of_units - residual) / (n_seeds * n_units)
    found = paired_test(d, level="both")
    half = (found.high - found.low) / 2
    # the p-value and the interval are of one t: solve for its degrees of freedom
    parts = (of_units / (n_seeds * n_units)) ** 2 / (n_units - 1)
    parts += (of_seeds / (n_seeds * n_units)) ** 2 / (n_seeds - 1)
    df = variance**2 / parts
    assert half == pytest.approx(stats.t.ppf(0.975, df) * math.sqrt(variance))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(total) / math.sqrt(variance), df))


def test_over_both_it_is_the_t_test_of_units_where_seeds_agree():
    units = np.random.default_rng(3).normal(0.2, 1, 40)
    d = np.tile(units, (3, 1))
    expected = stats.ttest_1samp(units, 0).pvalue
    assert paired_test(d, level="both").p == pytest.approx(expected)


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
