"""Binary cross-entropy, of probabilities or of the logits that they are a sigmoid of."""

from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor, nn


@runtime_checkable
class OnLogits(Protocol):
    """A loss of probabilities that can be computed from logits as well."""

    def on_logits(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The same loss as that of the sigmoids."""


class BinaryCrossEntropy(nn.BCELoss):
    """L = −mean_i (y_i ln p_i + (1 − y_i) ln(1 − p_i)); trainers compute it from logits.

    From logits it neither saturates nor loses gradients where a probability rounds to 0 or 1.

    Example:
        >>> import torch
        >>> BinaryCrossEntropy().on_logits(torch.tensor([200.0]), torch.tensor([0.0]))
        tensor(200.)
    """

    def on_logits(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of the probabilities σ(logits)."""
        return F.binary_cross_entropy_with_logits(
            logits, labels, weight=self.weight, reduction=self.reduction
        )
