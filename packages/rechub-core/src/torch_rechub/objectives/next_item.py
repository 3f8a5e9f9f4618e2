"""Next-item prediction: targets, predictions and losses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..basic.layers.precision import leave_out, lowest_score
from ..data.batch import Batch
from ..losses import BatchLoss, NCELoss
from ..losses.blockwise_softmax import softmax_loss
from ..losses.weighted import weighted_loss
from ..models.logits import forward_has
from .sampled_items import PADDING, SAMPLED_LOSSES, SampledItemLoss, sampled_item_loss

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Sequences:
    """The sequences of a batch.

    Attributes:
        tokens: (B, L), padded with 0 at either end.
        time_diffs: Times (B, L).
        targets: The item after each sequence, (B,); 0 for no target.
    """

    tokens: Tensor
    time_diffs: Tensor
    targets: Tensor


def sequences(batch: Batch) -> Sequences:
    """Return the sequences of a batch.

    Raises:
        ValueError: The batch is not (tokens, positions, time_diffs, targets).
    """
    x, targets = batch.inputs, batch.labels
    if targets is None or not isinstance(x, tuple) or len(x) != 3:
        raise ValueError(
            "SeqTrainer takes batches of (tokens, positions, time_diffs, targets), such as those "
            "that torch_rechub.utils.data.SequenceDataGenerator makes"
        )
    tokens, _, time_diffs = x
    return Sequences(tokens, time_diffs, targets.reshape(-1))


def next_items(tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the item to predict at each position: the next token, or the target at the end.

    Args:
        tokens: Sequences (B, L), padded with 0 at either end.
        targets: The item after each sequence (B,); 0 for no target.

    Returns:
        The items (B, L), 0 for positions without a prediction, such as padding; and the mask of the
        last token of each sequence (B, L).

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


class ItemCrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy over items, without padding in `label_smoothing`; 0 for no rows.

    Shape:
        logits: (N, V), column 0 for padding; items: (N,); returns a scalar.
    """

    def forward(self, logits: Tensor, items: Tensor) -> Tensor:
        """Return the loss, reduced over rows; the mean of no rows is 0."""
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


def item_loss(
    loss_type: str,
    params: dict[str, Any],
    vocab_size: int | None = None,
    device: torch.device = _CPU,
) -> nn.Module:
    """Create the loss by its name.

    Args:
        loss_type: "cross_entropy", "nce", or one of `SAMPLED_LOSSES`.
        params: The arguments of the loss.
        vocab_size: The number of tokens, padding included, which sampled losses need.
        device: Device of the model.

    Raises:
        TypeError: An argument is unknown.
        ValueError: The name or the reduction is unknown, or an argument is out of range.
    """
    if params.get("reduction", "mean") not in ("mean", "sum", "none"):
        raise ValueError(
            f"loss_params: reduction must be 'mean', 'sum' or 'none', got {params['reduction']!r}"
        )
    if loss_type == "cross_entropy":
        return ItemCrossEntropy(**{"ignore_index": PADDING, **params}).to(device)
    if loss_type == "nce":
        return NCELoss(**{"temperature": 0.1, **params})
    if loss_type in SAMPLED_LOSSES:
        full = ItemCrossEntropy(ignore_index=PADDING)
        return sampled_item_loss(loss_type, params, vocab_size, device, full)
    known = ", ".join(map(repr, ("cross_entropy", "nce", *SAMPLED_LOSSES)))
    raise ValueError(f"loss_type must be one of {known}, got {loss_type!r}")


