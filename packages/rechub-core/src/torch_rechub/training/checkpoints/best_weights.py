"""The best weights of a training run: saved when found, restored at the end."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from ...metrics.monitor import Direction
from .early_stopping import EarlyStopper
from .weights import save_weights

log = logging.getLogger("torch_rechub")


class BestWeights:
    """Saves the weights of the best epoch, and stops training when validation stops improving.

    Args:
        model: The model being trained.
        early_stopper: The early stopper of the trainer.
    """

    def __init__(self, model: nn.Module, early_stopper: EarlyStopper) -> None:
        self.model, self.early_stopper = model, early_stopper
        self.path, self.monitor = Path(), ""

    def reset(self, path: Path, monitor: str, direction: Direction) -> None:
        """Reset for a new run.

        Args:
            path: The file of the weights.
            monitor: The monitored metric.
            direction: "max" or "min", the direction in which it improves.
        """
        self.path, self.monitor, self.early_stopper.mode = path, monitor, direction
        self.early_stopper.reset()

    def on_epoch_end(self, row: Mapping[str, float]) -> bool:
        """Save the weights if the epoch is the best so far; return whether to stop training."""
        if self.monitor not in row:
            return False
        stop = self.early_stopper.stop_training(row[self.monitor], self.model.state_dict())
        if self.early_stopper.improved and self.early_stopper.best_weights is not None:
            save_weights(self.early_stopper.best_weights, self.path)
        return stop

    @contextmanager
    def restored(self, trained: Callable[[], bool]) -> Iterator[None]:
        """Load the best weights into the model at the end of the block, also after an exception.

        Args:
            trained: Whether there are trained weights to save if no best ones were saved.
        """
        try:
            yield
        except BaseException:
            try:
                self._restore(trained())
            except Exception:  # the exception that ended training takes precedence
                log.exception("The best weights could not be restored.")
            raise
        self._restore(trained())

    def _restore(self, trained: bool) -> None:
        if self.early_stopper.best_weights is not None:
            self.model.load_state_dict(self.early_stopper.best_weights)
        elif trained:
            save_weights(self.model.state_dict(), self.path)
