"""Metrics of predictions and of lists: computed by name, against scikit-learn and loops."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from torch_rechub.metrics.computing import (
    RankedLists,
    check_needs,
    hits_within_groups,
    of_lists,
    of_predictions,
)
from torch_rechub.metrics.monitor import Metric, as_metrics, at_threshold


def rows(n=300, users=20, levels=50, seed=0):
    """Labels, scores with ties, and users in any order."""
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, n), rng.integers(1, levels, n) / levels
    return y, p, rng.integers(0, users, n)


def lists_by_loop(y, p, users):
    """The labels of each user's rows, best first, ties in the order of the rows."""
    found = []
    for user in sorted(set(users.tolist())):
        of_user = [(-p[i], i) for i in range(len(y)) if users[i] == user]
        found.append([y[i] > 0 for _, i in sorted(of_user)])
    return found


def mean_over_users(lists, metric):
    values = [metric(rel) for rel in lists if any(rel)]
    return sum(values) / len(values)


def test_metrics_of_rows_are_scikit_learns_in_the_order_they_are_given():
    y, p, _ = rows()
    predicted = p >= 0.5
    expected = {
        "mae": sklearn_metrics.mean_absolute_error(y, p),
        "auc": sklearn_metrics.roc_auc_score(y, p),
        "log_loss": sklearn_metrics.log_loss(y, p),
        "mse": sklearn_metrics.mean_squared_error(y, p),
        "rmse": math.sqrt(sklearn_metrics.mean_squared_error(y, p)),
        "accuracy": sklearn_metrics.accuracy_score(y, predicted),
        "precision": sklearn_metrics.precision_score(y, predicted),
        "recall": sklearn_metrics.recall_score(y, predicted),
        "f1": sklearn_metrics.f1_score(y, predicted),
        "calibration": p.mean() / y.mean(),
    }
    found = of_predictions(as_metrics(expected), y, p)
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)
    assert {type(value) for value in found.values()} == {float}


def test_a_threshold_of_the_users_own_counts():
    y, p, _ = rows()
    found = of_predictions([at_threshold("recall", 0.2)], y, p)
    assert found == {"recall_0.2": sklearn_metrics.recall_score(y, p >= 0.2)}


def test_gauc_is_the_mean_auc_of_users_weighted_by_their_rows():
    y, p, users = rows()
    auc, weights = [], []
    for user in set(users.tolist()):
        mine = users == user
        if 0 < y[mine].sum() < mine.sum():
            auc.append(sklearn_metrics.roc_auc_score(y[mine], p[mine]))
            weights.append(mine.sum())
    found = of_predictions(as_metrics("gauc"), y, p, users)
    assert found["gauc"] == pytest.approx(np.average(auc, weights=weights))


@pytest.mark.parametrize("k", [1, 3, 100])
def test_ranking_metrics_of_rows_rank_within_each_group(k):
    y, p, users = rows(levels=5)
    lists = lists_by_loop(y, p, users)
    gain = [1 / math.log2(rank + 1) for rank in range(1, 301)]
    expected = {
        f"hit@{k}": mean_over_users(lists, lambda rel: any(rel[:k])),
        f"recall@{k}": mean_over_users(lists, lambda rel: sum(rel[:k]) / sum(rel)),
        f"precision@{k}": mean_over_users(lists, lambda rel: sum(rel[:k]) / k),
        f"mrr@{k}": mean_over_users(
            lists, lambda rel: 1 / (rel.index(True) + 1) if any(rel[:k]) else 0
        ),
        f"ndcg@{k}": mean_over_users(
            lists,
            lambda rel: sum(g for g, r in zip(gain, rel[:k]) if r) / sum(gain[: min(k, sum(rel))]),
        ),
    }
    found = of_predictions(as_metrics(expected), y, p, users)
    assert found == pytest.approx(expected)


def test_groups_may_be_named_by_texts():
    y, p, users = rows()
    names = np.array([f"user {u}" for u in users])
    metrics = as_metrics(["gauc", "ndcg@3"])
    expected = of_predictions(metrics, y, p, users)
    assert of_predictions(metrics, y, p, names) == pytest.approx(expected)


