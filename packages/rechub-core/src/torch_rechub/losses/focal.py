"""Focal loss: cross-entropy with lower weights for easy rows."""

import torch.nn.functional as F
from torch import Tensor, nn

from .._bounds import check_number
from .binary_cross_entropy import log_probabilities
from .reduction import known_reduction, reduce_losses


class FocalLoss(nn.Module):
    """L_i = −α y_i (1 − p_i)^γ ln p_i − (1 − α) (1 − y_i) p_i^γ ln(1 − p_i).

    With γ = 0 and without α it is binary cross-entropy. Use it if most rows are easy negatives that
    would dominate the loss. Predicted probabilities are less extreme than click rates: validate by
    AUC, or calibrate them. Soft labels in [0, 1] mix both terms.

    Args:
        gamma: γ, at least 0; a larger γ reduces the loss of well predicted rows more.
        alpha: α in (0, 1), the weight of positives against 1 − α of negatives; 0.25 in the paper.
            None means a weight of 1 for both.
        reduction: "mean" or "sum" over rows, or "none".

    Shape:
        predictions and labels (B,); returns a scalar, or (B,) without reduction.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> import torch
        >>> FocalLoss(gamma=2.0)(torch.tensor([0.5]), torch.tensor([1.0]))  # ln 2 / 4
        tensor(0.1733)

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, arXiv 1708.02002.
    """

    kind = "probability"

    def __init__(
        self, gamma: float = 2.0, alpha: float | None = None, *, reduction: str = "mean"
    ) -> None:
        super().__init__()
        check_number("[0, inf)", gamma=gamma)
        check_number("(0, 1)", alpha=alpha)
        self.gamma, self.alpha = gamma, alpha
        self.reduction = known_reduction(reduction)

    def forward(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of probabilities."""
        return self._from_logs(*log_probabilities(predictions), labels)

    def on_logits(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of the probabilities σ(logits)."""
        return self._from_logs(F.logsigmoid(logits), F.logsigmoid(-logits), labels)

    def _from_logs(self, log_p: Tensor, log_q: Tensor, y: Tensor) -> Tensor:
        # powers by logarithms, because the gradient of 0^γ is infinite for γ below 1
        positive = y * (self.gamma * log_q).exp() * log_p
        negative = (1 - y) * (self.gamma * log_p).exp() * log_q
        if self.alpha is not None:
            positive, negative = self.alpha * positive, (1 - self.alpha) * negative
        return reduce_losses(-positive - negative, self.reduction)
