"""Embedding statistics: the norms of the rows of tables, and the share of untrained rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...basic.layers.embedding import EmbeddingLayer

_BINS = 30


@dataclass(frozen=True)
class TableStats:
    """The statistics of one table.

    Attributes:
        values: "norm", the mean Euclidean norm of the rows; "unchanged", the share of rows with the
            same norm as at the start of training.
        counts: Histogram of the norms: number of rows between consecutive edges.
        edges: The edges of the histogram, one more than counts.
    """

    values: dict[str, float]
    counts: list[int]
    edges: list[float]


class EmbeddingStats:
    """Computes the statistics of a model's embedding tables; stores the initial norm of each row.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> model, stats = EmbeddingLayer([SparseFeature("user", 4, embed_dim=2)]), EmbeddingStats()
        >>> stats.start(model)
        >>> _ = model.table("user")[1].data.fill_(3.0)
        >>> stats.of(model)["user"].values["unchanged"]
        0.75
    """

    def __init__(self) -> None:
        self._before: dict[str, Tensor] = {}

    def start(self, model: nn.Module) -> None:
        """Store the norms of all rows."""
        self._before = dict(_norms(model))

    def of(self, model: nn.Module) -> dict[str, TableStats]:
        """Return the statistics of each table, by the name of its feature."""
        return {name: _stats(norms, self._before[name]) for name, norms in _norms(model)}


def _norms(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    layers = [(path, m) for path, m in model.named_modules() if isinstance(m, EmbeddingLayer)]
    for path, layer in layers:
        for feature in layer.embed_dict:
            name = feature if len(layers) == 1 else f"{path}.{feature}"
            yield name, torch.linalg.vector_norm(layer.table(feature).detach().float(), dim=1).cpu()


def _stats(norms: Tensor, before: Tensor) -> TableStats:
    low, high = float(norms.min()), float(norms.max())
    high = high if high > low else low + 1.0
    counts, edges = torch.histogram(norms, _BINS, range=(low, high))
    unchanged = float((norms == before).float().mean())
    values = {"norm": float(norms.mean()), "unchanged": unchanged}
    return TableStats(values, [int(count) for count in counts.tolist()], edges.tolist())
