"""Exact retrieval against loops over users and items."""

import math

import numpy as np
import pytest
import torch

from torch_rechub.basic.metric import ranking_metrics
from torch_rechub.metrics.retrieval import evaluate_retrieval, top_k


def naive(users, items, k, seen):
    """The best unseen items of each user, by (score, lower index)."""
    found = []
    for u, user in enumerate(users):
        scores = [
            (float(max(torch.dot(j, item) for j in user.reshape(-1, len(item)))), i)
            for i, item in enumerate(items)
            if i not in seen[u]
        ]
        scores.sort(key=lambda pair: (-pair[0], pair[1]))
        best = scores[:k]
        found.append(best + [(-math.inf, -1)] * (min(k, len(items)) - len(best)))
    return found


def whole_numbers(*shape):
    """Floats with exact, often equal products."""
    return torch.randint(-1, 2, shape).float()


@pytest.mark.parametrize("k", [1, 3, 10, 200, 500])
@pytest.mark.parametrize("block_size", [1, 2, 512])
@pytest.mark.parametrize("interests", [(), (3,)])
def test_the_best_items_ties_by_index(k, block_size, interests):
    users, items = whole_numbers(7, *interests, 3), whole_numbers(200, 3)
    seen = [torch.randperm(200)[: 30 * u].tolist() for u in range(7)]
    scores, index = top_k(users, items, k, seen, block_size)
    assert scores.shape == index.shape == (7, min(k, 200))
    for row, expected in zip(zip(scores.tolist(), index.tolist()), naive(users, items, k, seen)):
        assert list(zip(*row)) == expected


def test_nothing_is_seen_unless_told():
    users, items = torch.randn(5, 4), torch.randn(9, 4)
    scores, index = top_k(users, items, 4)
    expected = (users @ items.T).sort(dim=1, descending=True)
    torch.testing.assert_close(scores, expected.values[:, :4])
    assert torch.equal(index, expected.indices[:, :4])


def test_ties_everywhere_give_the_first_items():
    index = top_k(torch.zeros(3, 2), torch.randn(1000, 2), 5, block_size=2)[1]
    assert index.tolist() == [[0, 1, 2, 3, 4]] * 3


class Csr:
    def __init__(self, indptr, indices):
        self.indptr, self.indices = indptr, indices


@pytest.mark.parametrize(
    "seen",
    [
        [[4, 2], [], [4]],
        [np.array([4, 2]), torch.tensor([], dtype=torch.long), (4,)],
        (np.array([0, 2, 2, 3]), np.array([4, 2, 4], dtype=np.int32)),
        (torch.tensor([0, 2, 2, 3]), [4, 2, 4]),
        Csr(np.array([0, 2, 2, 3], dtype=np.int32), np.array([4, 2, 4])),
    ],
)
def test_the_forms_of_lists(seen):
    users, items = torch.ones(3, 1), torch.arange(5.0).unsqueeze(1)
    assert top_k(users, items, 2, seen)[1].tolist() == [[3, 1], [4, 3], [3, 2]]


def test_arrays_and_double_precision_do():
    users, items = np.eye(3), np.eye(3, dtype=np.float32)
    scores, index = top_k(users, items, 1)
    assert scores.dtype == torch.float64
    assert index.tolist() == [[0], [1], [2]]
    trained = torch.eye(3, requires_grad=True)
    assert not top_k(trained, trained, 1)[0].requires_grad


def test_no_users_and_no_items():
    assert top_k(torch.ones(0, 3), torch.ones(4, 3), 2)[1].shape == (0, 2)
    assert top_k(torch.ones(2, 3), torch.ones(0, 3), 2)[1].shape == (2, 0)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((torch.ones(2, 3), torch.ones(2, 4), 1), ValueError, r"\(2, 3\) and \(2, 4\)"),
        ((torch.ones(3), torch.ones(2, 3), 1), ValueError, r"\(3,\) and \(2, 3\)"),
        ((torch.ones(2, 3), torch.ones(4, 3), 0), ValueError, "at least 1, got 0"),
        ((torch.full((2, 3), math.nan), torch.ones(4, 3), 1), ValueError, "user_embeddings hold"),
        ((torch.ones(2, 3), torch.full((4, 3), math.inf), 1), ValueError, "item_embeddings hold"),
        ((torch.ones(2, 3), torch.ones(4, 3), 1, [[4], []]), IndexError, "seen holds item 4"),
        ((torch.ones(2, 3), torch.ones(4, 3), 1, [[], [-1]]), IndexError, "seen holds item -1"),
        ((torch.ones(2, 3), torch.ones(4, 3), 1, [[]]), ValueError, "1 lists for 2 users"),
    ],
)
def test_what_cannot_be_is_refused(args, error, message):
    with pytest.raises(error, match=message):
        top_k(*args)