def test_equal_scores_rank_in_the_order_of_the_rows():
    hits, n_relevant = hits_within_groups([0, 1, 1, 0], [0.5] * 4, ["b", "b", "a", "b"], k=4)
    assert hits.tolist() == [[True, False, False, False], [False, True, False, False]]
    assert n_relevant.tolist() == [1, 1]


def test_a_label_above_0_is_relevant():
    found = of_predictions(as_metrics("recall@1"), [4.5, -1.0, 0.0], [0.1, 0.9, 0.5], [1, 1, 1])
    assert found == {"recall@1": 0.0}
    found = of_predictions(as_metrics("mrr@3"), [4.5, -1.0, 0.0], [0.1, 0.9, 0.5], [1, 1, 1])
    assert found == {"mrr@3": pytest.approx(1 / 3)}
    found = of_predictions(as_metrics("recall@1"), [4.0, 1.0, -2.0], [0.9, 0.5, 0.1], [1, 1, 1])
    assert found == {"recall@1": 0.5}  # one of two relevant rows, whatever their labels


def test_a_score_that_is_nan_makes_ranking_metrics_nan_with_a_warning(caplog):
    found = of_predictions(as_metrics(["ndcg@1", "mrr@2"]), [0, 1], [math.nan, 0.2], [1, 1])
    assert all(math.isnan(value) for value in found.values())
    assert "1 scores are NaN" in caplog.text
    with pytest.raises(ValueError, match="1 scores are NaN: rows of a group have no order"):
        hits_within_groups([0, 1], [math.nan, 0.2], [1, 1], k=1)


def test_a_users_own_metrics_get_what_they_need():
    seen = {}

    def record(name):
        def function(*arguments):
            seen[name] = arguments
            return 1

        return function

    y, p, users = rows()
    of_predictions(
        [
            Metric("of_rows", record("rows"), "max"),
            Metric("of_groups", record("groups"), "max", "groups"),
            Metric("of_hits", record("hits"), "max", "hits", k=2),
        ],
        y,
        p,
        users,
    )
    assert [len(column) for column in seen["rows"]] == [300, 300]
    assert [len(column) for column in seen["groups"]] == [300, 300, 300]
    hits, n_relevant = seen["hits"]
    assert (hits.shape, n_relevant.shape) == ((20, 2), (20,))
    ranked = RankedLists(np.zeros((3, 5), dtype=bool), [1, 1, 1], np.zeros((3, 5)), n_items=9)
    found = of_lists([Metric("of_lists", record("lists"), "max", "lists", k=4)], ranked)
    (lists,) = seen["lists"]
    assert (lists.items.shape, lists.hits.shape, lists.n_items) == ((3, 4), (3, 4), 9)
    assert found == {"of_lists": 1.0}


def test_each_metric_is_computed_once():
    calls = []
    once = Metric("once", lambda y, p: calls.append(1) or 0.5, "max")
    assert of_predictions([once], [0, 1], [0.1, 0.2]) == {"once": 0.5}
    assert calls == [1]


