"""Indexes of random projection trees with Annoy."""

import os
import subprocess
import sys
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
    items_to_index,
)
from .index_files import verify_index, write_index

METRICS = ("angular", "euclidean", "manhattan", "hamming", "dot")


class AnnoyIndexer(BaseIndexer):
    """An open Annoy index, created by `AnnoyBuilder`.

    Args:
        index: A built `annoy.AnnoyIndex`.
        searchk: Nodes that a query inspects; −1 means n_trees · K.
        metric: One of `METRICS`, if it is known.
    """

    def __init__(self, index: Any, searchk: int, *, metric: str | None = None) -> None:
        self.index, self.searchk, self.metric = index, searchk, metric

    def query(self, embeddings: Any, top_k: int) -> tuple[Tensor, Tensor]:
        """See `BaseIndexer`. Fewer than K items are found if too few nodes are inspected."""
        check_positive(top_k=top_k)
        queries = as_vectors(embeddings, self.index.f).tolist()
        rows = [self.index.get_nns_by_vector(q, top_k, self.searchk, True) for q in queries]
        return answer(rows, top_k, similarity=self.metric == "dot")

    def save(self, file_path: FilePath) -> None:
        """See `BaseIndexer`."""
        write_index(file_path, self.index.save, width=self.index.f, metric=self.metric)


class AnnoyBuilder(BaseBuilder):
    """Builds indexes of random projection trees, which are memory-mapped files and load fast.

    Args:
        d: Width D of the embeddings.
        metric: "angular", √(2 − 2 cos); "euclidean"; "manhattan"; "hamming"; or "dot", the inner
            product, where larger is nearer.
        n_trees: Number of trees; more trees are more accurate and larger.
        threads: Number of threads for building; −1 means all.
        searchk: Number of nodes that a query inspects; more are more accurate; −1 means n_trees ·
            K.

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
        """See `BaseBuilder`.

        Raises:
            ValueError: The file is damaged, or holds an index of another width or metric.
        """
        if not verify_index(index_file, width=self.d, metric=self.metric):
            self._try(index_file)
        index = self._annoy.AnnoyIndex(self.d, self.metric)
        index.load(os.fspath(index_file))
        yield AnnoyIndexer(index, self.searchk, metric=self.metric)

    def build(self, embeddings: Any) -> AnnoyIndexer:
        """Build as `from_embeddings`, without a `with` statement."""
        index = self._annoy.AnnoyIndex(self.d, self.metric)
        for i, vector in enumerate(items_to_index(embeddings, self.d).tolist()):
            index.add_item(i, vector)
        index.build(self.n_trees, self.threads)
        return AnnoyIndexer(index, self.searchk, metric=self.metric)

    def _try(self, index_file: FilePath) -> None:
        """Search a file without a checksum in a subprocess, which a damaged file may crash.

        Raises:
        ValueError: The subprocess crashes, or the index returns invalid items.
        """
        tried = subprocess.run(
            [sys.executable, "-c", _TRIAL, str(self.d), self.metric, os.fspath(index_file)],
            capture_output=True,
            check=False,
        )
        if tried.returncode != 0:
            raise ValueError(
                f"{os.fspath(index_file)} is no index of annoy of width {self.d} and metric "
                f"{self.metric!r}, or is damaged: build it again, or give its width and metric"
            )


# inspects all nodes of all trees
_TRIAL = """
import annoy, sys
width, metric, file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
index = annoy.AnnoyIndex(width, metric)
index.load(file)
n = index.get_n_items()
found = index.get_nns_by_vector([1.0] * width, n, 2**31 - 1)
sys.exit(0 if n and sorted(found) == list(range(n)) else 1)
"""
