"""Indexes of items against exact search, in files, in their odd cases."""

import pytest
import torch

from torch_rechub.metrics.retrieval import top_k
from torch_rechub.serving import BaseBuilder, BaseIndexer, builder_factory

N, D, K = 300, 8, 10


@pytest.fixture
def items():
    # lengths differ: inner product, cosine and distance rank differently
    return torch.randn(N, D) * torch.rand(N, 1).add(0.5)


@pytest.fixture
def users():
    return torch.randn(6, D)


def exact(users, items, metric):
    """Ids and distances by brute force; top_k ranks by inner product."""
    if metric in ("L2", "euclidean"):
        distances = torch.cdist(users.double(), items.double()).float()
        distances = distances.square() if metric == "L2" else distances
        return distances.topk(K, largest=False)[::-1]
    if metric in ("COSINE", "angular"):
        users = torch.nn.functional.normalize(users, dim=1)
        items = torch.nn.functional.normalize(items, dim=1)
    scores, ids = top_k(users, items, K)
    return ids, ((2 - 2 * scores).clamp(min=0).sqrt() if metric == "angular" else scores)


# with every node, list or candidate inspected, an index is as good as exact
THOROUGH = [
    ("annoy", {"d": D, "metric": "angular", "searchk": 100_000}),
    ("annoy", {"d": D, "metric": "euclidean", "searchk": 100_000}),
    ("annoy", {"d": D, "metric": "dot", "searchk": 100_000}),
    *[
        ("faiss", {"metric": metric, **settings})
        for metric in ("L2", "IP")
        for settings in (
            {"index_type": "Flat"},
            {"index_type": "HNSW", "m": 8, "efSearch": N},
            {"index_type": "IVF", "nlists": 5, "nprobe": 5},
        )
    ],
    *[
        ("milvus", {"d": D, "metric": metric, **settings})
        for metric, settings in (
            ("COSINE", {}),
            ("L2", {"index_type": "HNSW", "m": 8, "ef": N}),
            ("IP", {"index_type": "IVF_FLAT", "nlist": 5, "nprobe": 5}),
        )
    ],
]
EVERY = pytest.mark.parametrize(
    ("name", "config"), THOROUGH, ids=lambda v: v if isinstance(v, str) else v.get("metric")
)
ONE_EACH = pytest.mark.parametrize(("name", "config"), [THOROUGH[0], THOROUGH[3], THOROUGH[9]])


@pytest.fixture
def made(tmp_path):
    """Makes a builder; Milvus keeps its collections in a file of this test."""

    def make(name, config):
        uri = {"uri": str(tmp_path / "milvus.db")} if name == "milvus" else {}
        return builder_factory(name, **config, **uri)

    return make


@EVERY
def test_an_index_finds_what_exact_search_finds(made, name, config, users, items):
    builder = made(name, config)
    assert isinstance(builder, BaseBuilder)
    with builder.from_embeddings(items) as index:
        assert isinstance(index, BaseIndexer)
        ids, distances = index.query(users, K)
    expected, far = exact(users, items, config["metric"])
    assert ids.dtype == torch.int64
    assert distances.dtype == torch.float32
    assert ids.tolist() == expected.tolist()
    torch.testing.assert_close(distances, far, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("config", "least"),
    [
        (("annoy", {"d": D}), 0.5),
        (("faiss", {"index_type": "HNSW"}), 0.9),
        (("faiss", {"index_type": "HNSW", "metric": "IP"}), 0.9),
    ],
)
def test_with_default_settings_most_of_the_nearest_are_found(config, least, items, users):
    name, settings = config
    metric = settings.get("metric", "L2" if name == "faiss" else "angular")
    with builder_factory(name, **settings).from_embeddings(items) as index:
        found = index.query(users, K)[0]
    expected = exact(users, items, metric)[0]
    shared = [len(set(a) & set(b)) / K for a, b in zip(found.tolist(), expected.tolist())]
    assert sum(shared) / len(shared) >= least


@pytest.mark.parametrize(("name", "config"), THOROUGH[:9])
def test_an_index_read_from_its_file_answers_as_before(name, config, users, items, tmp_path):
    file = tmp_path / "made" / "items.index"
    builder = builder_factory(name, **config)
    with builder.from_embeddings(items) as index:
        index.save(file)
        before = index.query(users, K)
    with builder_factory(name, **config).from_index_file(file) as index:
        after = index.query(users, K)
    assert before[0].tolist() == after[0].tolist()
    assert before[1].tolist() == after[1].tolist()
    with (
        pytest.raises(FileNotFoundError, match=r"no index file .*none"),
        builder.from_index_file(tmp_path / "none"),
    ):
        pass


