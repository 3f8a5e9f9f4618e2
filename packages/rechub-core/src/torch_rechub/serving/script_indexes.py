"""Indexes with the interface of scripts for 0.9: fit, then query; results are lists."""

from typing import Any

import torch
from torch import Tensor

from .._extras import require
from ..types import FilePath
from .annoy import METRICS, AnnoyBuilder, AnnoyIndexer
from .base import as_vectors, check_choice, check_positive, items_to_index
from .faiss import FaissBuilder, FaissIndexer, tune
from .item_ids import Found
from .milvus import Collection, address, connect, lists_of

Nested = tuple[list[list[int]], list[list[float]]]


class Annoy:
    """An Annoy index; see `AnnoyBuilder`.

    Args:
        metric: "angular", "euclidean", "manhattan", "hamming" or "dot".
        n_trees: Number of trees.
        search_k: Number of nodes that a query inspects; −1 means n_trees · n.

    Raises:
        ImportError: annoy is missing.

    Example:
        >>> import torch
        >>> index = Annoy(n_trees=2)
        >>> index.fit(torch.eye(3))
        >>> index.query(torch.tensor([0.0, 0.0, 2.0]), n=1)
        ([2], [0.0])
    """

    def __init__(self, metric: str = "angular", n_trees: int = 10, search_k: int = -1) -> None:
        require("annoy", "Annoy", "annoy")
        check_choice("metric", metric, METRICS)
        check_positive(n_trees=n_trees)
        self.metric, self.n_trees, self.search_k = metric, n_trees, search_k
        self._index: AnnoyIndexer | None = None

    def fit(self, X: Any) -> None:
        """Index embeddings (N, D)."""
        items = items_to_index(X)
        builder = AnnoyBuilder(items.shape[1], self.metric, n_trees=self.n_trees)
        self._index = builder.build(items)

    def set_query_arguments(self, search_k: int) -> None:
        """Set the number of nodes that a query inspects."""
        self.search_k = search_k

    def query(self, v: Any, n: int) -> tuple[list[int], list[float]]:
        """Return the n nearest items of one embedding (D,) and their distances, nearest first.

        Raises:
            RuntimeError: `fit` was not called.
            ValueError: There are several embeddings, or the width differs.
        """
        index = _fitted(self._index, self)
        queries = as_vectors(v, index.index.f)
        if len(queries) != 1:
            raise ValueError(f"Annoy.query takes one embedding (D,) at a time, got {len(queries)}")
        index.searchk = self.search_k
        ids, distances = _lists(index.query(queries, n))
        return ids[0], distances[0]


