"""Metrics of users and of recommended lists, against loops written from their definitions."""

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from torch_rechub.basic.metric import (
    coverage_score,
    diversity_score,
    gauc_score,
    get_user_pred,
    hit_score,
    mrr_score,
    ndcg_score,
    novelty_score,
    precision_score,
    ranking_metrics,
    ranking_metrics_from_hits,
    recall_score,
    topk_metrics,
)

# GAUC


def gauc_by_loop(y, p, users, weight=lambda labels: len(labels)):
    weighted = total = 0.0
    for user in set(users):
        labels = [label for label, u in zip(y, users) if u == user]
        scores = [score for score, u in zip(p, users) if u == user]
        if len(set(labels)) == 2:
            weighted += weight(labels) * sklearn_metrics.roc_auc_score(labels, scores)
            total += weight(labels)
    return weighted / total


ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-2, 2).map(float), st.integers(0, 3)), min_size=1
)


@given(ROWS)
@settings(max_examples=150, deadline=None)
def test_gauc_is_the_mean_auc_of_users_weighted_by_their_rows(rows):
    rows = [(0, 0.0, 9), (1, 1.0, 9), *rows]  # so that one user has both classes
    y, p, users = zip(*rows)
    assert gauc_score(y, p, users) == pytest.approx(gauc_by_loop(y, p, users), abs=1e-12)
    positives = gauc_by_loop(y, p, users, weight=sum)
    assert gauc_score(y, p, users, weights="positives") == pytest.approx(positives, abs=1e-12)


def test_gauc_takes_the_weights_of_users():
    y, p, users = [0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5], [7, 7, 3, 3, 3]
    assert gauc_score(y, p, users, weights={7: 1, 3: 2}) == pytest.approx((1 + 2 * 0.5) / 3)
    assert gauc_score(y, p, users, {7: 1, 3: 0}) == 1.0


def test_gauc_skips_users_of_one_class():
    y, p, users = [0, 1, 1, 1, 0], [0.2, 0.1, 0.9, 0.8, 0.7], ["a", "a", "b", "b", "c"]
    assert gauc_score(y, p, users) == 0.0
    assert gauc_score(y, p, users, weights={"a": 5}) == 0.0


def test_gauc_takes_lists_arrays_tensors_and_columns():
    y, p, users = [0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5], [7, 7, 3, 3, 3]
    for given_as in (list, np.array, torch.tensor, lambda v: np.array(v).reshape(-1, 1)):
        assert gauc_score(given_as(y), given_as(p), given_as(users)) == pytest.approx(0.7)
    assert type(gauc_score(y, p, users)) is float


def test_gauc_counts_the_order_of_infinite_scores():
    scores = [-math.inf, math.inf, 0, math.inf]
    assert gauc_score([0, 1, 0, 1], scores, [1, 1, 1, 1]) == 1.0
    assert gauc_score([0, 1], [math.inf, math.inf], [1, 1]) == 0.5


@pytest.mark.parametrize(
    ("y", "p", "users", "weights", "reason"),
    [
        ([1, 0, 0], [0.1, 0.2, 0.3], [1, 2, 2], None, "no user counts"),
        ([], [], [], None, "no user counts"),
        ([1, 0], [0.1, 0.2], [1, 1], {1: 0}, "no user counts"),
        ([1, 0], [math.nan, 0.2], [1, 1], None, "1 scores are NaN"),
    ],
)
def test_an_undefined_gauc_is_nan_with_a_warning(y, p, users, weights, reason, caplog):
    assert math.isnan(gauc_score(y, p, users, weights))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert reason in record.getMessage()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0, 1], [0.1], [1, 1]), ValueError, "2 labels, but 1 predictions"),
        (([0, 1], [0.1, 0.2], [1]), ValueError, "2 labels, but 1 users"),
        (([0, 2], [0.1, 0.2], [1, 1]), ValueError, "labels must be 0 or 1, got 2"),
        (([0, 1], [0.1, 0.2], [5, 5], {1: 1.0}), KeyError, "no weight for user 5"),
        (([0, 1], [0.1, 0.2], [5, 5], {5: -1}), ValueError, "user 5 is -1, must be at least 0"),
        (([0, 1], [0.1, 0.2], [5, 5], {5: math.nan}), ValueError, "user 5 is nan"),
        (([0, 1], [0.1, 0.2], [5, 5], "rows"), ValueError, "'positives' or None, got 'rows'"),
    ],
)
def test_gauc_refuses_what_does_not_fit(arguments, error, message):
    with pytest.raises(error, match=message):
        gauc_score(*arguments)


