"""The mean losses of an epoch, accumulated on the device."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data.batch import Batch
from .finite import REMEDY, describe_divergence, end_or_warn

_WINDOW = 8  # batches between two looks at the losses on a GPU, as each waits for the device


class MeanLosses:
    """Accumulates the losses of batches on the device, and synchronizes only when they are read.

    The first loss that is NaN or infinite is reported, with the parameters that are not finite and
    the columns of its batch that are not, or are very large. On a CPU it is found before the step
    that would use its gradients, on a GPU a few batches later.

    Args:
        n: Number of losses of a batch.
        device: Device of the losses.
        log_interval: Number of batches between two updates of the progress bar.
        on_nan: "raise" or "warn" if a loss is not finite.
        model: The model being trained, whose parameters are reported.
        nothing_to_learn: Message of an epoch without a loss; None means a general one.

    Example:
        >>> mean = MeanLosses(1, torch.device("cpu"))
        >>> mean.add([torch.tensor(0.5)], count=30)
        >>> mean.add([torch.tensor(0.1)], count=10)
        >>> mean.read()
        [0.4]
    """

    def __init__(
        self,
        n: int,
        device: torch.device,
        log_interval: int = 10,
        on_nan: str = "warn",
        model: nn.Module | None = None,
        nothing_to_learn: str | None = None,
    ) -> None:
        self.total, self.log_interval = torch.zeros(n, device=device), log_interval
        self.on_nan, self.model, self.nothing_to_learn = on_nan, model, nothing_to_learn
        self.count: int | Tensor = 0
        self.batches = 0
        self._window = 1 if device.type == "cpu" else _WINDOW
        self._recent: list[tuple[int, Tensor, Batch | None]] = []  # since the last look
        self._diverged = False

    def add(
        self, losses: Sequence[Tensor], count: int | Tensor, batch: Batch | None = None
    ) -> None:
        """Add the losses of a batch; those after the n-th do not count.

        Args:
            losses: Scalars.
            count: The number of examples, or the sum of their weights, that each is the mean of;
                or as many for each loss, (n,).
            batch: The batch, to name its columns if a loss is not finite.

        Raises:
            FloatingPointError: A loss is not finite, and that is to be raised.
        """
        self.batches += 1
        if isinstance(count, int) and count == 0:
            return  # an empty batch does not count, even if its loss is NaN
        found = torch.stack([loss.detach() for loss in losses[: len(self.total)]])
        if isinstance(count, Tensor):  # the same for a tensor, without synchronizing
            found = torch.where(count > 0, found, torch.zeros_like(found))
        self.total += found * count
        self.count = self.count + count
        if not self._diverged:
            self._recent.append((self.batches - 1, found, batch))
            if len(self._recent) >= self._window:
                self._look()

    def _look(self) -> None:
        """Report the first of the recent batches whose loss is not finite, if there is one."""
        recent, self._recent = self._recent, []
        if not recent or math.isfinite(self.total.sum().item()):
            return
        self._diverged = True
        wrong = [one for one in recent if not one[1].isfinite().all()]
        number, found, batch = wrong[0] if wrong else recent[-1]  # or the sum alone is too large
        problem = f"the training loss is {', '.join(f'{v:g}' for v in found.tolist())}"
        problem += f" in batch {number} of the epoch"
        if self.model is not None:
            problem += f" ({describe_divergence(self.model, batch)})"
        end_or_warn(f"{problem}: {REMEDY}", self.on_nan)

    def show(self, bar: Any) -> None:
        """Show the mean so far in the progress bar, every `log_interval` batches."""
        if not bar.disable and self.batches % self.log_interval == 0:
            mean = sum(total / count for total, count in zip(*self._sums(), strict=True) if count)
            bar.set_postfix(loss=f"{mean:.5g}", refresh=False)

    def state_dict(self) -> dict[str, Any]:
        """The sums so far, for a checkpoint within an epoch."""
        return {"total": self.total, "count": self.count, "batches": self.batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the sums."""
        self.total = state["total"].to(self.total.device)
        count = state["count"]
        self.count = count.to(self.total.device) if isinstance(count, Tensor) else count
        self.batches = state["batches"]

    def read(self) -> list[float]:
        """Return the mean of each loss.

        Raises:
            ValueError: There were no examples.
            FloatingPointError: A loss is not finite, and `on_nan` is "raise".
        """
        totals, counts = self._sums()
        if not any(counts):
            raise ValueError(
                self.nothing_to_learn
                or "train_dataloader yielded no batch with anything to learn from: no row, or only "
                "rows of weight 0"
            )
        if not all(counts):
            raise ValueError(
                f"train_dataloader yielded no label of task {counts.index(0)}: leave the task out, "
                "or give some rows a label of it"
            )
        self._look()
        return [total / count for total, count in zip(totals, counts, strict=True)]

    def _sums(self) -> tuple[list[float], list[float]]:
        """The total of each loss, and the count of each."""
        counts = torch.as_tensor(self.count, dtype=self.total.dtype).expand(len(self.total))
        return self.total.tolist(), counts.tolist()
