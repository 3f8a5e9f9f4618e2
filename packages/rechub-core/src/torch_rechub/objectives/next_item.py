"""Next items of sequences: which they are, what a model says of them, losses, ranks."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..basic.layers.precision import leave_out, lowest_score
from ..data.batch import split_batch
from ..losses.blockwise_softmax import softmax_loss
from ..losses.nce import NCELoss
from ..metrics.ranking import ranking_metrics_from_hits
from ..metrics.ranking import top_ks as checked_top_ks
from .logits import forward_has

log = logging.getLogger("torch_rechub")

PADDING = 0


def sequences(batch: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The tokens (B, L), times (B, L) and targets (B,) of a batch.

    Raises:
        ValueError: It is no batch of (tokens, positions, time_diffs, targets).
    """
    x, targets = split_batch(batch)
    if targets is None or not isinstance(x, tuple) or len(x) != 3:
        raise ValueError(
            "SeqTrainer takes batches of (tokens, positions, time_diffs, targets), such as those "
            "that torch_rechub.utils.data.SequenceDataGenerator makes"
        )
    tokens, _, time_diffs = x
    return tokens, time_diffs, targets.reshape(-1)


def next_items(tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """What each position should predict: the token after it, or, the last token, the target.

    Args:
        tokens: Sequences (B, L), padded with 0 at either end.
        targets: The item after each sequence (B,); 0 where there is none.

    Returns:
        The items (B, L), 0 where nothing is to be predicted, as at padding; and whether a position
        holds the last token of its sequence (B, L).

    Example:
        >>> next_items(torch.tensor([[3, 4, 5], [0, 6, 7], [8, 0, 0]]), torch.tensor([1, 2, 9]))[0]
        tensor([[4, 5, 1],
                [0, 7, 2],
                [9, 0, 0]])
    """
    valid = tokens != PADDING
    last = valid & (valid.flip(1).cumsum(dim=1).flip(1) == 1)
    after = F.pad(tokens[:, 1:], (0, 1), value=PADDING)
    items = torch.where(last, targets.to(tokens.dtype).unsqueeze(1), after)
    return items.masked_fill(~valid, PADDING).long(), last


def ranks_of(scores: Tensor, items: Tensor, excluded: Tensor) -> Tensor:
    """The rank, from 1, of one item a row among those not excluded; ties go to the lower id.

    A score that is NaN counts as higher than any other item's.

    Args:
        scores: Scores (N, V).
        items: The item (N,) whose rank is asked; it counts even where it is excluded.
        excluded: Items left out of the ranking, (V,) or (N, V).

    Example:
        >>> ranks_of(torch.tensor([[9.0, 3.0, 5.0, 3.0]]), torch.tensor([3]), torch.arange(4) == 0)
        tensor([3])
    """
    own, item = scores.gather(1, items.unsqueeze(1)), items.unsqueeze(1)
    ids = torch.arange(scores.shape[1], device=scores.device)
    behind = (scores < own) | ((scores == own) & (ids > item)) | (ids == item)
    return 1 + (~(behind | excluded)).sum(dim=1)


class ItemCrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy over items: `label_smoothing` spreads over them alone, and no row is no loss.

    Shape:
        logits: (N, V), of which column 0 is padding's; items: (N,); returns a scalar.
    """

    def forward(self, logits: Tensor, items: Tensor) -> Tensor:
        """Return the mean over rows, 0 without rows; or what `reduction` says instead."""
        if len(items) == 0 and self.reduction == "mean":
            return logits.sum()
        if self.label_smoothing == 0:
            return super().forward(logits, items)
        return F.cross_entropy(
            logits[:, 1:],
            items - 1,
            weight=None if self.weight is None else self.weight[1:],
            ignore_index=self.ignore_index - 1,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


def better_of(monitor: str) -> str:
    """Which values of a metric of validation are better, "max" or "min".

    Raises:
        ValueError: There is no such metric.
    """
    modes = {"val/accuracy": "max", "val/loss": "min"}
    if monitor not in modes:
        raise ValueError(f"monitor must be {' or '.join(map(repr, modes))}, got {monitor!r}")
    return modes[monitor]


def item_loss(loss_type: str, params: dict[str, Any]) -> nn.Module:
    """The loss by its name.

    Raises:
        ValueError: The name or the reduction is another.
    """
    if params.get("reduction", "mean") not in ("mean", "sum", "none"):
        raise ValueError(
            f"loss_params: reduction must be 'mean', 'sum' or 'none', got {params['reduction']!r}"
        )
    if loss_type == "cross_entropy":
        return ItemCrossEntropy(**{"ignore_index": PADDING, **params})
    if loss_type == "nce":
        return NCELoss(**{"temperature": 0.1, **params})
    raise ValueError(f"loss_type must be 'cross_entropy' or 'nce', got {loss_type!r}")


def reduction_of(loss_fn: Callable[..., Any]) -> str:
    """How a loss reduces; one that does not say, such as a function, is taken for a mean."""
    return str(getattr(loss_fn, "reduction", "mean"))


def require_mean(loss_fn: Callable[..., Any]) -> None:
    """Refuse to train on a loss that is no mean.

    Raises:
        ValueError: Names the reduction.
    """
    if reduction_of(loss_fn) != "mean":
        raise ValueError(
            f"reduction={reduction_of(loss_fn)!r} is for losses computed by hand: training takes "
            "the mean over predictions, so leave it out of loss_params, and scale the learning "
            "rate instead"
        )


def _plain_softmax(loss_fn: nn.Module) -> float | None:
    """What divides the logits of a loss that is the mean of softmax losses; None if it is not."""
    if type(loss_fn) is NCELoss and loss_fn.ignore_index == PADDING:
        return loss_fn.temperature if loss_fn.reduction == "mean" else None
    if type(loss_fn) is not ItemCrossEntropy or loss_fn.ignore_index != PADDING:
        return None
    return 1.0 if loss_fn.label_smoothing == 0 and loss_fn.weight is None else None


@dataclass(frozen=True)
class Predictions:
    """What a model says where there is something to predict, in a batch.

    Attributes:
        logits: Of all items, (N, V); that of padding is so low that it is no candidate.
        items: The right ones, (N,).
        last: Whether they are targets, (N,): items after the last token of a sequence.
        row: The sequence of each, (N,).
    """

    logits: Tensor
    items: Tensor
    last: Tensor
    row: Tensor


class Predictor:
    """Asks a model for the next items of sequences, and only where there is one to predict.

    Args:
        model: Maps tokens and times (B, L) to logits (B, L, V). Where its class has `encode`, which
            gives hidden states, and `score`, which gives their logits, those are used; and in
            training `score_terms`, which gives h, W and b of the logits W h + b.
        parallel: Spreads a module over several GPUs.
    """

    def __init__(self, model: nn.Module, parallel: Callable[[nn.Module], nn.Module]) -> None:
        self.in_parts = forward_has(model, "encode") and forward_has(model, "score")
        self.in_terms = self.in_parts and forward_has(model, "score_terms")
        self.model: Any = model
        self.first = parallel(_EncodeOf(model) if self.in_parts else model)

    def __call__(self, batch: Any, targets_only: bool = False) -> Predictions:
        """The predictions of a batch, or those of its targets alone."""
        tokens, time_diffs, targets = sequences(batch)
        items, last = next_items(tokens, targets)
        row, position = ((items != PADDING) & (last | (not targets_only))).nonzero(as_tuple=True)
        found = self.first(tokens, time_diffs)[row, position]
        logits: Tensor = self.model.score(found) if self.in_parts else found
        with torch.no_grad():  # no gradient reaches a score that is as low
            logits[:, PADDING] = lowest_score(logits.dtype)
        return Predictions(logits, items[row, position], last[row, position], row)

    def loss(self, batch: Any, loss_fn: nn.Module) -> Tensor:
        """The mean loss of what a batch predicts."""
        tau = _plain_softmax(loss_fn) if self.in_terms else None
        if tau is None:
            found = self(batch)
            loss: Tensor = loss_fn(found.logits, found.items)
            return loss
        tokens, time_diffs, targets = sequences(batch)
        items, _ = next_items(tokens, targets)
        row, position = (items != PADDING).nonzero(as_tuple=True)
        hidden = self.first(tokens, time_diffs)[row, position]
        h, w, bias = self.model.score_terms(hidden)
        b = torch.zeros_like(w[:, 0]) if bias is None else bias / tau
        b = leave_out(b, torch.arange(len(w), device=w.device) == PADDING)
        return softmax_loss(h / tau, w, items[row, position], b)

    def ranks(self, batch: Any, exclude_seen: bool) -> Tensor:
        """The rank of each target of a batch among all items, or those not in its sequence."""
        found = self(batch, targets_only=True)
        excluded = torch.zeros_like(found.logits, dtype=torch.bool)
        if exclude_seen:
            excluded.scatter_(1, sequences(batch)[0][found.row].long(), True)
        excluded[:, PADDING] = True
        return ranks_of(found.logits, found.items, excluded)

    @staticmethod
    def count(batch: Any) -> Tensor:
        """How many predictions a batch has."""
        tokens, _, targets = sequences(batch)
        return (next_items(tokens, targets)[0] != PADDING).sum()

    @torch.inference_mode()
    def loss_and_accuracy(self, batches: Iterable[Any], loss_fn: nn.Module) -> tuple[float, float]:
        """The mean loss of all predictions, and the share of targets that score highest; or NaN."""
        self.model.eval()
        losses, right, n = [torch.zeros(())], [torch.empty(0)], 0
        for batch in batches:
            found = self(batch)
            weight = len(found.items) if reduction_of(loss_fn) == "mean" else 1
            losses.append((loss_fn(found.logits, found.items).sum() * weight).cpu())
            n += len(found.items)
            right.append((found.logits[found.last].argmax(dim=1) == found.items[found.last]).cpu())
        hits = torch.cat(right).double()
        loss = float(torch.stack(losses).double().sum()) / n if n else math.nan
        if not len(hits):
            log.warning("Accuracy is undefined, no sequence has tokens and a target: it is NaN.")
        return loss, float(hits.mean()) if len(hits) else math.nan

    @torch.inference_mode()
    def top_k_metrics(
        self, batches: Iterable[Any], top_ks: Iterable[int], exclude_seen: bool
    ) -> dict[str, float]:
        """How high targets rank: hit@k, ndcg@k and mrr@k, each a mean over sequences."""
        ks = checked_top_ks(top_ks)
        self.model.eval()
        ranks = [self.ranks(batch, exclude_seen).cpu() for batch in batches]
        rank = torch.cat([torch.empty(0, dtype=torch.int64), *ranks])
        hits = rank.unsqueeze(1) == torch.arange(1, max(ks) + 1)
        metrics = ranking_metrics_from_hits(hits.numpy(), np.ones(len(rank)), ks)
        return {f"{m}@{k}": metrics[f"{m}@{k}"] for k in ks for m in ("hit", "ndcg", "mrr")}


class _EncodeOf(nn.Module):
    """A model called for its hidden states, so that several GPUs can share the call."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, time_diffs: Tensor) -> Any:
        return self.model.encode(tokens, time_diffs)  # type: ignore[operator]
