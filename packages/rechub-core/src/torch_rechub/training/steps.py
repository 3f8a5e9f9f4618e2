"""One step of training: gradients of one or several batches, their norm, the optimizer."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..optim import TouchedRows
from .schedule import Schedule
from .settings import Settings


class Steps:
    """Turns the losses of batches into steps of an optimizer and of its schedule.

    Args:
        optimizer: What is stepped.
        schedule: Moves after each step, if it does so by the batch.
        settings: Say over how many batches a step is (`accumulate`), how large a gradient may be
            (`max_grad_norm`), and in which precision losses are computed (`mixed_precision`).

    Attributes:
        count: The steps taken so far.
        on_step: Is given the number of each step, from 1, and its losses; None, the default, asks
            for nothing and costs nothing.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, settings: Settings) -> None:
        self.optimizer, self.schedule = optimizer, schedule
        self.accumulate, self.max_norm = settings.accumulate, settings.max_grad_norm
        self.mixed_precision = settings.mixed_precision
        self.device_type = settings.main_device().type
        self.count = 0
        self.on_step: Callable[[int, Tensor], None] | None = None
        self._batches = 0
        self._losses: list[Tensor] = []

    def begin(self) -> None:
        """Start a pass: nothing is left of an earlier one that was interrupted."""
        self._batches, self._losses = 0, []

    def precision(self) -> AbstractContextManager[object]:
        """The precision to compute losses in."""
        if self.mixed_precision is None:
            return nullcontext()
        return torch.autocast(self.device_type, dtype=torch.bfloat16)

    def __call__(
        self, backward: Callable[[Sequence[Tensor]], None], losses: Sequence[Tensor]
    ) -> None:
        """Take the losses of a batch; step if it is the last one of as many as make a step."""
        if self._batches == 0:
            self.optimizer.zero_grad()
        backward(losses)
        self._batches += 1
        if self.on_step is not None:
            self._losses.append(torch.stack([loss.detach() for loss in losses]))
        if self._batches == self.accumulate:
            self._step()

    def finish(self) -> None:
        """End a pass: step on what its last batches left, fewer than make a step."""
        if self._batches:
            self._step()

    def _step(self) -> None:
        if self._batches > 1 or self.max_norm is not None:
            scale_gradients(self.optimizer, 1 / self._batches, self.max_norm)
        self.optimizer.step()
        self._batches = 0
        self.count += 1
        self.schedule.after_batch()
        if self.on_step is not None:
            self.on_step(self.count, torch.stack(self._losses).mean(dim=0))
            self._losses = []


@torch.no_grad()
def scale_gradients(optimizer: Optimizer, factor: float, max_norm: float | None = None) -> None:
    """Multiply all gradients by a factor, then shrink them together to a norm.

    Args:
        optimizer: Its parameters' gradients are changed, dense or sparse.
        factor: The factor.
        max_norm: The largest Euclidean norm of all gradients together; None has no limit.
    """
    touched = TouchedRows()
    values = []
    for p in (p for group in optimizer.param_groups for p in group["params"]):
        if p.grad is not None and p.grad.is_sparse and not p.grad.is_coalesced():
            rows, sums = touched(p.grad)
            p.grad = torch.sparse_coo_tensor(
                rows.unsqueeze(0), sums, p.shape, is_coalesced=True, check_invariants=False
            )
        if p.grad is not None:
            values.append(p.grad._values() if p.grad.is_sparse else p.grad)
    if not values:
        return
    if factor != 1:
        torch._foreach_mul_(values, factor)
    if max_norm is not None:
        norms = [torch.linalg.vector_norm(value, dtype=torch.float32) for value in values]
        norm = torch.linalg.vector_norm(torch.stack([n.to(norms[0].device) for n in norms]))
        shrink = (max_norm / (norm + 1e-6)).clamp(max=1.0)
        for value in values:
            value.mul_(shrink.to(value.device))
