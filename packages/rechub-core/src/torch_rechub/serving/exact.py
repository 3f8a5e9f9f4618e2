"""Exact search by inner product or cosine with torch, which needs no extra."""

from functools import partial
from typing import Any

import numpy as np
import torch

from ..metrics.retrieval import top_k as best_items
from ..types import FilePath
from .base import Vectors, check_choice, items_to_index
from .index_files import read_ids, verify_index, write_index
from .item_ids import ItemIds, Rows
from .rows import FileBuilder, Nearest, RowsIndexer, widened

METRICS = ("IP", "COSINE")


class ExactIndexer(RowsIndexer):
    """Embeddings in memory, created by `ExactBuilder`. Items of equal score are in order of rows.

    Args:
        vectors: The embeddings of the items, (N, D).
        metric: One of `METRICS`.
        items: The ids of the rows; None means that items are known by row numbers.
    """

    def __init__(self, vectors: Vectors, metric: str, *, items: ItemIds | None = None) -> None:
        items = ItemIds(len(vectors)) if items is None else items
        super().__init__(vectors.shape[1], items, similarity=True)
        self.metric = metric
        self.vectors = self._scaled(vectors)

    def save(self, file_path: FilePath) -> None:
        """See `BaseIndexer`."""
        ids, facts = self.items.as_json(), {"width": self.width, "metric": self.metric}
        write_index(file_path, partial(_write, self.vectors), ids, **facts)

    def _search(self, vectors: Vectors, k: int) -> Nearest:
        return self._search_others(vectors, k, np.empty(0, dtype=np.int64))

    def _search_others(self, vectors: Vectors, k: int, excluded: Rows) -> Nearest:
        n, queries = len(self.vectors), torch.from_numpy(self._scaled(vectors))
        starts = np.searchsorted(excluded, np.arange(len(vectors) + 1) * n)
        seen = (starts, excluded % max(n, 1))
        scores, rows = best_items(queries, torch.from_numpy(self.vectors), k, seen)
        return widened(rows.numpy(), scores.numpy(), k, similarity=True)

    def _tidy(self, removed: Rows) -> None:
        kept = np.flatnonzero(self.items.there)
        self.vectors = self.vectors[kept]
        self.items.keep(kept)

    def _vectors(self, rows: Rows) -> Vectors:
        return self.vectors[rows]

    def _append(self, vectors: Vectors) -> None:
        self.vectors = np.concatenate([self.vectors, self._scaled(vectors)])

    def _replace(self, vectors: Vectors) -> None:
        self.vectors = vectors

    def _scaled(self, vectors: Vectors) -> Vectors:
        if self.metric == "IP":
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        return scaled


class ExactBuilder(FileBuilder):
    """Builds indexes of exact search: see `torch_rechub.metrics.retrieval.top_k`.

    Args:
        metric: "IP", the inner product, or "COSINE"; large distances are near.

    Raises:
        ValueError: The metric is unknown.

    Example:
        >>> builder = ExactBuilder()
        >>> with builder.from_embeddings([[1.0, 0.0], [0.0, 2.0]], ids=["a", "b"]) as index:
        ...     index.query([[1.0, 1.0]], top_k=2)
        (array([['b', 'a']], dtype=object), tensor([[2., 1.]]))
    """

    def __init__(self, metric: str = "IP") -> None:
        self.metric = check_choice("metric", metric, METRICS)

    def build(self, embeddings: Any, *, ids: Any = None) -> ExactIndexer:
        """See `FileBuilder`."""
        vectors = items_to_index(embeddings)
        return ExactIndexer(vectors, self.metric, items=ItemIds(len(vectors), ids))

    def load(self, index_file: FilePath) -> ExactIndexer:
        """See `FileBuilder`.

        Raises:
            ValueError: The file is damaged, or holds an index of another metric.
        """
        verify_index(index_file, metric=self.metric)
        try:
            with open(index_file, "rb") as stream:
                loaded = np.load(stream, allow_pickle=False)
            if loaded.dtype != np.float32 or loaded.ndim != 2:
                raise ValueError(f"{loaded.dtype} of shape {loaded.shape}")
        except (ValueError, EOFError, AttributeError) as error:
            raise ValueError(
                f"{index_file} is no index of ExactBuilder, or is damaged ({error}): build it again"
            ) from error
        return ExactIndexer(loaded, self.metric, items=read_ids(index_file, len(loaded)))


def _write(vectors: Vectors, file: str) -> None:
    with open(file, "wb") as stream:
        np.save(stream, vectors, allow_pickle=False)
