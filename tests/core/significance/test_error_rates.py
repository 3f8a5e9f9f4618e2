"""How often the tests are wrong: comparisons of equal methods, and of methods that differ.

Of 2,000 comparisons of two equal methods, 5 % ± 1 % are to be claimed at α = 0.05; the standard
deviation of that count is 0.5 %. The default runs have fewer, with the tolerance that fits.
"""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from torch_rechub.significance import (
    TestValues,
    bootstrap_interval,
    compare_values,
    delong_test,
    paired_test,
    sign_flip_test,
)

ALPHA = 0.05
SIZES = pytest.mark.parametrize(
    "n", [300, pytest.param(2_000, marks=pytest.mark.slow)], ids=lambda n: f"{n} comparisons"
)


def check_rate(p_values):
    """Check that 5 % of the p-values are claims: ± 1 % of 2,000, ± 4 standard deviations of few."""
    n = len(p_values)
    rate = float((np.asarray(p_values) < ALPHA).mean())
    room = 0.01 if n >= 2_000 else 4 * math.sqrt(ALPHA * (1 - ALPHA) / n)
    assert abs(rate - ALPHA) <= room, f"{rate:.4f} of {n} comparisons of equal methods are claimed"


def ndcg(rng, users):
    """Values of users as of NDCG@10 with one relevant item: most are 0, ties are frequent."""
    ranks = rng.geometric(0.06, users)
    return np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0.0)


UNITS = {
    "heavy tails": lambda rng: (rng.standard_t(1.5, 200), rng.standard_t(1.5, 200)),
    "skewed": lambda rng: (rng.lognormal(0, 2, 200), rng.lognormal(0, 2, 200)),
    "ties": lambda rng: (ndcg(rng, 300), ndcg(rng, 300)),
    "correlated": lambda rng: rng.exponential(size=400) + rng.normal(0, 0.1, (2, 400)),
    "20 users": lambda rng: (rng.standard_t(3, 20), rng.standard_t(3, 20)),
    "20 users with ties": lambda rng: (rng.integers(0, 6, 20) / 5, rng.integers(0, 6, 20) / 5),
}


@SIZES
@pytest.mark.parametrize("kind", UNITS)
def test_equal_methods_are_claimed_to_differ_in_5_percent_of_comparisons(kind, n):
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        a, b = UNITS[kind](rng)
        found.append(sign_flip_test(a - b, resamples=1_000, seed=i).p)
    if kind == "20 users with ties":  # few p-values are possible, and 5 % is not one of them
        assert 0.02 <= (np.asarray(found) < ALPHA).mean() <= 0.06
    else:
        check_rate(found)


@SIZES
def test_equal_methods_with_weights_of_users(n):
    rng = np.random.default_rng(1)
    found = []
    for i in range(n):
        a, b, w = *rng.standard_t(3, (2, 150)), rng.pareto(2, 150) + 1
        found.append(sign_flip_test(a - b, w, resamples=1_000, seed=i).p)
    check_rate(found)


def of_seeds(rng, seeds, users, spread_of_seeds):
    """Differences of two equal methods: of seeds, of users, and of both."""
    d = rng.normal(0, spread_of_seeds, (seeds, 1)) + rng.standard_t(4, (1, users)) * 0.5
    return d + rng.standard_t(4, (seeds, users))


@SIZES
@pytest.mark.parametrize("spread", [0.05, 0.5, 2])
@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_equal_methods_of_several_seeds(seeds, spread, n):
    rng = np.random.default_rng(2)
    options = {"level": "both", "resamples": 1_000}
    p = [paired_test(of_seeds(rng, seeds, 60, spread), seed=i, **options).p for i in range(n)]
    if spread == 2:  # seeds dominate
        check_rate(p)
    # where seeds hardly differ, a few of them cannot show it, and fewer are claimed
    assert (np.asarray(p) < ALPHA).mean() <= ALPHA + (0.01 if n >= 2_000 else 0.05)


@SIZES
def test_equal_methods_over_seeds_alone(n):
    """On the same users: a difference between them is one that every seed has."""
    rng = np.random.default_rng(3)
    draws = rng.normal(0, 0.3, (n, 5, 1)) + rng.standard_t(4, (n, 5, 30))
    check_rate([paired_test(d, level="seeds").p for d in draws])


def test_users_alone_claim_too_much_where_seeds_differ():
    """The mistake that `level="both"` is for: trained models differ, methods do not."""
    rng = np.random.default_rng(4)
    p = [sign_flip_test(of_seeds(rng, 1, 400, 0.3)[0], resamples=200).p for _ in range(200)]
    assert (np.asarray(p) < ALPHA).mean() > 0.4


