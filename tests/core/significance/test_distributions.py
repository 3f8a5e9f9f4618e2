"""Tail probabilities and quantiles, compared with SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from torch_rechub.significance.distributions import (
    normal_quantile,
    normal_two_sided,
    t_quantile,
    t_two_sided,
)


@pytest.mark.parametrize("df", [1, 1.5, 2, 5, 29, 400, 1e5, 1e7, math.inf])
def test_the_t_distribution_is_that_of_scipy(df):
    for t in (0.0, 1e-4, 0.3, 1.0, 2.2, 7.5, 60.0):
        expected = 2 * stats.t.sf(t, df)
        assert t_two_sided(t, df) == pytest.approx(expected, rel=1e-7, abs=1e-300)
        assert t_two_sided(-t, df) == t_two_sided(t, df)
    for confidence in (0.5, 0.95, 0.999):
        expected = stats.t.ppf((1 + confidence) / 2, df)
        assert t_quantile(confidence, df) == pytest.approx(expected, rel=1e-8)


def test_an_infinite_t_has_probability_0():
    assert t_two_sided(math.inf, 3) == 0.0


def test_the_normal_distribution_is_that_of_scipy():
    for z in np.linspace(-9, 9, 19):
        assert normal_two_sided(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-12)
    for p in (1e-6, 0.025, 0.5, 0.9999):
        assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), rel=1e-9, abs=1e-12)
