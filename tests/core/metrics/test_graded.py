"""NDCG of graded labels within groups, against scikit-learn and the metric of labels 0 and 1."""

import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from torch_rechub.metrics.computing import of_predictions
from torch_rechub.metrics.graded import graded_ndcg, graded_ndcg_at
from torch_rechub.metrics.monitor import metric_named


def rows(n=300, n_labels=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_labels, n), rng.random(n), rng.integers(0, 20, n)


@pytest.mark.parametrize("k", [1, 3, 10, 100])
def test_it_is_that_of_scikit_learn_averaged_over_groups(k):
    y, s, g = rows()
    of_groups = [ndcg_score([2.0 ** y[g == u] - 1], [s[g == u]], k=k) for u in set(g.tolist())]
    assert graded_ndcg(y, s, g, k) == pytest.approx(np.mean(of_groups))


def test_of_labels_0_and_1_it_is_the_metric_of_that_name():
    y, s, g = rows(n_labels=2)
    y[g == 3] = 0  # a group without a relevant row
    s = s.round(1)  # ties
    found = of_predictions([metric_named("ndcg@5")], y, s, g)
    assert of_predictions([graded_ndcg_at(5)], y, s, g) == pytest.approx(found)


def test_where_it_is_undefined_it_is_nan_with_a_warning(caplog):
    assert math.isnan(graded_ndcg([0, 0], [0.1, 0.2], [1, 1]))
    assert math.isnan(graded_ndcg([1, 0], [math.nan, 0.2], [1, 1]))
    assert math.isnan(graded_ndcg([], [], []))
    assert len(caplog.records) == 3


def test_negative_labels_are_refused():
    with pytest.raises(ValueError, match="labels must be at least 0 for NDCG, got -1"):
        graded_ndcg([1, -1], [0.1, 0.2], [1, 1])
