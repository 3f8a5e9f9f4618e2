"""Evaluation of next-item prediction: losses, and ranks of targets."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.batch import Batch
from ..data.weights import joined_weights
from ..losses.weighted import weighted_loss
from ..metrics.computing import RankedLists
from ..metrics.monitor import Metric
from ..significance.keys import digest_of
from .next_item import Predictor, reduction_of, sequences
from .sampled_items import PADDING, SampledItemLoss

log = logging.getLogger("torch_rechub")


def ranks_of(scores: Tensor, items: Tensor, excluded: Tensor) -> Tensor:
    """Return the rank, from 1, of one item per row; ties are broken by the lower id.

    A NaN score ranks first.

    Args:
        scores: Scores (N, V).
        items: The items (N,) to rank, even if they are excluded.
        excluded: Mask of items to exclude from the ranking, (V,) or (N, V).

    Example:
        >>> ranks_of(torch.tensor([[9.0, 3.0, 5.0, 3.0]]), torch.tensor([3]), torch.arange(4) == 0)
        tensor([3])
    """
    own, item = scores.gather(1, items.unsqueeze(1)), items.unsqueeze(1)
    ids = torch.arange(scores.shape[1], device=scores.device)
    behind = (scores < own) | ((scores == own) & (ids > item)) | (ids == item)
    return 1 + (~(behind | excluded)).sum(dim=1)


def _accuracy(
    hits: NDArray[Any], n_relevant: NDArray[Any], weights: NDArray[Any] | None = None
) -> float:
    """The share of targets that rank first, weighted if need be; NaN, with a warning, of none."""
    if len(hits):
        return float(np.average(hits[:, 0], weights=weights))
    log.warning("Accuracy is undefined, no sequence has tokens and a target: it is NaN.")
    return math.nan


def _computed_by_batch(*args: Any) -> float:
    raise NotImplementedError("the loss is computed by batch, see `mean_loss`")


SEQUENCE_METRICS = {
    "loss": Metric("loss", _computed_by_batch, "min", needs="hits", k=1, weighted=True),
    "accuracy": Metric("accuracy", _accuracy, "max", needs="hits", k=1, weighted=True),
}
"""Metrics that sequence trainers have under a name of their own."""


@dataclass(frozen=True)
class Evaluated:
    """The evaluation of a batch, on the CPU.

    Attributes:
        loss: The summed loss of its predictions, by their weights; None where it was not asked for.
        count: The number of predictions, or the sum of their weights.
        ranks: The rank of each target, (n,), from 1; 0 for a target that is excluded; all above 1
            are 2 where only the first rank was asked for.
        weights: How much each target counts, (n,); None where all count alike.
        items: The targets, (n,).
    """

    loss: Tensor | None
    count: float
    ranks: Tensor
    weights: Tensor | None = None
    items: Tensor | None = None


def evaluate_batch(
    predict: Predictor, batch: Batch, loss_fn: nn.Module | None, ranked: bool, exclude_seen: bool
) -> Evaluated:
    """Return the loss of the predictions of a batch, and the ranks of its targets.

    Args:
        predict: The predictor.
        batch: The batch.
        loss_fn: The loss; None for no loss. Losses with drawn negatives are evaluated by
            cross-entropy over all items, which does not depend on draws.
        ranked: Whether to compute exact ranks, or only whether they are 1.
        exclude_seen: Whether to exclude the items of a sequence from its ranking. A target among
            them has no rank.
    """
    if isinstance(loss_fn, SampledItemLoss):
        loss_fn = loss_fn.full
    given = sequences(batch)
    found = predict(given, targets_only=loss_fn is None)
    weights = None if batch.weights is None else batch.weights[found.row]
    count = float(len(found.items) if weights is None else weights.sum())
    loss = None
    if loss_fn is not None:
        times = count if reduction_of(loss_fn) == "mean" else 1
        found_loss = _loss_of(loss_fn, found.logits, found.items, weights)
        loss = (found_loss.sum() * times).cpu()
    logits, items, row = found.logits[found.last], found.items[found.last], found.row[found.last]
    of_targets = None if weights is None else weights[found.last].cpu()
    if not ranked:
        ranks = (1 + (logits.argmax(dim=1) != items).long()).cpu()
        return Evaluated(loss, count, ranks, of_targets, items.cpu())
    excluded = torch.zeros_like(logits, dtype=torch.bool)
    if exclude_seen:
        excluded.scatter_(1, given.tokens[row].long(), True)
    missed = excluded.gather(1, items.unsqueeze(1)).squeeze(1)
    excluded[:, PADDING] = True
    ranks = ranks_of(logits, items, excluded).masked_fill(missed, 0)
    return Evaluated(loss, count, ranks.cpu(), of_targets, items.cpu())


def _loss_of(loss_fn: nn.Module, logits: Tensor, items: Tensor, weights: Tensor | None) -> Tensor:
    """The loss of predictions, weighted; of each of them where it does not reduce."""
    if weights is not None and reduction_of(loss_fn) == "none":
        weighted: Tensor = weights * loss_fn(logits, items)
        return weighted
    return weighted_loss(loss_fn, logits, items, weights)


def evaluation_step(
    predict: Predictor, loss_fn: nn.Module, metrics: Sequence[Metric], exclude_seen: bool
) -> tuple[Callable[[Batch], Evaluated], int]:
    """Return the step of an evaluation loop; see `evaluate_batch`."""
    k = max([1, *(metric.k or 1 for metric in metrics)])
    asked = loss_fn if any(metric.name == "loss" for metric in metrics) else None
    ranked = k > 1 or any(metric.name != "accuracy" for metric in metrics if metric.k)

    def step(batch: Batch) -> Evaluated:
        return evaluate_batch(predict, batch, asked, ranked, exclude_seen)

    return step, k


def mean_loss(results: Sequence[Evaluated]) -> float:
    """Return the mean loss of all predictions; NaN if there are none."""
    losses = [torch.zeros(()), *(r.loss for r in results if r.loss is not None)]
    n = sum(r.count for r in results)
    return float(torch.stack(losses).double().sum()) / n if n else math.nan


def hits_of(results: Sequence[Evaluated], k: int, exclude_seen: bool = False) -> RankedLists:
    """Return the hits of targets at the first k ranks, a list for each sequence with a target."""

    def truth() -> str:
        return digest_of("targets", *[r.items.numpy() for r in results if r.items is not None])

    ranks = torch.cat([torch.empty(0, dtype=torch.int64), *(r.ranks for r in results)])
    hits = ranks.unsqueeze(1) == torch.arange(1, k + 1)
    weights = joined_weights([r.weights for r in results])
    n_relevant = np.ones(len(ranks), dtype=np.int64)
    of_users = None if weights is None else weights.numpy()
    return RankedLists(
        hits.numpy(), n_relevant, weights=of_users, truth=truth, seen_excluded=exclude_seen
    )
