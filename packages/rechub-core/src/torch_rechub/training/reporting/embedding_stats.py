"""Embedding statistics: how large the rows of tables become, and how many are trained."""

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
        values: "norm", the mean Euclidean norm of its rows; "unchanged", the share of rows whose
            norm is what it was at the start of training.
        counts: How many rows have a norm between one edge and the next.
        edges: One more than counts.
    """

    values: dict[str, float]
    counts: list[int]
    edges: list[float]


class EmbeddingStats:
    """The statistics of the embedding tables of a model; stores one number a row from the start.

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
        """The statistics of each table, by its feature's name."""
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
