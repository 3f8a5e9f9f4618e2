"""The losses of a batch, with the number of examples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class BatchLoss:
    """The losses of a batch.

    Attributes:
        losses: A scalar for each recorded loss; or several as one tensor (n,).
        count: The number of examples, or the sum of their weights, that each is the mean of: its
            weight in the epoch's mean. One number of all losses, or one of each, (n,).
        auxiliary: Trained on as well, and not recorded.
    """

    losses: Tensor | Sequence[Tensor]
    count: int | Tensor
    auxiliary: Tensor | float = 0.0

    def scalars(self) -> list[Tensor]:
        """The losses, one by one."""
        losses = self.losses
        return list(losses.reshape(-1) if isinstance(losses, Tensor) else losses)


def mean_of_batches(found: Sequence[BatchLoss]) -> float:
    """The mean of the first loss over the examples of all batches; NaN of none."""
    count = sum(float(loss.count) for loss in found)
    total = sum(float(loss.count) * float(loss.scalars()[0]) for loss in found)
    return total / count if count else math.nan
