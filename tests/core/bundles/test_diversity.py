"""Maximal marginal relevance selects as a loop over its formula."""

import numpy as np
import pytest
import torch

from torch_rechub.bundles.diversity import (
    Diversity,
    maximal_marginal_relevance,
    unit_interval,
)


def _naive(relevance, vectors, k, trade_off):
    """Select for one user, by the formula of Carbonell and Goldstein."""
    selected = []
    for _ in range(min(k, len(relevance))):
        best, best_value = -1, -np.inf
        for i in range(len(relevance)):
            if i in selected or relevance[i] == -np.inf:
                continue
            norm_i = np.linalg.norm(vectors[i])
            cosines = [
                vectors[i] @ vectors[j] / (norm_i * np.linalg.norm(vectors[j])) for j in selected
            ]
            value = trade_off * relevance[i] - (1 - trade_off) * max(cosines, default=0.0)
            if value > best_value:
                best, best_value = i, value
        selected.append(best)
    return selected


@pytest.mark.parametrize("trade_off", [0.0, 0.3, 0.7, 1.0])
def test_selection_equals_a_loop_over_the_formula(trade_off):
    rng = np.random.default_rng(0)
    relevance = rng.random((12, 15))
    relevance[3, 4:] = -np.inf
    relevance[5] = -np.inf
    vectors = rng.normal(size=(12, 15, 4))

    found = maximal_marginal_relevance(relevance, vectors, 8, trade_off=trade_off)

    expected = [_naive(r, v, 8, trade_off) for r, v in zip(relevance, vectors, strict=True)]
    assert found.tolist() == expected
    assert (found[3, 4:] == -1).all()
    assert (found[5] == -1).all()


def test_relevance_alone_is_the_order_of_scores():
    relevance = torch.tensor([[0.1, 0.9, 0.9, 0.5]])
    found = maximal_marginal_relevance(relevance, torch.randn(1, 4, 3), 10, trade_off=1.0)
    assert found.tolist() == [[1, 2, 3, 0]]


def test_of_equal_items_one_is_selected_before_different_ones():
    relevance = torch.tensor([[1.0, 0.99, 0.2]])
    vectors = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    assert maximal_marginal_relevance(relevance, vectors, 3, trade_off=0.5).tolist() == [[0, 2, 1]]


def test_the_arguments_stay_as_they_are():
    relevance, vectors = torch.rand(2, 5), torch.randn(2, 5, 3)
    before = relevance.clone(), vectors.clone()
    maximal_marginal_relevance(relevance, vectors, 3)
    assert torch.equal(relevance, before[0])
    assert torch.equal(vectors, before[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"trade_off": 1.5}, "trade_off must be at least 0 and at most 1"),
        ({"vectors": torch.zeros(2, 4, 3)}, r"got \(2, 5\) and \(2, 4, 3\)"),
        ({"vectors": torch.full((2, 5, 3), torch.nan)}, "vectors hold values that are not finite"),
        ({"relevance": torch.full((2, 5), torch.nan)}, "relevance holds NaN or inf"),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    arguments = {"relevance": torch.rand(2, 5), "vectors": torch.randn(2, 5, 3), "k": 3} | change
    with pytest.raises(ValueError, match=message):
        maximal_marginal_relevance(**arguments)


def test_scores_are_scaled_by_user():
    scores = torch.tensor([[4.0, 2.0, 3.0], [7.0, 7.0, -torch.inf], [-torch.inf] * 3])
    scaled = unit_interval(scores)
    assert scaled[0].tolist() == [1.0, 0.0, 0.5]
    assert scaled[1].tolist() == [1.0, 1.0, -torch.inf]
    assert scaled[2].isneginf().all()


def test_similarity_of_categories_is_the_share_of_equal_ones():
    """A one-hot vector for each of two categories has half the cosine for each equal one."""
    rng = np.random.default_rng(0)
    relevance = rng.random((9, 12))
    categories = rng.integers(0, 3, (9, 12, 2))
    one_hot = np.concatenate([np.eye(3)[categories[..., i]] for i in range(2)], axis=2)
    found = maximal_marginal_relevance(relevance, categories, 6, trade_off=0.4, categorical=True)
    assert (
        found.tolist() == maximal_marginal_relevance(relevance, one_hot, 6, trade_off=0.4).tolist()
    )


def test_settings_of_re_ranking_are_checked():
    with pytest.raises(ValueError, match="trade_off must be at least 0"):
        Diversity(-1)
    with pytest.raises(TypeError, match=r"columns must be a list, such as \['kind'\]"):
        Diversity(columns="kind")