def test_metrics_of_lists_are_their_definitions_at_each_k():
    hits = [[True, False, True], [False, False, False]]
    ranked = RankedLists(
        hits,
        n_relevant=[2, 1],
        items=[[0, 1, 2], [1, 3, -1]],
        n_items=8,
        item_embeddings=np.eye(4),
        popularity=[0.5, 0.25, 0.125, 0.125],
    )
    expected = {
        "hit@1": 0.5,
        "recall@3": 0.5,
        "precision@3": 1 / 3,
        "mrr@2": 0.5,
        "map@3": (1 + 2 / 3) / 2 / 2,
        "ndcg@3": (1 + 1 / 2) / (1 + 1 / math.log2(3)) / 2,
        "coverage@1": 2 / 8,
        "coverage@3": 4 / 8,
        "diversity@2": 1.0,
        "novelty@2": ((1 + 2) / 2 + (2 + 3) / 2) / 2,
    }
    found = of_lists(as_metrics(expected), ranked)
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metrics", "lists", "message"),
    [
        ("ndcg@3", {}, "metrics at 3 need lists of 3 ranks, got 2"),
        ("coverage@3", {}, "metrics at 3 need lists of 3 ranks, got 2"),
        ("coverage@2", {"items": None}, "coverage needs items of the recommended lists: metrics"),
        ("coverage@2", {"n_items": None}, "coverage needs n_items .*: give the size of the cat"),
        ("diversity@2", {}, "diversity needs item_embeddings .*: a model without an item tower"),
        ("novelty@2", {}, "novelty needs popularity .*: give a trainer item_frequency="),
        ("auc", {}, "cannot compute auc, which needs a label and a prediction of each row: .*ndcg"),
        ("gauc", {}, "cannot compute gauc, which needs a label and a prediction of each row"),
    ],
)
def test_lists_that_lack_what_a_metric_needs_are_refused(metrics, lists, message):
    given = {"items": [[1, 2]], "n_items": 4, **lists}
    with pytest.raises(ValueError, match=message):
        of_lists(as_metrics(metrics), RankedLists([[True, False]], [1], **given))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gauc", "cannot compute gauc, which needs the group of each row: give group_column=, "),
        ("ndcg@5", "cannot compute ndcg@5, which needs lists to rank: give group_column=, "),
        ("coverage@5", "cannot compute coverage@5, which needs recommended lists: only retrieval"),
    ],
)
def test_rows_without_what_a_metric_needs_are_refused_before_anything_is_computed(name, message):
    first = Metric("first", lambda y, p: pytest.fail("computed"), "max")
    with pytest.raises(ValueError, match=message):
        of_predictions([first, *as_metrics(name)], [0, 1], [0.1, 0.2])


@pytest.mark.parametrize(
    ("name", "available", "owner", "message"),
    [
        ("gauc", ["predictions"], "CTRTrainer", "the group of each row: give group_column="),
        ("ndcg@9", ["predictions"], "CTRTrainer", "lists to rank: give group_column="),
        ("novelty@9", ["predictions", "groups"], "CTRTrainer", "recommended lists: only retrieval"),
        ("ndcg@9", ["predictions"], "MatchTrainer", "lists to rank: give retrieval=.*, or give"),
        ("ndcg@9", [], "MatchTrainer", r"ranked lists: give retrieval=RetrievalData\(…\)"),
        ("coverage@9", ["predictions"], "MatchTrainer", "recommended lists: give retrieval="),
        ("auc", ["hits", "lists"], "MatchTrainer", "a label and a prediction of each row: give"),
        ("gauc", ["hits"], "SeqTrainer", "a label and a prediction of each row: give metrics of"),
        ("coverage@9", ["hits"], "SeqTrainer", "recommended lists: only retrieval"),
    ],
)
def test_what_a_trainer_cannot_compute_is_named_with_the_remedy(name, available, owner, message):
    with pytest.raises(ValueError, match=f"^{owner} cannot compute {name}, which needs {message}"):
        check_needs(as_metrics(name), available, owner)


def test_what_a_trainer_can_compute_is_accepted():
    check_needs(as_metrics(["auc", "gauc", "ndcg@10"]), {"predictions", "groups"}, "CTRTrainer")
    check_needs(as_metrics(["ndcg@10", "coverage@10"]), ["hits", "lists"], "MatchTrainer")


def test_lists_of_a_catalog_of_fewer_items_than_k_end_early():
    ranked = RankedLists([[True, False, False]], [1], items=[[1, 0]], n_items=2)
    found = of_lists(as_metrics(["precision@3", "coverage@3", "coverage@1"]), ranked)
    assert found == {"precision@3": pytest.approx(1 / 3), "coverage@3": 1.0, "coverage@1": 0.5}


def test_groups_of_another_length_are_refused():
    for name in ("gauc", "mrr@2"):
        with pytest.raises(ValueError, match="2 labels, but 3 users"):
            of_predictions(as_metrics(name), [0, 1], [0.1, 0.2], [1, 1, 1])