@SIZES
def test_equal_methods_by_the_auc_of_rows(n):
    rng = np.random.default_rng(5)
    found = []
    for _ in range(n):
        y = rng.integers(0, 2, 200)
        common = rng.normal(y, 1)
        a, b = common + rng.normal(0, 0.5, (2, 200))
        found.append(delong_test(y, a, b).p)
    check_rate(found)


@SIZES
def test_equal_methods_by_the_auc_of_users_whose_rows_are_alike(n):
    rng = np.random.default_rng(6)
    groups, found = np.repeat(np.arange(60), 8), []
    for i in range(n):
        y = rng.integers(0, 2, 480)
        a, b = (y * (1 + rng.normal(0, 0.7, 60)[groups]) + rng.normal(0, 1, 480) for _ in "ab")
        values = [TestValues.of_rows(["test/auc"], y, s, groups=groups) for s in (a, b)]
        found.append(compare_values(*[[v] for v in values], "test/auc", resamples=500, seed=i).p)
    check_rate(found)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["test/f1", "test/ne", "test/rmse"])
def test_equal_methods_by_functions_of_means(metric):
    rng = np.random.default_rng(7)
    found = []
    for i in range(2_000):
        y = rng.integers(0, 2, 200)
        common = 0.5 + 0.25 * (y - 0.5)
        a, b = np.clip(common + rng.normal(0, 0.2, (2, 200)), 0.02, 0.98)
        values = [TestValues.of_rows([metric], y, s) for s in (a, b)]
        found.append(compare_values(*[[v] for v in values], metric, resamples=400, seed=i).p)
    check_rate(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["skewed", "ties", "normal"])
def test_95_percent_intervals_hold_the_true_difference(kind):
    """BCa intervals of 200 users: of 1,000, 93 % at least hold it, and those of ties 95 %."""
    rng = np.random.default_rng(8)
    draws = {
        "skewed": (lambda: rng.exponential(size=200), 1.0),
        "ties": (lambda: ndcg(rng, 200), None),
        "normal": (lambda: rng.normal(size=200), 0.0),
    }
    draw, truth = draws[kind]
    if truth is None:
        ranks = np.arange(1, 11)
        truth = float((0.06 * 0.94 ** (ranks - 1) / np.log2(1 + ranks)).sum())
    held = 0
    for i in range(1_000):
        found = bootstrap_interval(draw(), resamples=1_000, seed=i)
        held += found.low <= truth <= found.high
    assert 0.93 <= held / 1_000 <= 0.97


def power_of_t(effect, n):
    """The power of the two-sided t-test of n differences with mean `effect` and deviation 1."""
    df, nc = n - 1, effect * math.sqrt(n)
    t = stats.t.ppf(1 - ALPHA / 2, df)
    return float(stats.nct.sf(t, df, nc) + stats.nct.cdf(-t, df, nc))


@pytest.mark.parametrize(
    "n", [150, pytest.param(1_500, marks=pytest.mark.slow)], ids=lambda n: f"{n} comparisons"
)
def test_planted_differences_are_found_as_often_as_by_the_t_test(n):
    rng = np.random.default_rng(9)
    powers = []
    for effect in (0.0, 0.15, 0.3, 0.45):
        draws = rng.normal(effect, 1, (n, 60))
        p = [sign_flip_test(d, resamples=500, seed=i).p for i, d in enumerate(draws)]
        powers.append(float((np.asarray(p) < ALPHA).mean()))
        expected = power_of_t(effect, 60)
        room = 4 * math.sqrt(max(expected * (1 - expected), 0.01) / n) + 0.01
        assert powers[-1] == pytest.approx(expected, abs=room)
    assert powers == sorted(powers)


def test_delong_finds_planted_differences_of_auc():
    rng = np.random.default_rng(10)
    powers = []
    for noise in (1.0, 1.3, 3.0):
        found = []
        for _ in range(150):
            y = rng.integers(0, 2, 300)
            a, b = y + rng.normal(0, 1, 300), y + rng.normal(0, noise, 300)
            found.append(delong_test(y, a, b))
        gap = roc_auc_score(y, a) - roc_auc_score(y, b)
        assert found[-1].difference == pytest.approx(gap)
        powers.append(np.mean([test.p < ALPHA for test in found]))
    assert powers == sorted(powers)
    assert powers[0] < 0.12
    assert powers[-1] > 0.9
