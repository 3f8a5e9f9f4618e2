"""AUC under weights and DeLong's test, compared with scikit-learn and with loops over all pairs."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from torch_rechub.significance import SortedScores, bootstrap_auc, delong_test
from torch_rechub.significance.auc import auc_influence


def rows(rng, n):
    """Labels, scores with ties, and integer weights; both classes have weight."""
    y = rng.integers(0, 2, n)
    y[:4] = [0, 1, 0, 1]
    w = rng.integers(0, 4, n)
    w[:2] = 1
    return y, np.round(rng.normal(y * 0.7, 1), 1), w


def naive_delong(y, a, b):
    """DeLong et al. 1988 by the kernel of all pairs: difference and standard error."""

    def kernel(scores):
        p, q = scores[y == 1][:, None], scores[y == 0][None, :]
        return (p > q) + 0.5 * (p == q)

    ka, kb = kernel(a), kernel(b)
    m, n = ka.shape
    v10 = np.stack([ka.mean(axis=1), kb.mean(axis=1)])
    v01 = np.stack([ka.mean(axis=0), kb.mean(axis=0)])
    s = np.cov(v10) / m + np.cov(v01) / n
    return ka.mean() - kb.mean(), np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])


@pytest.mark.parametrize(
    "cases", [50, pytest.param(1_000, marks=pytest.mark.slow)], ids=lambda n: f"{n} cases"
)
def test_weighted_auc_and_delong_are_those_of_the_oracles(cases):
    rng = np.random.default_rng(0)
    for _ in range(cases):
        y, a, w = rows(rng, rng.integers(6, 80))
        b = np.round(a + rng.normal(0, 0.8, len(a)), 1)
        areas = SortedScores(y, a).auc([w, np.ones(len(y))])
        expected = [roc_auc_score(y, a, sample_weight=w), roc_auc_score(y, a)]
        assert areas == pytest.approx(expected, abs=1e-12)
        found, (difference, error) = delong_test(y, a, b), naive_delong(y, a, b)
        assert found.difference == pytest.approx(difference, abs=1e-12)
        assert found.standard_error == pytest.approx(error, abs=1e-12)
        if error > 0:
            p = 2 * stats.norm.sf(abs(difference / error))
            assert found.p == pytest.approx(p, abs=1e-12)


def test_the_parts_of_rows_are_shares_of_the_other_class():
    rng = np.random.default_rng(1)
    y, s, w = rows(rng, 40)
    found = SortedScores(y, s).parts(w)
    for i in range(40):
        others = y != y[i]
        wins = (s[i] > s) if y[i] else (s[i] < s)
        share = (wins + 0.5 * (s == s[i]))[others] @ w[others] / w[others].sum()
        assert found[i] == pytest.approx(share)


def test_the_influence_of_a_row_is_the_derivative_of_the_auc_in_its_weight():
    rng = np.random.default_rng(2)
    y, s, _ = rows(rng, 30)
    w, step, sorted_scores = np.full(30, 1 / 30), 1e-6, SortedScores(y, s)
    found = auc_influence(y * 1.0, sorted_scores.parts(w), w)
    area = float(sorted_scores.auc([w])[0])
    for i in range(30):
        changed = w + step * (np.arange(30) == i)
        slope = (float(sorted_scores.auc([changed])[0]) - area) / step
        assert found[i] - area == pytest.approx(slope, abs=1e-4)


def test_the_auc_without_a_class_is_nan():
    assert np.isnan(SortedScores([0, 1], [0.1, 0.2]).auc([[1, 0]])).all()


def test_runs_of_several_seeds_are_averaged():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 60)
    a, b = rng.normal(size=(3, 60)), rng.normal(size=(2, 60))
    mean = np.mean([roc_auc_score(y, s) for s in a]) - np.mean([roc_auc_score(y, s) for s in b])
    assert delong_test(y, a, b).difference == pytest.approx(mean)


def test_the_bootstrap_of_rows_agrees_with_delong():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 800)
    a, b = y + rng.normal(0, 1.5, 800), y + rng.normal(0, 1.7, 800)
    expected, found = delong_test(y, a, b), bootstrap_auc(y, a, b, resamples=1_000)
    assert found.low == pytest.approx(expected.low, abs=0.2 * expected.standard_error)
    assert found.high == pytest.approx(expected.high, abs=0.2 * expected.standard_error)


def test_the_bootstrap_of_groups_draws_their_rows_together():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(40), 20)
    y = rng.integers(0, 2, 800)
    shift = rng.normal(0, 2, 40)[groups]  # rows of a group are right or wrong together
    a, b = y * (1 + shift) + rng.normal(size=800), y + rng.normal(size=800)
    wide = bootstrap_auc(y, a, b, groups=groups, resamples=500)
    narrow = bootstrap_auc(y, a, b, resamples=500)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_one_model_against_itself():
    found = delong_test([0, 1, 0, 1], [1, 2, 3, 4], [1, 2, 3, 4])
    assert (found.difference, found.p, found.low, found.high) == (0.0, 1.0, 0.0, 0.0)


def test_bad_rows_are_refused_by_name():
    with pytest.raises(ValueError, match="labels must be 0 or 1, got 2"):
        SortedScores([0, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="2 labels, but 3 scores"):
        SortedScores([0, 1], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="at least two positives and two negatives"):
        delong_test([0, 1, 1], [1, 2, 3], [1, 2, 3])
    with pytest.raises(ValueError, match=r"AUC needs rows of both labels, got \[1.0\] only"):
        bootstrap_auc([1, 1], [1, 2], [1, 2])
