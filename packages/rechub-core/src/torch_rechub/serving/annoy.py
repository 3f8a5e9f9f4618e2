"""Indexes of random projection trees with Annoy."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from .._extras import require
from ..types import FilePath
from .base import BaseBuilder as BaseBuilder  # scripts for 0.9 import both from here
from .base import BaseIndexer as BaseIndexer
from .base import Vectors, check_choice, check_positive, items_to_index
from .index_files import read_ids, verify_index, write_index
from .item_ids import Found, ItemIds, Rows
from .rows import FileBuilder, Nearest, RowsIndexer, filled

METRICS = ("angular", "euclidean", "manhattan", "hamming", "dot")


class AnnoyIndexer(RowsIndexer):
    """An open Annoy index, created by `AnnoyBuilder`.

    Annoy's trees cannot be changed: adding and updating items builds them again.

    Args:
        index: A built `annoy.AnnoyIndex`.
        searchk: Nodes that a query inspects; −1 means n_trees · K.
        metric: One of `METRICS`, if it is known.
        items: The ids of its rows; None means that items are known by row numbers.
        rebuild: Builds an index of embeddings; None means that it cannot be changed.
    """

    def __init__(
        self,
        index: Any,
        searchk: int,
        *,
        metric: str | None = None,
        items: ItemIds | None = None,
        rebuild: Callable[[Vectors], Any] | None = None,
    ) -> None:
        items = ItemIds(index.get_n_items()) if items is None else items
        super().__init__(index.f, items, similarity=metric == "dot")
        self.index, self.searchk, self.metric, self._rebuild = index, searchk, metric, rebuild

    def query(self, embeddings: Any, top_k: int, *, exclude: Any = None) -> tuple[Found, Tensor]:
        """See `BaseIndexer`. Fewer than K items are found if too few nodes are inspected."""
        return super().query(embeddings, top_k, exclude=exclude)

    def save(self, file_path: FilePath) -> None:
        """See `BaseIndexer`."""
        ids, facts = self.items.as_json(), {"width": self.width, "metric": self.metric}
        write_index(file_path, self._write, ids, **facts)

    def _write(self, file: str) -> None:
        self.index.save(file)

    def _search(self, vectors: Vectors, k: int) -> Nearest:
        found = [self.index.get_nns_by_vector(q, k, self.searchk, True) for q in vectors.tolist()]
        return filled(found, k, self.similarity)

    def _vectors(self, rows: Rows) -> Vectors:
        found = [self.index.get_item_vector(row) for row in rows.tolist()]
        return np.array(found, dtype=np.float32).reshape(-1, self.width)

    def _append(self, vectors: Vectors) -> None:
        before = self._vectors(np.arange(self.items.n_rows))
        self._replace(np.concatenate([before, vectors]))

    def _replace(self, vectors: Vectors) -> None:
        if self._rebuild is None:
            raise NotImplementedError("this index was not made by AnnoyBuilder: build it again")
        self.index = self._rebuild(vectors)


class AnnoyBuilder(FileBuilder):
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

    def build(self, embeddings: Any, *, ids: Any = None) -> AnnoyIndexer:
        """See `FileBuilder`."""
        vectors = items_to_index(embeddings, self.d)
        items = ItemIds(len(vectors), ids)
        return self._indexer(self._trees(vectors), items)

    def load(self, index_file: FilePath) -> AnnoyIndexer:
        """See `FileBuilder`.

        Raises:
            ValueError: The file is damaged, or holds an index of another width or metric.
        """
        if not verify_index(index_file, width=self.d, metric=self.metric):
            self._try(index_file)
        index = self._annoy.AnnoyIndex(self.d, self.metric)
        index.load(os.fspath(index_file))
        return self._indexer(index, read_ids(index_file, index.get_n_items()))

    def _indexer(self, index: Any, items: ItemIds) -> AnnoyIndexer:
        return AnnoyIndexer(
            index, self.searchk, metric=self.metric, items=items, rebuild=self._trees
        )

    def _trees(self, vectors: Vectors) -> Any:
        index = self._annoy.AnnoyIndex(self.d, self.metric)
        for i, vector in enumerate(vectors.tolist()):
            index.add_item(i, vector)
        index.build(self.n_trees, self.threads)
        return index

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