def described_params(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the `loss_params` to record, with frequencies replaced by their number."""
    found = dict(params or {})
    if found.get("frequency") is not None:
        found["frequency"] = f"of {len(found['frequency'])} tokens"
    return found


def reduction_of(loss_fn: Callable[..., Any]) -> str:
    """Return the reduction of a loss; "mean" if it is not declared, as for functions."""
    return str(getattr(loss_fn, "reduction", "mean"))


def require_mean(loss_fn: Callable[..., Any]) -> None:
    """Refuse to train on a loss that is not a mean.

    Raises:
        ValueError: The reduction is another; the message names it.
    """
    if reduction_of(loss_fn) != "mean":
        raise ValueError(
            f"reduction={reduction_of(loss_fn)!r} is for losses computed by hand: training takes "
            "the mean over predictions, so leave it out of loss_params, and scale the learning "
            "rate instead"
        )


def _plain_softmax(loss_fn: nn.Module) -> float | None:
    """Return the temperature of a loss that is a mean of softmax losses; None for other losses."""
    if type(loss_fn) is NCELoss and loss_fn.ignore_index == PADDING:
        return loss_fn.temperature if loss_fn.reduction == "mean" else None
    if type(loss_fn) is not ItemCrossEntropy or loss_fn.ignore_index != PADDING:
        return None
    return 1.0 if loss_fn.label_smoothing == 0 and loss_fn.weight is None else None


@dataclass(frozen=True)
class NextItems:
    """The predictions of a batch at the positions with a next item.

    Attributes:
        logits: Logits of all items, (N, V); that of padding is the lowest score.
        items: The next items, (N,).
        last: Whether they are targets, (N,): items after the last token of a sequence.
        row: The sequence of each prediction, (N,).
    """

    logits: Tensor
    items: Tensor
    last: Tensor
    row: Tensor


class Predictor:
    """Predicts the next items of sequences, only at positions with a next item.

    Args:
        model: A model from tokens and times (B, L) to logits (B, L, V). If it has `encode`, for
            hidden states, and `score`, for their logits, these are used; in training also
            `score_terms`, for h, W and b of logits W h + b.
        parallel: A function that distributes a module over the GPUs.
    """

    def __init__(self, model: nn.Module, parallel: Callable[[nn.Module], nn.Module]) -> None:
        self.in_parts = forward_has(model, "encode") and forward_has(model, "score")
        self.in_terms = self.in_parts and forward_has(model, "score_terms")
        self.model: Any = model
        self.first = parallel(_EncodeOf(model) if self.in_parts else model)

    def __call__(self, given: Sequences, targets_only: bool = False) -> NextItems:
        """Return the predictions of a batch, or those of its targets only."""
        items, last = next_items(given.tokens, given.targets)
        row, position = ((items != PADDING) & (last | (not targets_only))).nonzero(as_tuple=True)
        found = self.first(given.tokens, given.time_diffs)[row, position]
        logits: Tensor = self.model.score(found) if self.in_parts else found
        with torch.no_grad():  # a constant score, which has no gradient
            logits[:, PADDING] = lowest_score(logits.dtype)
        return NextItems(logits, items[row, position], last[row, position], row)

    def loss(self, batch: Batch, loss_fn: nn.Module) -> BatchLoss:
        """Return the mean loss of the predictions of a batch, and their number."""
        tau, given = _plain_softmax(loss_fn), sequences(batch)
        sampled = isinstance(loss_fn, SampledItemLoss)
        if not self.in_terms or (tau is None and not sampled):
            found = self(given)
            of_items, count = self._weights(batch, found.row)
            return BatchLoss(weighted_loss(loss_fn, found.logits, found.items, of_items), count)
        items, _ = next_items(given.tokens, given.targets)
        row, position = (items != PADDING).nonzero(as_tuple=True)
        of_items, count = self._weights(batch, row)
        hidden = self.first(given.tokens, given.time_diffs)[row, position]
        h, w, bias = self.model.score_terms(hidden)
        if isinstance(loss_fn, SampledItemLoss):
            return BatchLoss(loss_fn.of_terms(h, w, bias, items[row, position], of_items), count)
        b = torch.zeros_like(w[:, 0]) if bias is None else bias / tau
        b = leave_out(b, torch.arange(len(w), device=w.device) == PADDING)
        return BatchLoss(softmax_loss(h / tau, w, items[row, position], b, of_items), count)

    @staticmethod
    def _weights(batch: Batch, row: Tensor) -> tuple[Tensor | None, int | Tensor]:
        """The weights of predictions, those of their sequences, and their sum or number."""
        if batch.weights is None:
            return None, len(row)
        weights = batch.weights[row]
        return weights, weights.sum()


class _EncodeOf(nn.Module):
    """Wraps a model such that calling it returns hidden states, as `DataParallel` needs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, time_diffs: Tensor) -> Any:
        return self.model.encode(tokens, time_diffs)  # type: ignore[operator]
