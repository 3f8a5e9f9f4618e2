"""Learning-rate schedulers: stepped per epoch or per batch."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ..optim.schedules import SCHEDULES, WarmupSchedule
from .settings import Settings


class Schedule:
    """Steps a learning-rate scheduler, of torch or of `torch_rechub.optim`, per epoch or per batch.

    Args:
        optimizer: The optimizer.
        settings: The settings of the scheduler and of `scheduler_step`.

    Attributes:
        scheduler: The scheduler, or None.

    Raises:
        ValueError: The name is unknown, or `scheduler_step` does not suit the scheduler.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, settings: Settings) -> None:
        self._optimizer, self._params = optimizer, dict(settings.scheduler_params or {})
        self._class = _schedule_class(settings.scheduler_fn)
        self._accumulate, unit = settings.accumulate, settings.scheduler_step
        self.scheduler: Any = None
        if self._class is not None:
            self.scheduler = self._class(optimizer, **self._params)
        self._by_score = isinstance(self.scheduler, ReduceLROnPlateau)
        if self._by_score and unit == "batch":
            raise ValueError(
                "ReduceLROnPlateau moves by the score of an epoch: leave out scheduler_step='batch'"
            )
        by_steps = isinstance(self.scheduler, WarmupSchedule)
        if by_steps and unit == "epoch":
            raise ValueError(
                f"{type(self.scheduler).__name__} moves by the step: leave out "
                "scheduler_step='epoch'"
            )
        self.unit = "batch" if by_steps else unit or "epoch"
        self._total_steps = self.scheduler.total_steps if by_steps else None

    def reset(self, better: str, train_dataloader: Iterable[Any], n_epoch: int) -> None:
        """Prepare the scheduler for a training run.

        `ReduceLROnPlateau` receives the direction of the monitored metric; a scheduler with a
        warm-up receives the number of steps, and starts at step 0.

        Args:
            better: Whether larger ("max") or smaller ("min") values are better.
            train_dataloader: The loader of the training batches.
            n_epoch: The number of epochs.

        Raises:
            ValueError: The user set the opposite mode, or the number of steps is unknown or too
                small.
        """
        if isinstance(self.scheduler, WarmupSchedule):
            total = self._total_steps
            if total is None:
                total = self._steps(train_dataloader, n_epoch)
            self.scheduler.prepare(total)
        if not self._by_score or self.scheduler.mode == better:
            return
        if "mode" in self._params or not isinstance(self._class, type):
            raise ValueError(
                f"ReduceLROnPlateau has mode={self.scheduler.mode!r}, but of the value it is given "
                f"{'larger' if better == 'max' else 'smaller'} is better: set mode={better!r}, or "
                "leave mode out of scheduler_params"
            )
        # in place, because scripts may hold a reference to trainer.scheduler
        self.scheduler.__init__(self._optimizer, **self._params, mode=better)

    def _steps(self, train_dataloader: Any, n_epoch: int) -> int:
        """Return the steps of all epochs; the last batches of an epoch may form a smaller step."""
        try:
            batches = len(train_dataloader)
        except TypeError:
            raise ValueError(
                f"{type(self.scheduler).__name__} needs the number of steps, and train_dataloader "
                "has no length: give scheduler_params={'total_steps': …}, the steps of all epochs"
            ) from None
        return n_epoch * -(-batches // self._accumulate)

    def after_batch(self) -> None:
        """Step, if it is stepped per batch."""
        if self.scheduler is not None and self.unit == "batch":
            self.scheduler.step()

    def after_epoch(self, score: float) -> None:
        """Step, if it is stepped per epoch; `ReduceLROnPlateau` receives the score."""
        if self.scheduler is not None and self.unit == "epoch":
            self.scheduler.step(*([score] if self._by_score else []))


def _schedule_class(given: Any) -> Any:
    """Return the class, or the function, that creates the scheduler.

    Raises:
        ValueError: The name is unknown.
    """
    if not isinstance(given, str):
        return given
    if given not in SCHEDULES:
        known = ", ".join(map(repr, SCHEDULES))
        raise ValueError(f"scheduler_fn must be {known} or a class, got {given!r}")
    return SCHEDULES[given]
