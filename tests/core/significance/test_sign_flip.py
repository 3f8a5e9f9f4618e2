"""The sign-flip test, compared with SciPy's permutation test and with loops over all patterns."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from torch_rechub.significance import sign_flip_test


def p_of_scipy(d):
    def mean(x, axis):
        return np.mean(x, axis=axis)

    options = {"permutation_type": "samples", "n_resamples": np.inf, "vectorized": True}
    return float(stats.permutation_test((d,), mean, **options).pvalue)


def differences(rng, n):
    """Differences of one of several kinds: smooth, heavy-tailed, tied, or mostly 0."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.normal(0.3, 1, n)
    if kind == 1:
        return rng.standard_t(1.5, n)
    if kind == 2:
        return rng.integers(-2, 3, n).astype(float)
    return rng.normal(0, 1, n) * (rng.random(n) < 0.4)


@pytest.mark.parametrize(
    "cases", [40, pytest.param(1_000, marks=pytest.mark.slow)], ids=lambda n: f"{n} cases"
)
def test_exact_values_are_those_of_scipy(cases):
    rng = np.random.default_rng(0)
    for _ in range(cases):
        d = differences(rng, rng.integers(2, 11))
        found = sign_flip_test(d)
        assert found.exact
        assert found.difference == pytest.approx(d.mean())
        if d.any():
            assert found.p == pytest.approx(p_of_scipy(d), abs=1e-12), d


def test_exact_values_with_weights_are_those_of_a_loop_over_all_patterns():
    rng = np.random.default_rng(1)
    for n in (1, 2, 5, 9):
        d, w = rng.normal(size=n), rng.integers(1, 4, n)
        observed = abs(float(w @ d))
        sums = [abs(sum(s * x for s, x in zip(p, w * d))) for p in product((-1, 1), repeat=n)]
        expected = sum(total >= observed - 1e-9 for total in sums) / len(sums)
        assert sign_flip_test(d, w).p == pytest.approx(expected)


def test_random_patterns_agree_with_the_exact_value():
    d = np.random.default_rng(2).normal(0.4, 1, 17)
    exact = sign_flip_test(d, resamples=200_000)
    sampled = sign_flip_test(d, resamples=100_000)
    assert (exact.exact, sampled.exact) == (True, False)
    error = math.sqrt(exact.p * (1 - exact.p) / 100_000)
    assert sampled.p == pytest.approx(exact.p, abs=4 * error)


def test_random_patterns_have_the_variance_of_independent_signs():
    from torch_rechub.significance.sign_flip import _random_sums

    terms = np.random.default_rng(3).normal(size=101)
    sums = _random_sums(terms, 50_000, seed=0)
    assert sums.std() == pytest.approx(math.sqrt((terms**2).sum()), rel=0.02)
    assert stats.kstest(sums / sums.std(), "norm").pvalue > 1e-3


def test_it_agrees_with_the_t_test_and_wilcoxon_on_many_normal_differences():
    d = np.random.default_rng(4).normal(0.06, 1, 2_000)
    p = sign_flip_test(d, resamples=100_000).p
    assert p == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=0.1)
    assert p == pytest.approx(stats.wilcoxon(d).pvalue, abs=0.03)


def test_equal_values_have_p_1_and_zeros_do_not_count():
    assert sign_flip_test([0.0] * 50).p == 1.0
    d = [0.5, 0.25, 1.0, -0.5]
    assert sign_flip_test(d + [0.0] * 1_000).p == sign_flip_test(d).p


def test_units_of_weight_0_do_not_count():
    with_weights = sign_flip_test([1.0, 2.0, -9.0], [1, 1, 0])
    assert with_weights == sign_flip_test([1.0, 2.0], [1, 1])


def test_results_depend_on_the_seed_only():
    d = np.random.default_rng(5).normal(0.1, 1, 100)
    assert sign_flip_test(d, seed=1) == sign_flip_test(d, seed=1)
    assert sign_flip_test(d, seed=1).p != sign_flip_test(d, seed=2).p


@pytest.mark.parametrize(
    ("d", "w", "message"),
    [
        ([], None, "differences is empty"),
        ([math.nan], None, "differences must be finite, got nan in row 0"),
        ([[1.0]], None, "must have shape"),
        ([1.0], [1, 2], "1 values, but 2 weights"),
        ([1.0, 2.0], [1, -1], "weights must be at least 0, got -1 in row 1"),
        ([1.0, 2.0], [0, 0], "all weights are 0"),
    ],
)
def test_bad_input_is_refused_by_name(d, w, message):
    with pytest.raises(ValueError, match=message):
        sign_flip_test(d, w)


def test_too_few_resamples_are_refused():
    with pytest.raises(ValueError, match="resamples must be at least 100, got 10"):
        sign_flip_test([1.0], resamples=10)
