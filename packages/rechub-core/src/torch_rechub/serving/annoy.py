"""Indexes of random projection trees, with the library annoy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from .._extras import require
from ..types import FilePath
from .base import (
    BaseBuilder,
    BaseIndexer,
    answer,
    as_vectors,
    check_choice,
    check_positive,
    existing,
    items_to_index,
    new_file,
)

METRICS = ("angular", "euclidean", "manhattan", "hamming", "dot")


class AnnoyIndexer(BaseIndexer):
    """An open index of annoy; `AnnoyBuilder` makes it.

    Args:
        index: An `annoy.AnnoyIndex` that is built.
        searchk: Nodes that a query inspects; −1 means n_trees · K.
        similarity: Whether larger distances are nearer, as in metric "dot".
    """

    def __init__(self, index: Any, searchk: int, *, similarity: bool = False) -> None:
        self.index, self.searchk, self.similarity = index, searchk, similarity

    def query(self, embeddings: Any, top_k: int) -> tuple[Tensor, Tensor]:
        """See `BaseIndexer`. Fewer than K are found where too few nodes are inspected."""
        check_positive(top_k=top_k)
        queries = as_vectors(embeddings, self.index.f).tolist()
        rows = [self.index.get_nns_by_vector(q, top_k, self.searchk, True) for q in queries]
        return answer(rows, top_k, self.similarity)

    def save(self, file_path: FilePath) -> None:
        """See `BaseIndexer`."""
        self.index.save(new_file(file_path))


class AnnoyBuilder(BaseBuilder):
    """Makes indexes of random projection trees: fast to load, kept in a file mapped to memory.

    Args:
        d: Width D of the embeddings.
        metric: "angular", √(2 − 2 cos); "euclidean"; "manhattan"; "hamming"; or "dot", the inner
            product, of which larger ones are nearer.
        n_trees: Trees; more are more exact and larger.
        threads: Threads that build; −1 means all.
        searchk: Nodes that a query inspects, more being more exact; −1 means n_trees · K.

    Raises:
        ImportError: annoy is missing.
        ValueError: The metric is unknown, or a count is below 1.

    Example:
        >>> import torch
        >>> with AnnoyBuilder(d=2).from_embeddings([[1.0, 0.0], [0.0, 1.0]]) as index:
        ...     index.query([0.1, 0.9], top_k=1)[0]
        tensor([[1]])

    Reference:
        https://github.com/spotify/annoy
    """

    def __init__(
        self,
        d: int,
        metric: str = "angular",
        *,
        n_trees: int = 10,
        threads: int = -1,
        searchk: int = -1,
    ) -> None:
        self._annoy = require("annoy", "AnnoyBuilder", "annoy")
        check_positive(d=d, n_trees=n_trees)
        self.d, self.metric = d, check_choice("metric", metric, METRICS)
        self.n_trees, self.threads, self.searchk = n_trees, threads, searchk

    @contextmanager
    def from_embeddings(self, embeddings: Any) -> Iterator[AnnoyIndexer]:
        """See `BaseBuilder`."""
        yield self.build(embeddings)

    @contextmanager
    def from_index_file(self, index_file: FilePath) -> Iterator[AnnoyIndexer]:
        """See `BaseBuilder`. The file does not say its width and metric: they must be the same."""
        index = self._annoy.AnnoyIndex(self.d, self.metric)
        index.load(existing(index_file))
        yield self._indexer(index)

    def build(self, embeddings: Any) -> AnnoyIndexer:
        """`from_embeddings` without a `with` statement."""
        index = self._annoy.AnnoyIndex(self.d, self.metric)
        for i, vector in enumerate(items_to_index(embeddings, self.d).tolist()):
            index.add_item(i, vector)
        index.build(self.n_trees, self.threads)
        return self._indexer(index)

    def _indexer(self, index: Any) -> AnnoyIndexer:
        return AnnoyIndexer(index, self.searchk, similarity=self.metric == "dot")
