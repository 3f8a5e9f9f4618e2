"""Indexes with Faiss: exact, HNSW graphs, inverted lists."""

import os
from functools import partial
from typing import Any

from torch import Tensor

from .._extras import require
from ..types import FilePath
from .base import BaseBuilder as BaseBuilder  # scripts for 0.9 import both from here
from .base import BaseIndexer as BaseIndexer
from .base import Vectors, check_choice, check_positive, items_to_index
from .index_files import read_ids, verify_index, write_index
from .item_ids import Found, ItemIds, Rows
from .rows import FileBuilder, Nearest, RowsIndexer, widened

TYPES = ("Flat", "HNSW", "IVF")
METRICS = ("L2", "IP")


class FaissIndexer(RowsIndexer):
    """An open Faiss index, created by `FaissBuilder`.

    Args:
        index: A `faiss.Index`.
        items: The ids of its rows; None means that items are known by row numbers.
    """

    def __init__(self, index: Any, *, items: ItemIds | None = None) -> None:
        # 0 is METRIC_INNER_PRODUCT
        similarity = index.metric_type == 0
        items = ItemIds(index.ntotal) if items is None else items
        super().__init__(index.d, items, similarity=similarity)
        self.index = index

    def query(self, embeddings: Any, top_k: int, *, exclude: Any = None) -> tuple[Found, Tensor]:
        """See `BaseIndexer`. "L2" distances are squared; larger "IP" distances are nearer."""
        return super().query(embeddings, top_k, exclude=exclude)

    def save(self, file_path: FilePath) -> None:
        """See `BaseIndexer`."""
        faiss = require("faiss", "FaissIndexer", "faiss")
        write = partial(faiss.write_index, self.index)
        write_index(file_path, write, self.items.as_json(), width=self.width)

    def _search(self, vectors: Vectors, k: int) -> Nearest:
        distances, rows = self.index.search(vectors, k)
        return widened(rows, distances, k, self.similarity)

    def _vectors(self, rows: Rows) -> Vectors:
        if hasattr(self.index, "make_direct_map"):
            self.index.make_direct_map()
        found: Vectors = self.index.reconstruct_batch(rows)
        return found

    def _append(self, vectors: Vectors) -> None:
        self.index.add(vectors)

    def _replace(self, vectors: Vectors) -> None:
        self.index.reset()
        self.index.add(vectors)


class FaissBuilder(FileBuilder):
    """Builds Faiss indexes.

    Args:
        index_type: "Flat", exact; "HNSW", a graph of neighbors; or "IVF", inverted lists.
        metric: "L2", the squared distance, or "IP", the inner product, which is the cosine for
            embeddings of length 1.
        m: HNSW: number of neighbors of an item in the graph.
        nlists: IVF: number of lists, at most the number of embeddings.
        efSearch: HNSW: size of the candidate list of a query; larger is more accurate; None means
            the default of Faiss.
        nprobe: IVF: number of lists that a query inspects; more are more accurate; None means the
            default of Faiss, 1.

    Raises:
        ImportError: faiss is missing.
        ValueError: The type or the metric is unknown, or a count is below 1.

    Example:
        >>> with FaissBuilder(metric="IP").from_embeddings([[1.0, 0.0], [0.0, 2.0]]) as index:
        ...     index.query([[1.0, 1.0]], top_k=2)
        (tensor([[1, 0]]), tensor([[2., 1.]]))

    Reference:
        Douze et al., The Faiss library, 2024, arXiv 2401.08281.
    """

    def __init__(
        self,
        index_type: str = "Flat",
        metric: str = "L2",
        *,
        m: int = 32,
        nlists: int = 100,
        efSearch: int | None = None,
        nprobe: int | None = None,
    ) -> None:
        self._faiss = require("faiss", "FaissBuilder", "faiss")
        check_positive(m=m, nlists=nlists, efSearch=efSearch, nprobe=nprobe)
        self.index_type = check_choice("index_type", index_type, TYPES)
        self.metric = check_choice("metric", metric, METRICS)
        self.m, self.nlists, self.efSearch, self.nprobe = m, nlists, efSearch, nprobe

    def build(self, embeddings: Any, *, ids: Any = None) -> FaissIndexer:
        """See `FileBuilder`.

        Raises:
            ValueError: There are fewer embeddings than lists.
        """
        items = items_to_index(embeddings)
        if self.index_type == "IVF" and len(items) < self.nlists:
            raise ValueError(
                f"nlists={self.nlists} needs as many embeddings at least, got {len(items)}: set "
                "nlists lower, to about √N"
            )
        sizes = {"Flat": "Flat", "HNSW": f"HNSW{self.m},Flat", "IVF": f"IVF{self.nlists},Flat"}
        known = ItemIds(len(items), ids)
        kind = sizes[self.index_type]
        index = self._faiss.index_factory(items.shape[1], kind, self._metric_type())
        index.train(items)
        index.add(items)
        return self._tuned(index, known)

    def load(self, index_file: FilePath) -> FaissIndexer:
        """See `FileBuilder`."""
        verify_index(index_file)
        try:
            index = self._faiss.read_index(os.fspath(index_file))
        except (RuntimeError, MemoryError) as error:
            reason = str(error).splitlines()[0][:200]
            raise ValueError(
                f"{os.fspath(index_file)} is no index of Faiss, or is damaged ({reason}): build it "
                "again"
            ) from error
        classes = {"HNSW": self._faiss.IndexHNSW, "IVF": self._faiss.IndexIVF}
        found = next((t for t, c in classes.items() if isinstance(index, c)), "Flat")
        metric = "L2" if index.metric_type == self._faiss.METRIC_L2 else "IP"
        if (found, metric) != (self.index_type, self.metric):
            raise ValueError(
                f"{str(index_file)!r} holds an index of type {found!r} and metric {metric!r}, not "
                f"{self.index_type!r} and {self.metric!r}"
            )
        return self._tuned(index, read_ids(index_file, index.ntotal))

    def _metric_type(self) -> int:
        faiss = self._faiss
        found: int = faiss.METRIC_L2 if self.metric == "L2" else faiss.METRIC_INNER_PRODUCT
        return found

    def _tuned(self, index: Any, items: ItemIds) -> FaissIndexer:
        tune(index, self.nprobe, self.efSearch)
        return FaissIndexer(index, items=items)


def tune(index: Any, nprobe: int | None, ef_search: int | None) -> None:
    """Set `nprobe` or `efSearch` of an index; None does not change them."""
    if nprobe is not None and hasattr(index, "nprobe"):
        index.nprobe = nprobe
    if ef_search is not None and hasattr(index, "hnsw"):
        index.hnsw.efSearch = ef_search