def test_gauc_of_many_users_takes_no_loop_over_them():
    rng, n = np.random.default_rng(0), 200_000
    y, p, users = rng.integers(0, 2, n), rng.random(n), rng.integers(0, n // 4, n)
    start = time.perf_counter()
    assert 0.49 < gauc_score(y, p, users) < 0.51
    assert time.perf_counter() - start < 2  # 50,000 single AUCs take half a minute


# The rows of a user


def test_user_pred_groups_rows_by_user_in_their_order():
    y, p, users = [0, 1, 1, 0], [0.1, 0.2, 0.3, 0.4], [7, 3, 7, 3]
    expected = {
        7: {"y_true": [0, 1], "y_pred": [0.1, 0.3]},
        3: {"y_true": [1, 0], "y_pred": [0.2, 0.4]},
    }
    for given_as in (list, np.array):
        grouped = get_user_pred(given_as(y), given_as(p), given_as(users))
        assert grouped == expected
        assert list(grouped) == [7, 3]
    assert get_user_pred([], [], []) == {}


def test_user_pred_takes_users_of_any_kind():
    assert get_user_pred([1], [0.5], ["ann"]) == {"ann": {"y_true": [1], "y_pred": [0.5]}}
    users = np.array(["b", "a"], dtype=object)
    assert list(get_user_pred([1, 0], [0.5, 0.1], users)) == ["b", "a"]


def test_user_pred_needs_one_length():
    with pytest.raises(ValueError, match="1 labels, but 2 predictions"):
        get_user_pred([1], [0.1, 0.2], [1])
    with pytest.raises(ValueError, match="2 labels, but 1 users"):
        get_user_pred([1, 0], [0.1, 0.2], [1])


# Recommended lists against relevant items


def metrics_by_loop(y_true, y_pred, k):
    """Each metric of lists without repetitions, straight from its definition."""
    values = {name: [] for name in ("ndcg", "mrr", "recall", "hit", "precision", "map")}
    for user, relevant in y_true.items():
        if not relevant:
            continue
        best = min(k, len(relevant))
        dcg = reciprocal = average = found = 0
        for rank, item in enumerate(y_pred[user][:k], start=1):
            if item in relevant:
                found += 1
                dcg += 1 / math.log2(rank + 1)
                average += found / rank
                reciprocal = reciprocal or 1 / rank
        values["ndcg"].append(dcg / sum(1 / math.log2(r + 1) for r in range(1, best + 1)))
        values["mrr"].append(reciprocal)
        values["recall"].append(found / len(relevant))
        values["hit"].append(1 if found else 0)
        values["precision"].append(found / k)
        values["map"].append(average / best)
    return {f"{name}@{k}": sum(v) / len(v) for name, v in values.items()}


ITEMS = st.lists(st.integers(0, 9), unique=True, max_size=10)


@given(st.lists(st.tuples(ITEMS, ITEMS), max_size=6), ITEMS.filter(len), ITEMS)
@settings(max_examples=150, deadline=None)
def test_every_metric_is_its_definition(users, relevant, recommended):
    y_true = dict(enumerate([relevant, *(r for r, _ in users)]))
    y_pred = dict(enumerate([recommended, *(p for _, p in users)]))
    expected = {
        name: value
        for k in (1, 3, 12)
        for name, value in metrics_by_loop(y_true, y_pred, k).items()
    }
    assert ranking_metrics(y_true, y_pred, [1, 3, 12]) == pytest.approx(expected, abs=1e-12)


def test_ndcg_is_scikit_learns():
    rng = np.random.default_rng(3)
    relevance, scores = rng.integers(0, 2, (20, 30)), rng.random((20, 30))
    relevance[:, 0] = 1
    y_true = {u: np.flatnonzero(row) for u, row in enumerate(relevance)}
    y_pred = {u: np.argsort(-row) for u, row in enumerate(scores)}
    for k in (1, 5, 30):
        expected = sklearn_metrics.ndcg_score(relevance, scores, k=k)
        assert ranking_metrics(y_true, y_pred, [k])[f"ndcg@{k}"] == pytest.approx(expected)


def test_hit_is_the_share_of_users_with_at_least_one():
    metrics = ranking_metrics({0: [1, 2, 3, 4]}, {0: [1, 9]}, [2])
    assert metrics["hit@2"] == 1.0
    assert metrics["recall@2"] == 0.25


def test_mrr_is_of_the_first_hit_within_k():
    metrics = ranking_metrics({0: [5, 6]}, {0: [1, 2, 5, 6]}, [2, 3, 4])
    assert [metrics[f"mrr@{k}"] for k in (2, 3, 4)] == [0.0, pytest.approx(1 / 3), metrics["mrr@3"]]


def test_a_perfect_list_has_an_ndcg_and_map_of_1_when_k_is_below_and_above_its_items():
    metrics = ranking_metrics({0: [1, 2, 3]}, {0: [3, 1, 2, 7, 8]}, [2, 3, 5])
    assert [metrics[f"{name}@{k}"] for name in ("ndcg", "map") for k in (2, 3, 5)] == [1.0] * 6


def test_a_list_shorter_than_k_has_misses_at_its_end():
    metrics = ranking_metrics({0: [1, 2]}, {0: [1]}, [4])
    assert metrics == ranking_metrics({0: [1, 2]}, {0: [1, 7, 8, 9]}, [4])
    assert metrics["precision@4"] == 0.25


def test_a_repeated_item_is_a_hit_once_and_keeps_its_places():
    repeated = ranking_metrics({0: [1, 4]}, {0: [1, 1, 1, 4]}, [3, 4])
    assert repeated == ranking_metrics({0: [1, 4]}, {0: [1, 7, 8, 4]}, [3, 4])
    assert repeated["recall@3"] == 0.5
    assert max(repeated.values()) <= 1.0


def test_a_repeated_relevant_item_counts_once():
    repeated = ranking_metrics({0: [1, 1, 2]}, {0: [1]}, [2])
    assert repeated == ranking_metrics({0: [1, 2]}, {0: [1]}, [2])


def test_users_without_relevant_items_change_nothing():
    with_them = ranking_metrics({0: [1], 1: [], 2: []}, {0: [5, 1], 1: [3]}, [1, 2])
    assert with_them == ranking_metrics({0: [1]}, {0: [5, 1], 9: [1]}, [1, 2])


@pytest.mark.parametrize("y_true", [{}, {0: [], 1: []}])
def test_metrics_of_no_one_are_nan_with_a_warning(y_true, caplog):
    metrics = ranking_metrics(y_true, {0: [1]}, [1, 2])
    assert len(metrics) == 12
    assert all(math.isnan(value) for value in metrics.values())
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "No user has a relevant item" in record.getMessage()


def test_a_user_without_a_list_is_named():
    with pytest.raises(KeyError, match="user 'bob' of y_true is not in y_pred"):
        ranking_metrics({"ann": [1], "bob": [2]}, {"ann": [1], "eve": [2]})


@pytest.mark.parametrize("form", [np.array, torch.tensor, tuple])
def test_lists_may_be_arrays_tensors_and_tuples(form):
    y_true, y_pred = {0: [1, 2], 1: [4]}, {0: [1, 9], 1: [5, 4]}
    given_as = ({u: form(v) for u, v in lists.items()} for lists in (y_true, y_pred))
    assert ranking_metrics(*given_as, topKs=(1, 2)) == ranking_metrics(y_true, y_pred, [1, 2])


def test_the_lists_given_are_not_changed():
    y_true, y_pred = {0: {1, 2}}, {0: [1, 1, 3]}
    ranking_metrics(y_true, y_pred, [3])
    assert (y_true, y_pred) == ({0: {1, 2}}, {0: [1, 1, 3]})


@pytest.mark.parametrize(
    "metric",
    [
        lambda ks: topk_metrics({0: [1]}, {0: [1]}, ks),
        lambda ks: coverage_score({0: [1]}, [1], ks),
        lambda ks: diversity_score({0: [1]}, {1: [0.0]}, ks),
        lambda ks: novelty_score({0: [1]}, {1: 0.1}, ks),
    ],
)
@pytest.mark.parametrize("ks", [[0], [5, -1], [], 5, [1.5], [math.nan], [None], [True], "5"])
def test_a_k_below_1_and_no_k_are_refused(metric, ks):
    with pytest.raises(ValueError, match="topKs must be"):
        metric(ks)


def test_lists_of_ten_thousand_users_take_well_under_a_second():
    rng = np.random.default_rng(0)
    y_pred = {u: rng.choice(2000, 50, replace=False).tolist() for u in range(10_000)}
    y_true = {u: items[::3] + [5000 + u] * 20 for u, items in y_pred.items()}
    start = time.perf_counter()
    ranking_metrics(y_true, y_pred, [5, 10, 50])
    assert time.perf_counter() - start < 2  # a few tenths on an idle machine


# The same from arrays


def test_metrics_from_hits_are_those_of_the_lists():
    rng = np.random.default_rng(1)
    y_true = {u: rng.choice(20, rng.integers(0, 8), replace=False).tolist() for u in range(30)}
    y_pred = {u: rng.permutation(20)[:10].tolist() for u in range(30)}
    hits = [[item in y_true[u] for item in items] for u, items in y_pred.items()]
    n_relevant = [len(items) for items in y_true.values()]
    expected = ranking_metrics(y_true, y_pred, [2, 5])
    for given_as in (list, np.array, torch.tensor):
        assert ranking_metrics_from_hits(given_as(hits), given_as(n_relevant), [2, 5]) == expected


@pytest.mark.parametrize(
    ("hits", "n_relevant", "ks", "message"),
    [
        ([[True, False]], [1], [3], "hits has 2 ranks, too few for metrics at 3"),
        ([True, False], [1, 1], [1], r"got \(2,\) and \(2,\)"),
        ([[True]], [1, 1], [1], r"got \(1, 1\) and \(2,\)"),
        ([[False, False], [True, True]], [1, 1], [2], "row 1 has 2 hits of 1 relevant items"),
        ([[True]], [1], [0], "topKs must be"),
    ],
)
def test_hits_that_cannot_be_are_refused(hits, n_relevant, ks, message):
    with pytest.raises(ValueError, match=message):
        ranking_metrics_from_hits(hits, n_relevant, ks)


def test_average_precision_is_over_the_hits_that_fit_into_the_list():
    # of four relevant items: hits at ranks 1 and 3, and a perfect list of 3
    y_true = {"some": [1, 2, 3, 4], "all": [1, 2, 3, 4]}
    y_pred = {"some": [1, 9, 2], "all": [4, 2, 1]}
    one = {u: ranking_metrics({u: y_true[u]}, {u: y_pred[u]}, [3])["map@3"] for u in y_true}
    assert one["some"] == pytest.approx((1 + 2 / 3) / 3)  # trec_eval: over 4
    assert one["all"] == 1.0  # trec_eval: 3 / 4


# The same as text


def test_topk_metrics_are_texts_under_five_names():
    assert topk_metrics({0: [1, 2, 3], 1: [4]}, {0: [1, 9, 2], 1: [5, 4, 8]}, [1, 3]) == {
        "NDCG": ["NDCG@1: 0.5", "NDCG@3: 0.6674"],
        "MRR": ["MRR@1: 0.5", "MRR@3: 0.75"],
        "Recall": ["Recall@1: 0.1667", "Recall@3: 0.8333"],
        "Hit": ["Hit@1: 0.5", "Hit@3: 1.0"],
        "Precision": ["Precision@1: 0.5", "Precision@3: 0.5"],
    }


def test_k_is_5_unless_given():
    assert topk_metrics({0: [1]}, {0: [1]})["NDCG"] == ["NDCG@5: 1.0"]
    assert list(ranking_metrics({0: [1]}, {0: [1]})) == [
        "ndcg@5",
        "mrr@5",
        "recall@5",
        "hit@5",
        "precision@5",
        "map@5",
    ]


@pytest.mark.parametrize(
    ("score", "name"),
    [
        (ndcg_score, "NDCG"),
        (mrr_score, "MRR"),
        (recall_score, "Recall"),
        (hit_score, "Hit"),
        (precision_score, "Precision"),
    ],
)
def test_each_score_is_its_part_of_topk_metrics(score, name):
    lists = {0: [1, 2, 3], 1: [4]}, {0: [7, 9, 2], 1: [5, 4, 8]}
    assert score(*lists, [1, 2]) == topk_metrics(*lists, [1, 2])[name]
    assert score(*lists) == topk_metrics(*lists)[name]


# Beyond accuracy


def diversity_by_loop(lists, vectors, k):
    means = []
    for items in lists:
        pairs = [
            1
            - np.dot(vectors[a], vectors[b])
            / np.linalg.norm(vectors[a])
            / np.linalg.norm(vectors[b])
            for i, a in enumerate(items[:k])
            for b in items[:i]
        ]
        if pairs:
            means.append(sum(pairs) / len(pairs))
    return sum(means) / len(means)


def number(texts):
    """{"Name": ["Name@5: 0.5"]} → 0.5."""
    ((text,),) = texts.values()
    return float(text.split(": ")[1])


@pytest.mark.parametrize("k", [2, 3, 10])
def test_diversity_is_the_mean_distance_of_the_pairs_of_a_list(k):
    vectors = np.random.default_rng(5).normal(size=(20, 4))
    lists = {0: [1, 2, 3, 4], 1: [7, 5], 2: [0, 19, 0], 3: [6], 4: []}  # 3 and 4 have no pair
    expected = pytest.approx(diversity_by_loop(lists.values(), vectors, k), abs=6e-5)
    assert number(diversity_score(lists, vectors, [k])) == expected
    assert (
        number(diversity_score(lists, torch.tensor(vectors, requires_grad=True), [k])) == expected
    )
    assert number(diversity_score(lists, dict(enumerate(vectors)), [k])) == expected


def test_diversity_of_equal_opposite_and_zero_vectors():
    vectors = {"a": [0.3, 0.1], "b": [0.6, 0.2], "c": [-3, -1], "zero": [0, 0]}
    expected = {("a", "b"): "0.0", ("a", "a"): "0.0", ("a", "c"): "2.0", ("a", "zero"): "1.0"}
    for items, value in expected.items():
        assert diversity_score({0: items}, vectors) == {"Diversity": [f"Diversity@5: {value}"]}


def test_diversity_is_never_below_0_by_rounding():
    assert diversity_score({0: [0, 0, 0]}, np.ones((1, 3))) == {"Diversity": ["Diversity@5: 0.0"]}


@pytest.mark.parametrize("item", [-1, 3])
def test_diversity_names_an_item_outside_the_vectors(item):
    with pytest.raises(IndexError, match=f"item {item} is outside item_embeddings of 3 rows"):
        diversity_score({0: [0, 1], 1: [item, 2]}, np.ones((3, 2)))


def test_diversity_names_an_item_without_a_vector():
    with pytest.raises(KeyError, match="item 'b' has no vector"):
        diversity_score({0: ["a", "b"]}, {"a": [1.0]})


def test_coverage_is_the_share_of_the_catalog():
    lists = {0: [1, 2, 3], 1: [1, 5, 6], 2: np.array([2])}
    expected = {"Coverage": ["Coverage@1: 0.2", "Coverage@3: 0.5"]}
    assert coverage_score(lists, range(10), [1, 3]) == expected
    assert coverage_score(lists, [*range(10), 1, 2], [1, 3]) == expected
    assert coverage_score(lists, torch.arange(10), [1, 3]) == expected


def test_coverage_does_not_count_items_outside_the_catalog():
    assert coverage_score({0: [7, 8, 1]}, [1, 2], [3]) == {"Coverage": ["Coverage@3: 0.5"]}


def test_an_empty_catalog_is_refused():
    with pytest.raises(ValueError, match="all_items is empty"):
        coverage_score({0: [1]}, [])


def test_novelty_is_the_mean_information_of_lists_and_then_of_users():
    popularity = {1: 0.5, 2: 0.25, 3: 0.125}
    lists = {0: [1], 1: [2, 3], 2: []}
    expected = {"Novelty": ["Novelty@1: 1.5", "Novelty@2: 1.75"]}  # (1 + 2)/2, (1 + (2 + 3)/2)/2
    assert novelty_score(lists, popularity, [1, 2]) == expected


@pytest.mark.parametrize("popularity", [{}, {1: 0.0}])
def test_novelty_of_an_item_never_seen_is_finite(popularity):
    assert novelty_score({0: [1]}, popularity) == {"Novelty": ["Novelty@5: 33.2193"]}


@pytest.mark.parametrize("p", [12, -0.1, math.nan])
def test_novelty_refuses_popularities_that_are_no_shares(p):
    with pytest.raises(ValueError, match=f"the popularity of item 1 is {p}"):
        novelty_score({0: [1]}, {1: p})


def test_diversity_and_novelty_of_nothing_are_nan_with_a_warning(caplog):
    assert diversity_score({0: [1]}, {1: [1.0]}) == {"Diversity": ["Diversity@5: nan"]}
    assert diversity_score({}, {}) == {"Diversity": ["Diversity@5: nan"]}
    assert novelty_score({0: []}, {1: 0.5}) == {"Novelty": ["Novelty@5: nan"]}
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
