"""The loss of rows that count differently: the weighted mean of any loss that rows have."""

from copy import copy
from typing import Any

import torch
from torch import Tensor, nn

from .reduction import ratio


def weighted_loss(
    loss_fn: Any,
    predictions: Tensor,
    labels: Tensor,
    weights: Tensor | None,
    on_logits: bool = False,
) -> Tensor:
    """The loss of a batch, L = Σ_i w_i ℓ_i / Σ_i w_i, with ℓ_i the loss of row i.

    ℓ are the values of the same loss at ``reduction="none"``. A loss whose own mean is weighted, of
    classes or by an `ignore_index`, has those weights c_i as well: Σ_i w_i ℓ_i / Σ_i w_i c_i. With
    ``reduction="sum"``, L = Σ_i w_i ℓ_i. A row of weight n is thus worth n rows.

    Args:
        loss_fn: Maps (predictions, labels) to a loss.
        predictions: A prediction for each row, (B, ...); logits where `on_logits` is set.
        labels: A label for each row, (B, ...); for a loss of pairs, the scores of negatives.
        weights: w, (B,), at least 0; None calls the loss as it is.
        on_logits: Whether to call the method `on_logits` of the loss.

    Returns:
        A scalar; 0 where all weights are 0.

    Raises:
        ValueError: There are weights, and the loss cannot be had row by row.

    Example:
        >>> p, y = torch.tensor([1.0, 2.0, 5.0]), torch.zeros(3)
        >>> weighted_loss(nn.MSELoss(), p, y, torch.tensor([2.0, 1.0, 0.0]))  # (2 · 1 + 4) / 3
        tensor(2.)
    """
    if weights is None:
        loss: Tensor = (loss_fn.on_logits if on_logits else loss_fn)(predictions, labels)
        return loss
    reduction = getattr(loss_fn, "reduction", None)
    if reduction not in ("mean", "sum"):
        raise ValueError(
            f"weights of rows need the loss of each row, which {_name(loss_fn)} does not give: it "
            f"has reduction {reduction!r}. Use a loss of torch.nn or torch_rechub.losses, or give "
            "yours an attribute reduction, 'mean' or 'sum', and let it return the loss of each row "
            "when that is 'none'"
        )
    each = copy(loss_fn)
    each.reduction = "none"
    values = (each.on_logits if on_logits else each)(predictions, labels)
    if values.dim() == 0 or len(values) != len(weights):
        raise ValueError(
            f"weights of rows need the loss of each row, but {_name(loss_fn)} returns the shape "
            f"{tuple(values.shape)} for {len(weights)} rows with reduction='none'"
        )
    w = weights.to(values.dtype).reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)
    total: Tensor = (w * values).sum()
    if reduction == "sum":
        return total
    own = _own_weights(loss_fn, labels)
    return ratio(total, (w if own is None else w * own).sum())


def _own_weights(loss_fn: Any, labels: Tensor) -> Tensor | None:
    """How much each row counts in the mean that a loss itself takes; None if all count 1."""
    ignored = getattr(loss_fn, "ignore_index", None)
    if ignored is None or labels.is_floating_point():
        return None
    counts: Tensor = labels != ignored
    classes = loss_fn.weight if isinstance(loss_fn, nn.CrossEntropyLoss | nn.NLLLoss) else None
    return counts if classes is None else counts * classes[torch.where(counts, labels, 0)]


def _name(loss_fn: Any) -> str:
    return getattr(loss_fn, "__name__", type(loss_fn).__name__)