def test_faiss_refuses_a_file_of_another_kind(items, tmp_path):
    with builder_factory("faiss", metric="IP").from_embeddings(items) as index:
        index.save(tmp_path / "flat")
    other = builder_factory("faiss", index_type="HNSW")
    with (
        pytest.raises(ValueError, match="type 'Flat' and metric 'IP', not 'HNSW' and 'L2'"),
        other.from_index_file(tmp_path / "flat"),
    ):
        pass


def test_milvus_drops_its_collection_at_the_end_and_has_no_index_files(made, items, tmp_path):
    from pymilvus import MilvusClient

    builder = made("milvus", {"d": D, "name": "mine"})

    def names():
        client = MilvusClient(uri=str(tmp_path / "milvus.db"))
        return client.list_collections()

    with builder.from_embeddings(items) as index:
        (name,) = names()
        assert name.startswith("mine_")
        with pytest.raises(NotImplementedError, match="no index file"):
            index.save(tmp_path / "items")
    with pytest.raises(RuntimeError, match="stop"), builder.from_embeddings(items):
        raise RuntimeError("stop")
    assert names() == []
    with pytest.raises(NotImplementedError, match="no index file"):
        builder.from_index_file(tmp_path / "items")


def test_milvus_says_that_no_server_answers(items):
    from pymilvus import MilvusException

    builder = builder_factory("milvus", d=D, host="localhost", port=1)
    with pytest.raises(MilvusException, match="localhost:1"), builder.from_embeddings(items):
        pass


@ONE_EACH
def test_where_there_are_fewer_items_than_asked_for_the_rest_of_a_row_is_marked(
    made, name, config, items
):
    with made(name, config).from_embeddings(items[:2]) as index:
        ids, distances = index.query(items[0], 4)
    assert ids.shape == distances.shape == (1, 4)
    assert ids[0, 0] == 0
    assert ids[0, 2:].tolist() == [-1, -1]
    assert distances[0, 2:].isinf().all()
    worse_is_larger = name != "milvus"  # of a cosine, smaller ones are worse
    assert (distances[0, 2] > 0) == worse_is_larger


@ONE_EACH
def test_embeddings_that_do_not_fit_are_refused(made, name, config, items):
    builder = made(name, config)
    for wrong, message in (
        (torch.zeros(0, D), "no embeddings to index"),
        (torch.zeros(2, 3, 4), r"shape \(N, "),
        (items * torch.nan, "not finite"),
    ):
        with pytest.raises(ValueError, match=message), builder.from_embeddings(wrong):
            pass
    with builder.from_embeddings(items) as index:
        with pytest.raises(ValueError, match=r"\(N, 8\), got \(1, 3\)"):
            index.query(torch.zeros(3), K)
        with pytest.raises(ValueError, match="top_k must be at least 1, got 0"):
            index.query(items, 0)


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("annoy", {"d": D, "metric": "cosine"}, "metric must be one of 'angular', .*'cosine'"),
        ("annoy", {"d": 0}, "d must be at least 1, got 0"),
        ("faiss", {"index_type": "flat"}, "index_type must be one of 'Flat', .*got 'flat'"),
        ("faiss", {"metric": "COSINE"}, "metric must be one of 'L2', 'IP'"),
        ("faiss", {"nprobe": 0}, "nprobe must be at least 1"),
        ("milvus", {"d": D, "index_type": "IVF"}, "one of 'FLAT', 'HNSW', 'IVF_FLAT'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(name, config, message):
    with pytest.raises(ValueError, match=message):
        builder_factory(name, **config)


def test_a_builder_that_is_not_there_is_named():
    with pytest.raises(NotImplementedError, match=r"\['faiss', .*'exact'\], got 'scann'"):
        builder_factory("scann")


def test_faiss_refuses_more_lists_than_items(items):
    builder = builder_factory("faiss", index_type="IVF", nlists=N + 1)
    with (
        pytest.raises(ValueError, match="nlists=301 needs as many embeddings at least, got 300"),
        builder.from_embeddings(items),
    ):
        pass
