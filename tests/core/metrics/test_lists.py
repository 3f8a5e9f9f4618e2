"""Coverage, diversity and novelty of arrays of items, against loops over lists."""

import math

import numpy as np
import pytest
import torch

from torch_rechub.metrics import lists
from torch_rechub.metrics.lists import (
    RankedLists,
    catalogue_coverage,
    mean_diversity,
    mean_novelty,
)

N, D = 30, 4


def some_lists(n_users=40, k=6, seed=0):
    """Items of users who have 0 to k of them; −1 fills the rows."""
    rng = np.random.default_rng(seed)
    items = np.full((n_users, k), -1)
    for row in items:
        n = rng.integers(0, k + 1)
        row[:n] = rng.choice(N, n, replace=False)
    return items


def as_lists(items):
    return [[item for item in row if item >= 0] for row in items.tolist()]


def distance(a, b):
    return 1 - np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))


def diversity_by_loop(items, vectors):
    means = []
    for row in as_lists(items):
        pairs = [distance(vectors[a], vectors[b]) for i, a in enumerate(row) for b in row[:i]]
        if pairs:
            means.append(sum(pairs) / len(pairs))
    return sum(means) / len(means)


def novelty_by_loop(items, p):
    means = [sum(-math.log2(p[i]) for i in row) / len(row) for row in as_lists(items) if row]
    return sum(means) / len(means)


@pytest.mark.parametrize("at_once", [1, 50, 2**22])
def test_diversity_is_the_mean_distance_of_pairs_however_many_users_are_taken_at_once(
    at_once, monkeypatch
):
    monkeypatch.setattr(lists, "_NUMBERS_AT_ONCE", at_once)
    items, vectors = some_lists(), np.random.default_rng(1).normal(size=(N, D))
    assert mean_diversity(items, vectors) == pytest.approx(diversity_by_loop(items, vectors))
    vectors = torch.tensor(vectors, requires_grad=True)
    assert mean_diversity(torch.tensor(items), vectors) == pytest.approx(
        diversity_by_loop(items, vectors.detach().numpy())
    )


def test_coverage_is_the_share_of_items_in_any_list():
    items = some_lists(n_users=5)
    shown = {item for row in as_lists(items) for item in row}
    assert catalogue_coverage(items, N) == len(shown) / N
    assert catalogue_coverage(np.full((3, 2), -1), N) == 0


def test_novelty_is_the_mean_information_of_lists_and_then_of_users():
    items = some_lists()
    p = np.random.default_rng(2).dirichlet(np.ones(N))
    assert mean_novelty(items, p) == pytest.approx(novelty_by_loop(items, p))


def test_novelty_of_an_item_never_seen_is_finite():
    assert mean_novelty([[0]], [0.0]) == pytest.approx(-math.log2(1e-10))


def test_a_gap_within_a_list_holds_no_item():
    vectors = np.random.default_rng(3).normal(size=(N, D))
    gap, none = [[4, -1, 7]], [[4, 7, -1]]
    assert mean_diversity(gap, vectors) == pytest.approx(distance(vectors[4], vectors[7]))
    p = np.full(N, 0.5)
    assert mean_novelty(gap, p) == mean_novelty(none, p) == 1.0


@pytest.mark.parametrize(
    ("metric", "argument", "name"),
    [(mean_diversity, np.ones((N, D)), "Diversity@2"), (mean_novelty, np.ones(N), "Novelty@2")],
)
def test_of_empty_lists_they_are_nan_with_a_warning(metric, argument, name, caplog):
    assert math.isnan(metric(np.full((3, 2), -1), argument))
    assert math.isnan(metric(np.empty((0, 2)), argument))
    assert [f"{name} is undefined" in record.message for record in caplog.records] == [True] * 2


@pytest.mark.parametrize(
    ("metric", "argument", "error", "message"),
    [
        (catalogue_coverage, 3, IndexError, "item 3 is outside the catalog of 3"),
        (catalogue_coverage, 0, ValueError, "n_items must be at least 1, got 0"),
        (mean_diversity, np.ones((3, 2)), IndexError, "item 3 is outside item_embeddings of 3"),
        (mean_novelty, np.ones(3), IndexError, "item 3 is outside popularity of 3 items"),
        (mean_novelty, [0.5, 12.0], ValueError, "popularity of item 1 is 12.0; a share"),
        (mean_novelty, [math.nan, 1.0], ValueError, "popularity of item 0 is nan; a share"),
    ],
)
def test_items_outside_the_catalog_are_named(metric, argument, error, message):
    with pytest.raises(error, match=message):
        metric([[0, 3]], argument)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([True], [1]), r"hits must be \(users, ranks\) and n_relevant \(users,\), got \(1,\)"),
        (([[True]], [1, 2]), r"got \(1, 1\) and \(2,\)"),
        (([[True]], [1], [[1, 2]]), r"items must be those of hits, .* \(1, 1\), got \(1, 2\)"),
        (([[True]], [1], [[1], [2]]), r"of shape \(1, 1\), got \(2, 1\)"),
        (([[True]], [1], [1]), r"of shape \(1, 1\), got \(1,\)"),
    ],
)
def test_lists_whose_shapes_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RankedLists(*arguments)