@pytest.mark.parametrize(
    ("ids", "nothing"), [(["a", "b", "c", "d"], None), (np.array([7, 3, 0, 9]), -1)]
)
def test_items_are_returned_by_id(ids, nothing):
    users, items = torch.randn(5, 3), torch.randn(4, 3)
    seen = [[0, 1, 2], [], [3], [0], [1]]
    scores, found = top_k(users, items, 2, seen, ids=ids)
    expected = [[ids[i] if i >= 0 else nothing for _, i in u] for u in naive(users, items, 2, seen)]
    assert found.tolist() == expected
    assert torch.equal(scores, top_k(users, items, 2, seen)[0])


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        (["a", "b", "a"], ValueError, "id 'a' occurs twice"),
        ([1, 2], ValueError, "2 ids for 3"),
        ([1, "b", 2], TypeError, "all integers or all strings"),
    ],
)
def test_ids_that_do_not_fit_are_refused(ids, error, message):
    with pytest.raises(error, match=message):
        top_k(torch.ones(1, 2), torch.ones(3, 2), 1, ids=ids)


# Pruned search: many users and items on a CPU


def full_sort(users, items, k, seen):
    """The best unseen items of exact scores, ties by index."""
    scores = (users @ items.T if users.ndim == 2 else (users @ items.T).max(axis=1)).astype(float)
    for user, excluded in enumerate(seen):
        scores[user, excluded] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(scores, best, axis=1)
    return values, np.where(np.isinf(values), -1, best)


