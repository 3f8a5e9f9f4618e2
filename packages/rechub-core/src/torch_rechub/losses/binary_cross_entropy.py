"""Binary cross-entropy on probabilities or on logits."""

from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._bounds import check_number
from .reduction import known_reduction, reduce_losses


@runtime_checkable
class OnLogits(Protocol):
    """A loss of probabilities that can also be computed from logits."""

    def on_logits(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of the probabilities σ(logits)."""


class BinaryCrossEntropy(nn.Module):
    """L_i = −(w ỹ_i ln p_i + (1 − ỹ_i) ln(1 − p_i)),  ỹ = (1 − ε) y + ε / 2.

    Trainers compute it from logits, so that gradients do not vanish if a probability rounds to 0
    or 1. Labels are 0 and 1, or soft: any number in [0, 1], such as the click rate of a
    group of impressions.

    Args:
        pos_weight: w, the weight of positives; the ratio of negatives to positives balances both,
            with predictions above the click rates.
        label_smoothing: ε in [0, 1): moves labels toward 1/2, which reduces overconfidence.
        reduction: "mean" or "sum" over rows, or "none".

    Shape:
        predictions and labels (B,); returns a scalar, or (B,) without reduction.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> BinaryCrossEntropy().on_logits(torch.tensor([200.0]), torch.tensor([0.0]))
        tensor(200.)
        >>> BinaryCrossEntropy(pos_weight=3.0)(torch.tensor([0.5]), torch.tensor([1.0]))
        tensor(2.0794)

    Reference:
        Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016,
        arXiv 1512.00567 (label smoothing).
    """

    kind = "probability"

    def __init__(
        self,
        *,
        pos_weight: float | None = None,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        check_number("(0, inf)", pos_weight=pos_weight)
        check_number("[0, 1)", label_smoothing=label_smoothing)
        self.pos_weight, self.label_smoothing = pos_weight, label_smoothing
        self.reduction = known_reduction(reduction)

    def forward(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of probabilities."""
        y = self._smoothed(labels)
        if self.pos_weight is None:
            try:
                return F.binary_cross_entropy(predictions, y, reduction=self.reduction)
            except RuntimeError:  # probabilities that are none
                if not predictions.isnan().any():
                    raise
                return reduce_losses(
                    predictions - y, self.reduction
                )  # NaN: trainers name its cause
        log_p, log_q = log_probabilities(predictions)
        losses = -self.pos_weight * y * log_p - (1 - y) * log_q
        return reduce_losses(losses, self.reduction)

    def on_logits(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of the probabilities σ(logits)."""
        w = None if self.pos_weight is None else logits.new_tensor(self.pos_weight)
        return F.binary_cross_entropy_with_logits(
            logits, self._smoothed(labels), pos_weight=w, reduction=self.reduction
        )

    def _smoothed(self, labels: Tensor) -> Tensor:
        if self.label_smoothing == 0:
            return labels
        return (1 - self.label_smoothing) * labels + self.label_smoothing / 2


def log_probabilities(p: Tensor) -> tuple[Tensor, Tensor]:
    """Return ln p and ln(1 − p), with finite values and gradients also for p = 0 and 1."""
    least = torch.finfo(p.dtype).tiny
    near_1 = (1 - p).clamp(min=least).log()
    return p.clamp(min=least).log(), torch.where(p < 0.5, torch.log1p(-p.clamp(max=0.5)), near_1)
