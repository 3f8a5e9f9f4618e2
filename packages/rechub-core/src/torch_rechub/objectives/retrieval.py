"""Validation by retrieval: users, catalog, and relevant items."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from .._bounds import check_whole
from ..data.as_loader import as_loader, is_table
from ..data.table import PredictDataset
from ..metrics.computing import RankedLists, of_lists
from ..metrics.monitor import Metric
from ..metrics.retrieval import as_csr, best_of, check_lists, hits_of, lists_of, top_k
from ..models.protocols import HasTowers
from ..models.towers import one_tower, prediction
from ..significance.keys import digest_of

_BATCH_SIZE = 1024
_PAIRS = 2**17  # users and items scored at once by a model without towers


class PredictsRows(Protocol):
    """The part of the evaluation loop that predicts."""

    def __call__(self, model: nn.Module, data_loader: Any, predict: Any) -> Any:
        """Return an object whose `scores` are the predictions, in the order of the rows."""


class Ranked(NamedTuple):
    """The top items of users, on the CPU.

    Attributes:
        best: Rows of the catalog, the best first, (U, K); −1 for missing items.
        scores: Their scores, (U, K).
        n_items: The size of the catalog.
        vectors: The embeddings of the catalog, (N, D); None of a model without towers.
    """

    best: Tensor
    scores: Tensor
    n_items: int
    vectors: NDArray[Any] | None


@dataclass(frozen=True, kw_only=True)
class RetrievalData:
    """The data for validation by retrieval over the whole catalog.

    Attributes:
        users: The columns of users: a dict, a frame, a data set or a loader.
        items: The columns of the catalog, in the same format, each item once.
        relevant: The relevant items: a sequence of rows of `items`, from 0, for each user, or these
            sequences as (indptr, indices) or as a SciPy CSR matrix. Users without relevant items
            are skipped.
        seen: Items to exclude, in the same format; None excludes none.
        k: The number of recommendations, or several numbers.

    Raises:
        ValueError: There is not one list for each user, or a k is below 1.
        IndexError: A relevant or seen item is not in the catalog.

    Example:
        >>> data = RetrievalData(
        ...     users={"user": [0, 1]},
        ...     items={"item": [4, 5, 6]},
        ...     relevant=[[2], [0, 1]],
        ...     seen=[[0], []],
        ... )
        >>> data.ks
        (10,)
    """

    users: Any
    items: Any
    relevant: Any
    seen: Any = None
    k: int | Sequence[int] = 10

    def __post_init__(self) -> None:
        for k in self.ks or (0,):
            check_whole(1, k=k)
        n_users, n_items = _rows(self.users), _rows(self.items)
        if n_users is not None and n_items is not None:
            check_lists(self.relevant, n_users, n_items, "relevant")
            check_lists(self.seen, n_users, n_items, "seen")

    @property
    def ks(self) -> tuple[int, ...]:
        """The numbers of recommendations as a list."""
        return (self.k,) if isinstance(self.k, int) else tuple(self.k)

    def default_metrics(self) -> tuple[str, ...]:
        """The names of the default metrics."""
        return tuple(f"{name}@{k}" for k in self.ks for name in ("ndcg", "hit", "recall", "mrr"))

    def measure(
        self,
        metrics: Sequence[Metric],
        model: nn.Module,
        predictions: PredictsRows,
        item_frequency: Mapping[str, ArrayLike] | None = None,
    ) -> dict[str, float]:
        """Compute the metrics of the top items of each user, by embeddings or by scores.

        Args:
            metrics: The metrics, of hits or of lists.
            model: The model; without towers, the scores of all pairs are computed.
            predictions: The evaluation loop.
            item_frequency: Count of each id in training, for novelty.
        """
        if not metrics:
            return {}
        k, popularity = max(metric.k or 1 for metric in metrics), None
        found = self.ranked(model, predictions, k)
        column, frequency = next(iter((item_frequency or {}).items()), (None, None))
        if frequency is not None and isinstance(self.items, Mapping) and column in self.items:
            n = np.asarray(frequency, dtype=np.float64)
            popularity = n[np.asarray(self.items[column])] / n.sum()
        hits, n_relevant = hits_of(found.best, self.relevant, found.n_items, k)
        lists = RankedLists(
            hits, n_relevant, found.best.numpy(), found.n_items, found.vectors, popularity,
            truth=self.truth, seen_excluded=self.seen is not None,
        )  # fmt: skip
        return of_lists(metrics, lists)

    def ranked(self, model: nn.Module, predictions: PredictsRows, k: int) -> Ranked:
        """Return the top K items of each user, by embeddings or by scores.

        Args:
            model: The model; without towers, the scores of all pairs are computed.
            predictions: The evaluation loop.
            k: K.
        """
        if isinstance(model, HasTowers):
            users = self._embeddings(model, "user", self.users, predictions)
            items = self._embeddings(model, "item", self.items, predictions)
            scores, best = top_k(users, items, k, self.seen)
            return Ranked(best, scores, len(items), items.numpy())
        scores = self._scores(model, predictions)
        best = best_of(scores, k, self.seen)
        return Ranked(best, scores.gather(1, best.clamp(min=0)), scores.shape[1], None)

    def relevant_items(self, n_items: int, n_users: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the relevant items as (indptr, indices).

        Args:
            n_items: The size of the catalog.
            n_users: The number of users.
        """
        return lists_of(self.relevant, n_users, n_items, "relevant")

    def truth(self) -> str:
        """The digest of the relevant items of the users, in the order of the users."""
        indptr, indices = as_csr(self.relevant)
        owners = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        return digest_of("relevant", indptr, indices[np.lexsort((indices, owners))])

    @staticmethod
    def _embeddings(
        model: nn.Module, tower: str, columns: Any, predictions: PredictsRows
    ) -> Tensor:
        with one_tower(model, tower):
            found = predictions(model, columns, partial(prediction, model))
        embeddings: Tensor = found.scores.cpu()
        return embeddings

    def _scores(self, model: nn.Module, predictions: PredictsRows) -> Tensor:
        """Iterate over the scores of all users with all items, (U, N), in blocks of users."""
        users, items = _table(self.users, "users"), _table(self.items, "items")
        n_users, n_items = len(next(iter(users.values()))), len(next(iter(items.values())))
        step = max(1, _PAIRS // max(n_items, 1))
        scores = [torch.empty(0, n_items)]
        for start in range(0, n_users, step):
            block = {name: column[start : start + step] for name, column in users.items()}
            n = len(next(iter(block.values())))
            pairs = {name: column.repeat_interleave(n_items, 0) for name, column in block.items()}
            for name, column in items.items():
                pairs[name] = column.repeat(n, *[1] * (column.dim() - 1))
            found = predictions(model, as_loader(pairs, _BATCH_SIZE), partial(prediction, model))
            scores.append(found.scores.reshape(n, n_items).cpu())
        return torch.cat([part.to(scores[-1].dtype) for part in scores])


def _table(columns: Any, name: str) -> dict[str, Tensor]:
    """Convert columns to tensors."""
    dataset = getattr(as_loader(columns, _BATCH_SIZE), "dataset", None)
    if not isinstance(dataset, PredictDataset):
        raise ValueError(
            f"retrieval of a model without towers needs {name} as a dict or a frame, got "
            f"{type(columns).__name__}"
        )
    return {key: column for key, column in dataset.x.items() if isinstance(column, Tensor)}


def _rows(columns: Any) -> int | None:
    """Return the number of rows, if it is known."""
    table: Any = PredictDataset(columns) if is_table(columns) else columns
    dataset = getattr(table, "dataset", table)  # the data set of a loader
    return len(dataset) if isinstance(dataset, Dataset) and isinstance(dataset, Sized) else None
