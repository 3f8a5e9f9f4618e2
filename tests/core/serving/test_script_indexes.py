"""Indexes as scripts use them: fitted, asked, answered in lists."""

import pytest
import torch

from torch_rechub.metrics.retrieval import top_k
from torch_rechub.utils.match import Annoy, Faiss, Milvus

N, D, K = 300, 8, 5


@pytest.fixture
def items():
    return torch.nn.functional.normalize(torch.randn(N, D), dim=1)


@pytest.fixture
def nearest(items):
    """The ids that are nearest to each of the first three items, nearest first."""
    return top_k(items[:3], items, K)[1].tolist()


def test_annoy_answers_one_embedding_with_flat_lists(items, nearest):
    index = Annoy(n_trees=10)
    assert index.fit(items) is None
    index.set_query_arguments(search_k=100_000)
    for user, expected in zip(items, nearest):
        ids, distances = index.query(v=user, n=K)
        assert ids == expected
        cosines = items[ids] @ user
        assert distances == pytest.approx((2 - 2 * cosines).clamp(min=0).sqrt().tolist(), abs=1e-3)
    with pytest.raises(ValueError, match="one embedding"):
        index.query(items[:2], K)


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("index_type", ["flat", "ivf", "hnsw"])
def test_faiss_answers_with_a_list_for_each_embedding(index_type, metric, items, nearest, tmp_path):
    index = Faiss(D, index_type, nlist=5, m=8, metric=metric)
    assert index.fit(items) is None
    index.set_query_arguments(nprobe=5, efSearch=N)
    ids, distances = index.query(items[:3], K)
    assert ids == nearest
    cosines = torch.stack([items[row] @ user for row, user in zip(ids, items)])
    expected = cosines if metric == "ip" else 2 - 2 * cosines
    torch.testing.assert_close(torch.tensor(distances), expected, atol=1e-5, rtol=1e-4)
    assert index.query(items[0], K) == (ids[:1], distances[:1])
    index.save_index(tmp_path / "items.index")
    again = Faiss(D, index_type, nlist=5, m=8, metric=metric)
    again.set_query_arguments(nprobe=5, efSearch=N)
    again.load_index(tmp_path / "items.index")
    assert again.query(items[:3], K) == (ids, distances)


def test_milvus_answers_with_a_list_for_each_embedding(items, nearest, tmp_path):
    index = Milvus(dim=D, uri=str(tmp_path / "items.db"))
    index.fit(items.flip(0))
    index.fit(items)  # replaces what was there
    ids, distances = index.query(items[:3], K)
    assert [row[0] for row in ids] == [0, 1, 2]
    shared = [len(set(found) & set(wanted)) / K for found, wanted in zip(ids, nearest)]
    assert sum(shared) / 3 >= 0.5  # 16 of 128 lists are inspected
    cosines = torch.stack([items[row] @ user for row, user in zip(ids, items)])
    torch.testing.assert_close(torch.tensor(distances), 2 - 2 * cosines, atol=1e-5, rtol=1e-4)
    assert index.query(items[0], K) == (ids[:1], distances[:1])


def test_lists_are_shorter_where_there_are_fewer_items(items):
    index = Faiss(D)
    index.fit(items[:2])
    assert [len(row) for row in index.query(items[:3], K)[0]] == [2, 2, 2]
    index = Annoy()
    index.fit(items[:2])
    assert len(index.query(items[0], K)[0]) == 2


def test_what_is_wrong_is_said(items, tmp_path):
    with pytest.raises(RuntimeError, match="Annoy holds no items yet: call fit"):
        Annoy().query(items[0], K)
    with pytest.raises(RuntimeError, match="Faiss holds no items yet: call fit"):
        Faiss(D).query(items[0], K)
    with pytest.raises(ValueError, match=r"\(N, 9\), got \(300, 8\)"):
        Faiss(9).fit(items)
    with pytest.raises(ValueError, match="index_type must be one of 'flat', 'ivf', 'hnsw'"):
        Faiss(D, "annoy")
    with pytest.raises(ValueError, match="metric must be one of 'l2', 'ip'"):
        Faiss(D, metric="cosine")
    with pytest.raises(ValueError, match="metric must be one of 'angular'"):
        Annoy("cosine")
    index = Faiss(D)
    index.fit(items)
    index.save_index(tmp_path / "items.index")
    with pytest.raises(ValueError, match="has width 8, not 9"):
        Faiss(9).load_index(tmp_path / "items.index")
