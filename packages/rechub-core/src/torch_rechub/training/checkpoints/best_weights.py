"""The best weights of a training: on disk as soon as they are found, in the model at the end."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from .early_stopping import EarlyStopper
from .weights import save_weights

log = logging.getLogger("torch_rechub")


class BestWeights:
    """Keeps the weights of the best epoch, and says when no better ones are to be expected.

    Args:
        model: What is trained.
        early_stopper: Judges each epoch.
    """

    def __init__(self, model: nn.Module, early_stopper: EarlyStopper) -> None:
        self.model, self.early_stopper = model, early_stopper
        self.path = Path()

    def begin(self, path: Path) -> None:
        """Forget an earlier training; write to `path` from now on."""
        self.early_stopper.reset()
        self.path = path

    def stops(self, score: float) -> bool:
        """Take the score of an epoch; write its weights if it is the best; say whether to stop."""
        stop = self.early_stopper.stop_training(score, self.model.state_dict())
        if self.early_stopper.improved and self.early_stopper.best_weights is not None:
            save_weights(self.early_stopper.best_weights, self.path)
        return stop

    @contextmanager
    def kept(self, trained: Callable[[], bool]) -> Iterator[None]:
        """However the block ends, put the best weights into the model then.

        Args:
            trained: Without any best ones: whether the last weights are worth writing.
        """
        try:
            yield
        except BaseException:
            try:
                self._keep(trained())
            except Exception:  # the error that ended training is the one to raise
                log.exception("The best weights could not be kept.")
            raise
        self._keep(trained())

    def _keep(self, trained: bool) -> None:
        if self.early_stopper.best_weights is not None:
            self.model.load_state_dict(self.early_stopper.best_weights)
        elif trained:
            save_weights(self.model.state_dict(), self.path)
