"""Training steps: gradient accumulation, gradient clipping, optimizer and scheduler."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..optim import TouchedRows
from .schedule import Schedule
from .settings import Settings


class Steps:
    """Performs the steps of an optimizer and its scheduler from the losses of batches.

    Args:
        optimizer: The optimizer.
        schedule: The scheduler, stepped after each step if it is stepped per batch.
        settings: The settings `accumulate`, `max_grad_norm` and `mixed_precision`.

    Attributes:
        count: Number of steps so far.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, settings: Settings) -> None:
        self.optimizer, self.schedule = optimizer, schedule
        self.accumulate, self.max_norm = settings.accumulate, settings.max_grad_norm
        self.mixed_precision = settings.mixed_precision
        self.device_type = settings.main_device().type
        self.count = 0
        self._listeners: Sequence[Callable[[int, Tensor], object]] = ()
        self._batches = 0
        self._losses: list[Tensor] = []

    @contextmanager
    def heard_by(self, listeners: Sequence[Callable[[int, Tensor], object]]) -> Iterator[None]:
        """Call each listener after each step in the block; without listeners there is no overhead.

        Args:
            listeners: Called with the number of the step, from 1, and its losses (n,).
        """
        self._listeners = listeners
        try:
            yield
        finally:
            self._listeners = ()

    def reset(self) -> None:
        """Reset the accumulated batches after an interrupted epoch."""
        self._batches, self._losses = 0, []

    def precision(self) -> AbstractContextManager[object]:
        """Return the context of the precision of losses."""
        if self.mixed_precision is None:
            return nullcontext()
        return torch.autocast(self.device_type, dtype=torch.bfloat16)

    def __call__(self, backward: Callable[[], None], losses: Sequence[Tensor]) -> None:
        """Compute the gradients of a batch; step after every `accumulate` batches.

        Args:
            backward: A function that computes the gradients.
            losses: The losses of the batch, for listeners.
        """
        if self._batches == 0:
            self.optimizer.zero_grad()
        backward()
        self._batches += 1
        if self._listeners:
            self._losses.append(torch.stack([loss.detach() for loss in losses]))
        if self._batches == self.accumulate:
            self._step()

    def finish(self) -> None:
        """End an epoch: step on the remaining accumulated batches."""
        if self._batches:
            self._step()

    def _step(self) -> None:
        if self._batches > 1 or self.max_norm is not None:
            scale_gradients(self.optimizer, 1 / self._batches, self.max_norm)
        self.optimizer.step()
        self._batches = 0
        self.count += 1
        self.schedule.after_batch()
        if self._listeners:
            losses = torch.stack(self._losses).mean(dim=0)
            for listener in self._listeners:
                listener(self.count, losses)
            self._losses = []


@torch.no_grad()
def scale_gradients(optimizer: Optimizer, factor: float, max_norm: float | None = None) -> None:
    """Multiply all gradients by a factor, then clip their total norm.

    Args:
        optimizer: The optimizer of the parameters; dense and sparse gradients are changed in place.
        factor: The factor.
        max_norm: Largest total Euclidean norm; None means no limit.
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
