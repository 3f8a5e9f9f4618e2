"""The mean losses of an epoch, summed where the model is."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class MeanLosses:
    """Adds up the losses of batches on their device, and reads them back only when asked.

    Args:
        n: How many losses a batch has.
        device: Where they are.
        log_interval: Batches between two updates of the loss beside the progress bar.

    Example:
        >>> mean = MeanLosses(1, torch.device("cpu"))
        >>> mean.add([torch.tensor(0.5)], count=30)
        >>> mean.add([torch.tensor(0.1)], count=10)
        >>> mean.read()
        [0.4]
    """

    def __init__(self, n: int, device: torch.device, log_interval: int = 10) -> None:
        self.total, self.log_interval = torch.zeros(n, device=device), log_interval
        self.count: int | Tensor = 0
        self.batches = 0

    def add(self, losses: Sequence[Tensor], count: int | Tensor) -> None:
        """Add the losses of a batch, of which those after the n-th do not count.

        Args:
            losses: Scalars.
            count: What each is the mean of.
        """
        self.total += torch.stack([loss.detach() for loss in losses[: len(self.total)]]) * count
        self.count += count
        self.batches += 1

    def show(self, bar: Any) -> None:
        """Show the mean so far beside a progress bar, every so many batches."""
        if not bar.disable and self.batches % self.log_interval == 0:
            mean = float(self.total.sum()) / float(self.count)
            bar.set_postfix(loss=f"{mean:.5g}", refresh=False)

    def read(self) -> list[float]:
        """The mean of each loss.

        Raises:
            ValueError: There was nothing to take the mean of.
        """
        if self.count == 0:
            raise ValueError("train_dataloader yielded no batch with anything to learn from")
        return [float(total) / float(self.count) for total in self.total]