class Faiss:
    """A Faiss index; see `FaissBuilder`.

    Args:
        dim: Width D of the embeddings.
        index_type: "flat", exact; "ivf", inverted lists; or "hnsw", a graph.
        nlist: ivf: number of lists.
        m: hnsw: number of neighbors of an item in the graph.
        metric: "l2", the squared distance, or "ip", the inner product.

    Attributes:
        index: The `faiss.Index`, or None before `fit` and `load_index`.

    Raises:
        ImportError: faiss is missing.
        ValueError: The type or the metric is unknown, or a count is below 1.

    Example:
        >>> import torch
        >>> index = Faiss(dim=2, metric="ip")
        >>> index.fit(torch.eye(2))
        >>> index.query(torch.tensor([[1.0, 3.0], [2.0, 1.0]]), n=1)
        ([[1], [0]], [[3.0], [2.0]])
    """

    def __init__(
        self,
        dim: int,
        index_type: str = "flat",
        nlist: int = 100,
        m: int = 32,
        metric: str = "l2",
    ) -> None:
        require("faiss", "Faiss", "faiss")
        kinds = {"flat": "Flat", "ivf": "IVF", "hnsw": "HNSW"}
        kind = kinds[check_choice("index_type", index_type, tuple(kinds))]
        check_choice("metric", metric, ("l2", "ip"))
        check_positive(dim=dim)
        self.dim, self.index_type, self.nlist, self.m = dim, index_type, nlist, m
        self.metric = metric
        self.index: Any = None
        self._builder = FaissBuilder(kind, metric.upper(), m=m, nlists=nlist)

    def fit(self, X: Any) -> None:
        """Index embeddings (N, D), replacing earlier ones.

        Raises:
            ValueError: The width differs, or there are fewer embeddings than lists ("ivf").
        """
        self.index = self._builder.build(items_to_index(X, self.dim)).index

    def set_query_arguments(self, nprobe: int | None = None, efSearch: int | None = None) -> None:
        """Set the number of lists (ivf) or candidates (hnsw) of a query; None changes nothing."""
        check_positive(nprobe=nprobe, efSearch=efSearch)
        self._builder.nprobe = nprobe or self._builder.nprobe
        self._builder.efSearch = efSearch or self._builder.efSearch
        if self.index is not None:
            tune(self.index, nprobe, efSearch)

    def query(self, v: Any, n: int) -> Nested:
        """Return ids and distances of the n nearest items of embeddings (B, D) or (D,), as lists.

        Raises:
            RuntimeError: `fit` was not called.
        """
        return _lists(FaissIndexer(_fitted(self.index, self)).query(v, n))

    def save_index(self, filepath: FilePath) -> None:
        """Write the index to a file.

        Raises:
            RuntimeError: `fit` was not called.
        """
        FaissIndexer(_fitted(self.index, self)).save(filepath)

    def load_index(self, filepath: FilePath) -> None:
        """Read the index from a file.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: The file holds an index of another type, metric or width.
        """
        loaded = self._builder.load(filepath)
        if loaded.index.d != self.dim:
            raise ValueError(f"{str(filepath)!r} has width {loaded.index.d}, not {self.dim}")
        self.index = loaded.index


class Milvus:
    """A collection "rechub" of a Milvus server, with an IVF_FLAT index and the metric L2.

    Tested against the files of Milvus Lite, not against a server.

    Args:
        dim: Width D of the embeddings.
        host: Host of the server.
        port: Port of the server.
        uri: Instead of host and port, as in `MilvusBuilder`.

    Raises:
        ImportError: pymilvus is missing.
        MilvusException: The server does not answer.

    Example:
        >>> import tempfile, torch
        >>> index = Milvus(dim=2, uri=tempfile.mkdtemp() + "/items.db")
        >>> index.fit(torch.eye(2))
        >>> index.query(torch.tensor([0.0, 1.0]), n=1)
        ([[1]], [[0.0]])
    """

    def __init__(
        self,
        dim: int = 64,
        host: str = "localhost",
        port: int | str = "19530",
        *,
        uri: str | None = None,
    ) -> None:
        require("pymilvus", "Milvus", "milvus")
        check_positive(dim=dim)
        self.dim = dim
        self.milvus = Collection(connect(address(host, port, uri)), "rechub", dim, "L2")

    def fit(self, X: Any) -> None:
        """Store embeddings (N, D), replacing an existing collection."""
        self.milvus.fill(items_to_index(X, self.dim), "IVF_FLAT", {"nlist": 128})

    def process_result(self, results: Any) -> Nested:
        """Return the ids and distances of a client's result, a list for each query."""
        lists = [lists_of(hits) for hits in results]
        return [ids for ids, _ in lists], [distances for _, distances in lists]

    def query(self, v: Any, n: int) -> Nested:
        """Return ids and squared distances of the n nearest items of embeddings (B, D) or (D,)."""
        check_positive(n=n)
        hits = self.milvus.search(as_vectors(v, self.dim), n, {"nprobe": 16})
        return self.process_result(hits)


def _fitted(index: Any, of: object) -> Any:
    if index is None:
        raise RuntimeError(f"{type(of).__name__} holds no items yet: call fit first")
    return index


def _lists(found: tuple[Found, Tensor]) -> Nested:
    """Convert tensors (B, K) to lists, without fill values."""
    ids, distances = torch.as_tensor(found[0]), found[1]
    n = (ids >= 0).sum(dim=1).tolist()
    return (
        [row[:k] for row, k in zip(ids.tolist(), n)],
        [row[:k] for row, k in zip(distances.tolist(), n)],
    )
