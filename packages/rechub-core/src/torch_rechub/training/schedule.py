"""Learning-rate schedulers: stepped per epoch or per batch."""

from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from .settings import Settings


class Schedule:
    """Steps a learning-rate scheduler of torch, after each epoch or each batch.

    Args:
        optimizer: The optimizer.
        settings: The settings of the scheduler and of `scheduler_step`.

    Attributes:
        scheduler: The scheduler, or None.

    Raises:
        ValueError: `scheduler_step` does not suit the scheduler.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, settings: Settings) -> None:
        self._each_batch = settings.scheduler_step == "batch"
        self._optimizer, self._params = optimizer, dict(settings.scheduler_params or {})
        self._class = settings.scheduler_fn
        self.scheduler: Any = None
        if settings.scheduler_fn is not None:
            self.scheduler = settings.scheduler_fn(optimizer, **self._params)
        self._by_score = isinstance(self.scheduler, ReduceLROnPlateau)
        if self._by_score and self._each_batch:
            raise ValueError(
                "ReduceLROnPlateau moves by the score of an epoch: leave out scheduler_step='batch'"
            )

    def reset(self, better: str) -> None:
        """Set the mode of `ReduceLROnPlateau` to the direction of the monitored metric.

        Args:
            better: Whether larger ("max") or smaller ("min") values are better.

        Raises:
            ValueError: The user set the opposite mode.
        """
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

    def after_batch(self) -> None:
        """Step, if it is stepped per batch."""
        if self.scheduler is not None and self._each_batch:
            self.scheduler.step()

    def after_epoch(self, score: float) -> None:
        """Step, if it is stepped per epoch; `ReduceLROnPlateau` receives the score."""
        if self.scheduler is not None and not self._each_batch:
            self.scheduler.step(*([score] if self._by_score else []))
