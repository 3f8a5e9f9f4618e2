"""Indexes of numbered rows: ids, removed items and exclusions, the same for every library."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..types import FilePath
from .base import BaseBuilder, BaseIndexer, Vectors, as_vectors, check_positive, items_to_index
from .item_ids import Found, ItemIds, Rows

Nearest = tuple[Rows, Vectors]


class RowsIndexer(BaseIndexer):
    """An index whose library numbers the items by rows.

    A removed item stays in the library and is left out of results, until more than half of the
    rows are removed: then the index is built anew from the rest. An updated item is removed and
    added.

    Args:
        width: Width D.
        items: The ids of the rows.
        similarity: Whether large distances are near.
    """

    def __init__(self, width: int, items: ItemIds, *, similarity: bool) -> None:
        self.width, self.items, self.similarity = width, items, similarity

    def __len__(self) -> int:
        """The number of items."""
        return len(self.items)

    def query(self, embeddings: Any, top_k: int, *, exclude: Any = None) -> tuple[Found, Tensor]:
        """See `BaseIndexer`."""
        check_positive(top_k=top_k)
        vectors = as_vectors(embeddings, self.width)
        pairs = self._excluded(exclude, len(vectors))
        if len(pairs) == 0 and self._hidden() == 0:
            rows, distances = self._search(vectors, top_k)
        else:
            rows, distances = self._search_others(vectors, top_k, pairs)
        return self.items.found(rows), torch.from_numpy(distances)

    def add(self, embeddings: Any, ids: Any = None) -> None:
        """See `BaseIndexer`."""
        vectors = items_to_index(embeddings, self.width)
        new = self.items.checked(len(vectors), ids)
        self._append(vectors)
        self.items.append(new)

    def remove(self, ids: Any) -> None:
        """See `BaseIndexer`."""
        rows = self.items.rows_of(ids)
        self.items.remove(rows)
        self._tidy(rows)

    def update(self, embeddings: Any, ids: Any) -> None:
        """See `BaseIndexer`."""
        vectors = items_to_index(embeddings, self.width)
        rows = self.items.rows_of(ids)
        if len(np.unique(rows)) != len(vectors) or len(rows) != len(vectors):
            raise ValueError(
                f"{len(vectors)} embeddings need as many ids, each once, got {len(rows)} ids of "
                f"{len(np.unique(rows))} items"
            )
        self._append(vectors)
        self.items.replace(rows)
        self._tidy(rows)

    def _excluded(self, exclude: Any, n: int) -> Rows:
        """Return the excluded (query, row) pairs as numbers query · N + row, sorted."""
        if exclude is None:
            return np.empty(0, dtype=np.int64)
        lists = [self.items.known_rows(ids) for ids in exclude]
        if len(lists) != n:
            raise ValueError(f"exclude holds {len(lists)} lists of ids for {n} embeddings")
        rows = [query * self.items.n_rows + found[found >= 0] for query, found in enumerate(lists)]
        return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *rows]))

    def _search_others(self, vectors: Vectors, k: int, excluded: Rows) -> Nearest:
        """Search without removed and excluded items: for more and more rows, until K are left."""
        n = self.items.n_rows
        rows, distances = _nothing(len(vectors), k, self.similarity)
        left = np.arange(len(vectors))
        hidden = self._hidden()
        width = min(n, k + hidden * k // max(1, n - hidden) + len(excluded) // max(1, len(left)))
        while len(left):
            found, far = self._search(vectors[left], width)
            shown = (found >= 0) & self.items.there[found]
            shown &= ~np.isin(left[:, None] * n + found, excluded)
            rank = shown.cumsum(axis=1)
            query, column = np.nonzero(shown & (rank <= k))
            place = left[query], rank[query, column] - 1
            rows[place], distances[place] = found[query, column], far[query, column]
            exhausted = (width >= n) | (found[:, -1] < 0)
            left = left[(rank[:, -1] < k) & ~exhausted]
            width = min(n, 2 * width)
        return rows, distances

    def _hidden(self) -> int:
        """Return the number of removed rows that the library still finds."""
        return self.items.n_rows - len(self.items)

    def _tidy(self, removed: Rows) -> None:
        """Drop removed rows from the library, if there are too many."""
        kept = np.flatnonzero(self.items.there)
        if 0 < len(kept) < self.items.n_rows / 2:
            self._replace(self._vectors(kept))
            self.items.keep(kept)

    @abstractmethod
    def _search(self, vectors: Vectors, k: int) -> Nearest:
        """Return the k nearest rows and their distances, (B, k) each, filled with −1 and ±∞."""

    @abstractmethod
    def _vectors(self, rows: Rows) -> Vectors:
        """Return the embeddings of rows."""

    @abstractmethod
    def _append(self, vectors: Vectors) -> None:
        """Append rows."""

    @abstractmethod
    def _replace(self, vectors: Vectors) -> None:
        """Replace all rows."""


class FileBuilder(BaseBuilder):
    """A builder of indexes that are written to files."""

    @contextmanager
    def from_embeddings(self, embeddings: Any, *, ids: Any = None) -> Iterator[Any]:
        """See `BaseBuilder`."""
        yield self.build(embeddings, ids=ids)

    @contextmanager
    def from_index_file(self, index_file: FilePath) -> Iterator[Any]:
        """See `BaseBuilder`.

        Raises:
            ValueError: The file is damaged, or holds another index than the builder's.
        """
        yield self.load(index_file)

    @abstractmethod
    def build(self, embeddings: Any, *, ids: Any = None) -> RowsIndexer:
        """Build as `from_embeddings`, without a `with` statement."""

    @abstractmethod
    def load(self, index_file: FilePath) -> RowsIndexer:
        """Load as `from_index_file`, without a `with` statement."""


def filled(found: list[tuple[list[int], list[float]]], k: int, similarity: bool) -> Nearest:
    """Return rows and distances of queries as arrays (B, k), filled if there are fewer."""
    rows, distances = _nothing(len(found), k, similarity)
    for query, (some, far) in enumerate(found):
        rows[query, : len(some)], distances[query, : len(far)] = some, far
    return rows, distances


def widened(rows: Rows, distances: NDArray[Any], k: int, similarity: bool) -> Nearest:
    """Return rows and distances (B, M), M at most k, filled to width k."""
    all_rows, all_distances = _nothing(len(rows), k, similarity)
    all_rows[:, : rows.shape[1]], all_distances[:, : rows.shape[1]] = rows, distances
    all_distances[all_rows < 0] = -np.inf if similarity else np.inf
    return all_rows, all_distances


def _nothing(n: int, k: int, similarity: bool) -> Nearest:
    far = np.full((n, k), -np.inf if similarity else np.inf, dtype=np.float32)
    return np.full((n, k), -1, dtype=np.int64), far