def catalogs():
    """Catalogs whose orders and ties make bounds of a sample wrong, in whole numbers."""
    rng = np.random.default_rng(0)
    n = 17_000
    wide = rng.integers(-1000, 1000, (n, 4))
    return {
        "any order": wide,
        "ascending": wide[np.argsort(wide.sum(axis=1))],
        "descending": wide[np.argsort(-wide.sum(axis=1))],
        "periodic": np.where(np.arange(n)[:, None] % 5 == 1, 50 * wide, wide),
        "many ties": rng.integers(-3, 4, (n, 4)),
        "all equal": np.ones((n, 4), dtype=int),
        "groups of equals": np.repeat(wide[: n // 50], 50, axis=0),
        "one block of good ones": np.where(np.arange(n)[:, None] // 1000 == 7, 50 * wide, wide),
    }


@pytest.mark.parametrize("order", catalogs())
@pytest.mark.parametrize("threads", [1, 2])
def test_pruned_search_is_a_full_sort(order, threads):
    rng, items = np.random.default_rng(1), catalogs()[order]
    users = rng.integers(-50, 50, (70, 4))
    seen = [rng.choice(len(items), size, replace=False) for size in rng.integers(0, 99, 70)]
    good = full_sort(users[:30], items, 60, [[]] * 30)[1]
    seen[:30] = list(good)  # the best ones
    seen[3] = np.arange(len(items) - 5)  # all but five items
    seen[4] = np.arange(len(items))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        floats = torch.from_numpy(users).float(), torch.from_numpy(items).float()
        scores, index = top_k(*floats, 40, seen, block_size=50)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    expected = full_sort(users, items, 40, seen)
    np.testing.assert_array_equal(scores.numpy(), expected[0])
    np.testing.assert_array_equal(index.numpy(), expected[1])


@pytest.mark.parametrize("k", [1, 250])
def test_pruned_search_of_interests_in_double_precision(k):
    rng, items = np.random.default_rng(2), catalogs()["any order"]
    users = rng.integers(-50, 50, (64, 3, 4))
    seen = [rng.choice(len(items), 20, replace=False) for _ in range(64)]
    scores, index = top_k(users.astype(float), items.astype(float), k, seen)
    expected = full_sort(users, items, k, seen)
    np.testing.assert_array_equal(scores.numpy(), expected[0])
    np.testing.assert_array_equal(index.numpy(), expected[1])


def test_few_users_need_a_second_search():
    from torch_rechub.metrics import pruned_search

    rng = np.random.default_rng(3)
    users, items = (torch.from_numpy(rng.standard_normal((n, 8))) for n in (500, 20_000))
    found = pruned_search._Candidates(500, 50, users.dtype)
    nothing = torch.empty(0, dtype=torch.long)
    pruned_search.PrunedSearch(items, 50)._collect(users, (nothing, nothing), found)
    assert found.first(50)[2].sum() >= 490
    # 24 bytes a candidate: far fewer than items
    assert found.room < len(items) / 20


def test_an_error_in_a_thread_is_raised():
    from torch_rechub.metrics.pruned_search import in_threads

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            in_threads(lambda value: 1 // value, [1, 0, 2])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# Metrics


def test_metrics_are_those_of_the_lists():
    users, items = torch.randn(30, 4), torch.randn(50, 4)
    rng = np.random.default_rng(0)
    relevant = [rng.choice(50, size=u % 6).tolist() for u in range(30)]  # some twice, some none
    seen = [rng.choice(50, size=10, replace=False) for _ in range(30)]
    found = evaluate_retrieval(users, items, relevant, seen, topKs=[1, 5, 20])
    lists = [
        [i for _, i in best] for best in naive(users, items, 20, [set(s.tolist()) for s in seen])
    ]
    expected = ranking_metrics(dict(enumerate(relevant)), dict(enumerate(lists)), [1, 5, 20])
    assert found == pytest.approx(expected)
    assert {"hit@5", "recall@5", "ndcg@5", "mrr@5", "precision@5"} <= set(found)


def test_a_known_case():
    # user 0 finds its one item at rank 2, user 1 one of two at rank 1, user 2 has none
    users = torch.tensor([[1.0], [1.0], [1.0]])
    items = torch.tensor([[3.0], [2.0], [1.0]])
    found = evaluate_retrieval(users, items, [[1], [0, 2], []], topKs=(2,))
    assert found["hit@2"] == 1
    assert found["recall@2"] == pytest.approx((1 + 0.5) / 2)
    assert found["precision@2"] == pytest.approx(0.5)
    assert found["mrr@2"] == pytest.approx((0.5 + 1) / 2)
    ideal = 1 + 1 / math.log2(3)
    assert found["ndcg@2"] == pytest.approx((1 / math.log2(3) + 1 / ideal) / 2)


def test_a_k_beyond_the_catalog_and_items_that_were_seen():
    users, items = torch.ones(1, 1), torch.tensor([[2.0], [1.0]])
    assert evaluate_retrieval(users, items, [[1]], topKs=[10])["precision@10"] == 0.1
    assert evaluate_retrieval(users, items, [[1]], [[1]], topKs=[10])["recall@10"] == 0
    with pytest.raises(IndexError, match="relevant holds item 2"):
        evaluate_retrieval(users, items, [[2]])


def test_nobody_to_evaluate(caplog):
    found = evaluate_retrieval(torch.ones(2, 3), torch.ones(4, 3), [[], []])
    assert math.isnan(found["hit@10"])
    assert "No user has a relevant item" in caplog.text


@pytest.mark.parametrize("n_items", [4096, 4100, 9_000])
@pytest.mark.parametrize("interests", [None, 3])
def test_the_best_of_many_items_are_those_of_a_full_sort(n_items, interests):
    """Whole numbers, so that scores are exact and most of them tie."""
    rng = np.random.default_rng(0)
    shape = (70, 4) if interests is None else (70, interests, 4)
    users, items = rng.integers(-3, 4, shape), rng.integers(-3, 4, (n_items, 4))
    scores = users @ items.T
    scores = (scores if interests is None else scores.max(axis=1)).astype(float)
    seen = [rng.choice(n_items, size, replace=False) for size in rng.integers(0, 300, 70)]
    seen[3] = np.arange(n_items - 5)  # all but five items
    for user, excluded in enumerate(seen):
        scores[user, excluded] = -np.inf
    k = 20
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, expected, axis=1)
    found_scores, found = top_k(
        torch.from_numpy(users).float(), torch.from_numpy(items).float(), k, seen, block_size=32
    )
    np.testing.assert_array_equal(found_scores.numpy(), best)
    np.testing.assert_array_equal(found.numpy(), np.where(np.isinf(best), -1, expected))
