"""Checkpoints in the middle of an epoch, and continuing from one: the position of the loader."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from ..._files import CheckpointError
from ..mean_loss import MeanLosses
from .form import REMEDY
from .resume import TrainingState
from .weights import restore_random_state


class WithinEpoch:
    """Writes a checkpoint every n steps, and continues the epoch of such a checkpoint.

    The epoch continues with the batch after the checkpoint, with the losses so far and the random
    states of that moment, so that on a CPU the weights are those of the unbroken run to the bit.

    Args:
        every: The number of steps between two checkpoints; None writes none within an epoch.
    """

    def __init__(self, every: int | None) -> None:
        self.every = every
        self._state: TrainingState | None = None
        self._found: dict[str, Any] | None = None  # of the checkpoint to continue from
        self._loader: Any = None
        self._history: list[dict[str, float]] = []
        self._mean: MeanLosses | None = None
        self._started, self._rates = 0.0, dict[str, float]()
        self._complete = False  # whether the loader has given out all batches of the epoch

    def reset(
        self, state: TrainingState, history: list[dict[str, float]], loader: Any, resume: bool
    ) -> None:
        """Prepare for a training run, after its checkpoint was restored.

        Args:
            state: The state of the run, which writes checkpoints.
            history: A row for each epoch so far; the trainer appends to it.
            loader: The loader of training data.
            resume: Whether the run writes checkpoints.

        Raises:
            CheckpointError: The checkpoint lies within an epoch, and the loader cannot continue.
            ValueError: Checkpoints within an epoch are wanted, and the loader has no position, or
                training is not to be resumed.
        """
        self._state, self._loader, self._found = state, loader, state.within_epoch
        self._history = history
        has_position = hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict")
        if self.every is not None and not resume:
            raise ValueError(
                f"checkpoint_steps={self.every} saves checkpoints to continue from: call "
                "fit(..., resume=True), or leave out checkpoint_steps"
            )
        if self.every is not None and not has_position:
            raise ValueError(
                f"checkpoint_steps={self.every} needs a loader with a position, state_dict and "
                f"load_state_dict, and {type(loader).__name__} has none: train from a "
                "torch_rechub.data.streaming.StreamingLoader or a loader of DataGenerator, or "
                "leave out checkpoint_steps, which saves a checkpoint after each epoch"
            )
        if self._found is not None and not has_position:
            raise CheckpointError(
                f"{state.path} lies within epoch {self._found['epoch']}, and "
                f"{type(loader).__name__} has no load_state_dict to continue from there: train "
                f"from the loader of that run, or {REMEDY}"
            )

    def begin(self, epoch: int, rates: dict[str, float]) -> dict[str, float]:
        """Begin an epoch, or continue it; return the learning rates at its beginning.

        Args:
            epoch: The epoch.
            rates: The learning rates now.

        Raises:
            CheckpointError: The position is of another loader.
        """
        self._started, self._rates = time.perf_counter(), rates
        if self._found is None:
            if hasattr(self._loader, "set_epoch"):
                self._loader.set_epoch(epoch)
            return rates
        try:
            self._loader.load_state_dict(self._found["loader"])
        except (KeyError, TypeError, ValueError) as error:
            path = "" if self._state is None else self._state.path
            raise CheckpointError(
                f"{path} lies within an epoch of another loader ({error}): {REMEDY}"
            ) from error
        self._started -= self._found["seconds"]
        self._rates = dict(self._found["rates"])
        return self._rates

    def seconds(self) -> float:
        """The time since the beginning of the epoch, without the time between two processes."""
        return time.perf_counter() - self._started

    def continued(self, batches: Iterable[Any], mean: MeanLosses) -> Iterable[Any]:
        """Return the batches of an epoch; restore the losses and random states so far.

        Args:
            batches: The batches of the loader.
            mean: The losses of the epoch.
        """
        self._mean, self._complete, found = mean, False, self._found
        self._found = None
        if found is not None:
            mean.load_state_dict(found["losses"])
            # a loader that has given out all batches would begin its next epoch
            batches = () if found["complete"] else batches
            return self._noted(_with_random_state(batches, found["random"]))
        return batches if self.every is None else self._noted(batches)

    def _noted(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Iterate over the batches, and note when the loader has given out all of them."""
        yield from batches
        self._complete = True

    def step_listeners(self) -> list[Callable[[int, Tensor], None]]:
        """The methods to call after each step, after all others."""
        return [] if self.every is None else [self._on_step]

    def _on_step(self, number: int, losses: Tensor) -> None:
        if self._state is None or self._mean is None or number % (self.every or 1):
            return
        position = {
            "loader": self._loader.state_dict(),
            "complete": self._complete,
            "losses": self._mean.state_dict(),
            "rates": self._rates,
            "seconds": self.seconds(),
        }
        self._state.write(self._history, over=False, within_epoch=position)


def _with_random_state(batches: Iterable[Any], state: Mapping[str, Any]) -> Iterator[Any]:
    """Restore random states when the first batch is loaded, which may have drawn from them."""
    pending = True
    for batch in batches:
        if pending:
            restore_random_state(dict(state))
            pending = False
        yield batch
    if pending:
        restore_random_state(dict(state))
