"""The best weights of a training run: on disk as soon as found, in the model at the end."""

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
    """Saves the weights of the best epoch, and stops training when no better ones are in sight.

    Args:
        model: The model being trained.
        early_stopper: Scores each epoch. A trainer has no other.
    """

    def __init__(self, model: nn.Module, early_stopper: EarlyStopper) -> None:
        self.model, self.early_stopper = model, early_stopper
        self.path, self.monitor = Path(), ""

    def reset(self, path: Path, monitor: str, direction: Direction) -> None:
        """Forget an earlier run.

        Args:
            path: The file to write to from now on.
            monitor: The metric that decides.
            direction: Whether larger or smaller values of it are better.
        """
        self.path, self.monitor, self.early_stopper.mode = path, monitor, direction
        self.early_stopper.reset()

    def on_epoch_end(self, row: Mapping[str, float]) -> bool:
        """Save the weights if the epoch is the best so far; whether to stop training."""
        if self.monitor not in row:
            return False
        stop = self.early_stopper.stop_training(row[self.monitor], self.model.state_dict())
        if self.early_stopper.improved and self.early_stopper.best_weights is not None:
            save_weights(self.early_stopper.best_weights, self.path)
        return stop

    @contextmanager
    def restored(self, trained: Callable[[], bool]) -> Iterator[None]:
        """However the block ends, load the best weights into the model then.

        Args:
            trained: Without any best weights: whether the last ones are worth saving.
        """
        try:
            yield
        except BaseException:
            try:
                self._restore(trained())
            except Exception:  # the error that ended training is the one to raise
                log.exception("The best weights could not be restored.")
            raise
        self._restore(trained())

    def _restore(self, trained: bool) -> None:
        if self.early_stopper.best_weights is not None:
            self.model.load_state_dict(self.early_stopper.best_weights)
        elif trained:
            save_weights(self.model.state_dict(), self.path)
