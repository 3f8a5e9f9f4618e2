"""Learning-rate schedules: when they move, and by what."""

from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from .settings import Settings


class Schedule:
    """Moves any of torch's learning-rate schedules, each epoch or each batch.

    Args:
        optimizer: The optimizer of the schedule.
        settings: Say which schedule, and whether it moves each "epoch" or each "batch".

    Attributes:
        scheduler: The schedule, or None.

    Raises:
        ValueError: The unit does not go with the schedule.
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
        """Set the direction of `ReduceLROnPlateau` to that of the values it will be given.

        Args:
            better: Whether larger ("max") or smaller ("min") values are better.

        Raises:
            ValueError: The user wants it to wait for the contrary.
        """
        if not self._by_score or self.scheduler.mode == better:
            return
        if "mode" in self._params or not isinstance(self._class, type):
            raise ValueError(
                f"ReduceLROnPlateau has mode={self.scheduler.mode!r}, but of the value it is given "
                f"{'larger' if better == 'max' else 'smaller'} is better: set mode={better!r}, or "
                "leave mode out of scheduler_params"
            )
        # in place, so that trainer.scheduler stays the object that scripts hold
        self.scheduler.__init__(self._optimizer, **self._params, mode=better)

    def after_batch(self) -> None:
        """Move, if it does so each batch."""
        if self.scheduler is not None and self._each_batch:
            self.scheduler.step()

    def after_epoch(self, score: float) -> None:
        """Move, if it does so each epoch; one that waits for a plateau is given the score."""
        if self.scheduler is not None and not self._each_batch:
            self.scheduler.step(*([score] if self._by_score else []))
