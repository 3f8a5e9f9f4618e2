"""Indexes of neighbor graphs (HNSW) with USearch, a small library."""

import os
from typing import Any

import numpy as np

from .._extras import require
from ..types import FilePath
from .base import Vectors, check_choice, check_positive, items_to_index
from .index_files import checksum_file, read_ids, verify_index, write_index
from .item_ids import ItemIds, Rows
from .rows import FileBuilder, Nearest, RowsIndexer, widened

METRICS = {"IP": "ip", "COSINE": "cos", "L2": "l2sq"}


class UsearchIndexer(RowsIndexer):
    """An open USearch index, created by `UsearchBuilder`.

    Args:
        index: A `usearch.index.Index` with keys 0 to N − 1.
        metric: One of `METRICS`.
        items: The ids of its rows; None means that items are known by row numbers.
    """

    def __init__(self, index: Any, metric: str, *, items: ItemIds | None = None) -> None:
        items = ItemIds(len(index)) if items is None else items
        super().__init__(index.ndim, items, similarity=metric != "L2")
        self.index, self.metric = index, metric

    def save(self, file_path: FilePath) -> None:
        """See `BaseIndexer`."""
        ids, facts = self.items.as_json(), {"width": self.width, "metric": self.metric}
        write_index(file_path, self.index.save, ids, **facts)

    def _search(self, vectors: Vectors, k: int) -> Nearest:
        # it returns at most as many columns as it has rows, and garbage beyond `counts`
        found = self.index.search(vectors, k)
        keys, distances = np.atleast_2d(found.keys), np.atleast_2d(found.distances)
        counts = np.asarray(getattr(found, "counts", keys.shape[1])).reshape(-1, 1)
        rows = np.where(np.arange(keys.shape[1]) < counts, keys.astype(np.int64), -1)
        if self.similarity:  # the library's distances are 1 − ⟨u, v⟩ and 1 − cos
            distances = 1 - np.nan_to_num(distances)
        return widened(rows, distances, k, self.similarity)

    def _vectors(self, rows: Rows) -> Vectors:
        return np.array(self.index.get(rows), dtype=np.float32).reshape(-1, self.width)

    def _append(self, vectors: Vectors) -> None:
        self.index.add(np.arange(len(self.index), len(self.index) + len(vectors)), vectors)

    def _replace(self, vectors: Vectors) -> None:
        self.index.clear()
        self._append(vectors)


class UsearchBuilder(FileBuilder):
    """Builds HNSW graphs with USearch.

    Args:
        metric: "IP", the inner product, or "COSINE", where large distances are near; or "L2", the
            squared distance.
        m: Number of neighbors of an item in the graph.
        ef_construction: Size of the candidate list of an item that is added; larger is more
            accurate.
        ef: Size of the candidate list of a query; larger is more accurate.

    Raises:
        ImportError: usearch is missing.
        ValueError: The metric is unknown, or a count is below 1.

    Example:
        >>> with UsearchBuilder().from_embeddings([[1.0, 0.0], [0.0, 2.0]], ids=[7, 9]) as index:
        ...     index.query([[1.0, 1.0]], top_k=2)
        (array([[9, 7]]), tensor([[2., 1.]]))

    Reference:
        https://github.com/unum-cloud/usearch
    """

    def __init__(
        self, metric: str = "IP", *, m: int = 16, ef_construction: int = 128, ef: int = 64
    ) -> None:
        require("usearch", "UsearchBuilder", "usearch")
        self._usearch = require("usearch.index", "UsearchBuilder", "usearch")
        check_positive(m=m, ef_construction=ef_construction, ef=ef)
        self.metric = check_choice("metric", metric, tuple(METRICS))
        self.m, self.ef_construction, self.ef = m, ef_construction, ef

    def build(self, embeddings: Any, *, ids: Any = None) -> UsearchIndexer:
        """See `FileBuilder`."""
        vectors = items_to_index(embeddings)
        items = ItemIds(len(vectors), ids)
        index = self._usearch.Index(
            ndim=vectors.shape[1], metric=METRICS[self.metric], dtype="f32", connectivity=self.m,
            expansion_add=self.ef_construction, expansion_search=self.ef,
        )  # fmt: skip
        index.add(np.arange(len(vectors)), vectors)
        return UsearchIndexer(index, self.metric, items=items)

    def load(self, index_file: FilePath) -> UsearchIndexer:
        """See `FileBuilder`.

        Raises:
            ValueError: The file is damaged, has no checksum, or holds an index of another metric.
        """
        if not verify_index(index_file, metric=self.metric):
            raise ValueError(
                f"{os.fspath(index_file)} has no checksum in {checksum_file(index_file).name}, and "
                "USearch does not verify its files: build the index again"
            )
        index = self._usearch.Index.restore(os.fspath(index_file))
        if index is None:
            raise ValueError(f"{os.fspath(index_file)} is no index of USearch: build it again")
        index.expansion_add, index.expansion_search = self.ef_construction, self.ef
        return UsearchIndexer(index, self.metric, items=read_ids(index_file, len(index)))
