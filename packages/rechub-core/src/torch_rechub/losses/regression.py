"""Losses of a number: log-cosh, quantile and Poisson; torch has the squared and absolute ones."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._bounds import check_number
from .reduction import known_reduction, reduce_losses


class LogCoshLoss(nn.Module):
    """L_i = ln cosh(ŷ_i − y_i): squared near 0, absolute far away, smooth between them.

    Args:
        reduction: "mean" or "sum" over rows, or "none".

    Shape:
        predictions and labels (B,); returns a scalar, or (B,) without reduction.

    Raises:
        ValueError: `reduction` has another value.

    Example:
        >>> LogCoshLoss()(torch.tensor([10.0]), torch.tensor([0.0]))  # about 10 − ln 2
        tensor(9.3069)
    """

    kind = "value"

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = known_reduction(reduction)

    def forward(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of values."""
        e = predictions - labels
        # ln cosh e = e + ln(1 + exp(−2 e)) − ln 2, which does not overflow
        return reduce_losses(e + F.softplus(-2 * e) - math.log(2), self.reduction)


class QuantileLoss(nn.Module):
    """L_i = max(q (y_i − ŷ_i), (q − 1) (y_i − ŷ_i)), which the q-quantile of y minimizes.

    Args:
        q: The quantile in (0, 1): 0.5 is the median, 0.9 a value that 90 % of the labels are below.
        reduction: "mean" or "sum" over rows, or "none".

    Shape:
        predictions and labels (B,); returns a scalar, or (B,) without reduction.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> QuantileLoss(q=0.9)(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 0.0]))
        tensor(0.5000)

    Reference:
        Koenker and Bassett, Regression Quantiles, Econometrica 1978.
    """

    kind = "value"

    def __init__(self, q: float = 0.5, *, reduction: str = "mean") -> None:
        super().__init__()
        check_number("(0, 1)", q=q)
        self.q, self.reduction = q, known_reduction(reduction)

    def forward(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of values."""
        e = labels - predictions
        return reduce_losses(torch.maximum(self.q * e, (self.q - 1) * e), self.reduction)


class PoissonLoss(nn.Module):
    """L_i = μ_i − y_i ln μ_i, μ = exp(logit): the likelihood of counts, without its constant ln y!.

    The prediction is μ, which is above 0. Use it for counts, such as purchases in a month, and
    other labels that are at least 0 and spread more the larger they are.

    Args:
        reduction: "mean" or "sum" over rows, or "none".

    Shape:
        predictions and labels (B,); returns a scalar, or (B,) without reduction.

    Raises:
        ValueError: `reduction` has another value.

    Example:
        >>> PoissonLoss().on_logits(torch.tensor([0.0]), torch.tensor([3.0]))
        tensor(1.)
    """

    kind = "value"
    least_label = 0.0

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = known_reduction(reduction)

    def forward(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """The loss of means μ, which are above 0."""
        return self.on_logits(predictions.log(), labels)

    def on_logits(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of the means exp(logits)."""
        return reduce_losses(self.from_logits(logits) - labels * logits, self.reduction)

    def from_logits(self, logits: Tensor) -> Tensor:
        """The predictions, exp(logits)."""
        return logits.exp()
