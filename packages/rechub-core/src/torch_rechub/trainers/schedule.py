"""Learning-rate schedules: when they move, and by what."""

from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from .settings import Settings


class Schedule:
    """Moves any of torch's learning-rate schedules, each epoch or each batch.

    Args:
        optimizer: What the schedule is of.
        settings: Say which schedule, and whether it moves each "epoch" or each "batch".

    Attributes:
        scheduler: The schedule, or None.

    Raises:
        ValueError: It moves by another unit, or that does not go with the schedule.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, settings: Settings) -> None:
        unit = settings.scheduler_step
        if unit not in ("epoch", "batch"):
            raise ValueError(f"scheduler_step must be 'epoch' or 'batch', got {unit!r}")
        self.scheduler: Any = None
        if settings.scheduler_fn is not None:
            self.scheduler = settings.scheduler_fn(optimizer, **(settings.scheduler_params or {}))
        self._by_score = isinstance(self.scheduler, ReduceLROnPlateau)
        if self._by_score and unit == "batch":
            raise ValueError(
                "ReduceLROnPlateau moves by the score of an epoch: leave out scheduler_step='batch'"
            )
        self._each_batch = unit == "batch"

    def after_batch(self) -> None:
        """Move, if it does so each batch."""
        if self.scheduler is not None and self._each_batch:
            self.scheduler.step()

    def after_epoch(self, score: float) -> None:
        """Move, if it does so each epoch; one that waits for a plateau is given the score."""
        if self.scheduler is not None and not self._each_batch:
            self.scheduler.step(*([score] if self._by_score else []))
