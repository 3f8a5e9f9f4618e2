"""The mean losses of an epoch, accumulated on the device."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger("torch_rechub")


class MeanLosses:
    """Accumulates the losses of batches on the device, and synchronizes only when they are read.

    Args:
        n: Number of losses of a batch.
        device: Device of the losses.
        log_interval: Number of batches between two updates of the progress bar.
        on_nan: "warn" or "raise" if a mean is not finite.

    Example:
        >>> mean = MeanLosses(1, torch.device("cpu"))
        >>> mean.add([torch.tensor(0.5)], count=30)
        >>> mean.add([torch.tensor(0.1)], count=10)
        >>> mean.read()
        [0.4]
    """

    def __init__(
        self, n: int, device: torch.device, log_interval: int = 10, on_nan: str = "warn"
    ) -> None:
        self.total, self.log_interval = torch.zeros(n, device=device), log_interval
        self.on_nan = on_nan
        self.count: int | Tensor = 0
        self.batches = 0

    def add(self, losses: Sequence[Tensor], count: int | Tensor) -> None:
        """Add the losses of a batch; those after the n-th do not count.

        Args:
            losses: Scalars.
            count: The number of examples, or the sum of their weights, that each is the mean of;
                or as many for each loss, (n,).
        """
        self.batches += 1
        if isinstance(count, int) and count == 0:
            return  # an empty batch does not count, even if its loss is NaN
        found = torch.stack([loss.detach() for loss in losses[: len(self.total)]])
        if isinstance(count, Tensor):  # the same for a tensor, without synchronizing
            found = torch.where(count > 0, found, torch.zeros_like(found))
        self.total += found * count
        self.count = self.count + count

    def show(self, bar: Any) -> None:
        """Show the mean so far in the progress bar, every `log_interval` batches."""
        if not bar.disable and self.batches % self.log_interval == 0:
            mean = sum(total / count for total, count in zip(*self._sums(), strict=True) if count)
            bar.set_postfix(loss=f"{mean:.5g}", refresh=False)

    def read(self) -> list[float]:
        """Return the mean of each loss.

        Raises:
            ValueError: There were no examples.
            FloatingPointError: A mean is not finite and `on_nan` is "raise".
        """
        totals, counts = self._sums()
        if not any(counts):
            raise ValueError(
                "train_dataloader yielded no batch with anything to learn from: no row, or only "
                "rows of weight 0"
            )
        if not all(counts):
            raise ValueError(
                f"train_dataloader yielded no label of task {counts.index(0)}: leave the task out, "
                "or give some rows a label of it"
            )
        means = [total / count for total, count in zip(totals, counts, strict=True)]
        if not all(map(math.isfinite, means)):
            problem = (
                f"the mean training loss is {', '.join(f'{mean:g}' for mean in means)}: lower the "
                "learning rate, set max_grad_norm, or look for such values in the inputs"
            )
            if self.on_nan == "raise":
                raise FloatingPointError(problem)
            log.warning("%s.", problem)
        return means

    def _sums(self) -> tuple[list[float], list[float]]:
        """The total of each loss, and the count of each."""
        counts = torch.as_tensor(self.count, dtype=self.total.dtype).expand(len(self.total))
        return self.total.tolist(), counts.tolist()
