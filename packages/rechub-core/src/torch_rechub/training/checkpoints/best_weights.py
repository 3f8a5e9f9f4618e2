"""The best weights of a training run: saved when found, restored at the end."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from ...metrics.monitor import Direction
from ..finite import end_or_warn, non_finite_weights, not_saved
from .early_stopping import EarlyStopper
from .weights import save_weights

log = logging.getLogger("torch_rechub")


class BestWeights:
    """Saves the weights of the best epoch, and stops training when validation stops improving.

    Args:
        model: The model being trained.
        early_stopper: The early stopper of the trainer.
        on_nan: "raise" or "warn" if weights to be saved are not finite; they are not saved then.
    """

    def __init__(
        self, model: nn.Module, early_stopper: EarlyStopper, on_nan: str = "raise"
    ) -> None:
        self.model, self.early_stopper, self.on_nan = model, early_stopper, on_nan
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
        """Save the weights if the epoch is the best so far; return whether to stop training.

        Raises:
            FloatingPointError: They are not finite, and `on_nan` is "raise".
        """
        if self.monitor not in row:
            return False
        score = row[self.monitor]
        if self.early_stopper.is_better(score) and not self._finite(self.on_nan):
            score = math.nan
        stop = self.early_stopper.stop_training(score, self.model.state_dict())
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
                self._restore(trained(), "warn")
            except Exception:  # the exception that ended training takes precedence
                log.exception("The best weights could not be restored.")
            raise
        self._restore(trained(), self.on_nan)

    def _restore(self, trained: bool, on_nan: str) -> None:
        if self.early_stopper.best_weights is not None:
            self.model.load_state_dict(self.early_stopper.best_weights)
        elif trained and self._finite(on_nan):
            save_weights(self.model.state_dict(), self.path)

    def _finite(self, on_nan: str) -> bool:
        """Whether the weights are finite; if not, and that is to be raised, it is."""
        wrong = non_finite_weights(self.model)
        if wrong:
            end_or_warn(not_saved("weights are", wrong), on_nan)
        return not wrong
