"""Training of tests that ask whether a model learns: it ends as soon as the model has learned."""

from collections.abc import Callable

from torch_rechub.training.callbacks import Callback


class StopOnce(Callback):
    """Stops training after an epoch, but the first, whose record meets a condition.

    Args:
        learned: The condition, given the row of `trainer.history`.

    Example:
        >>> stop = StopOnce(lambda row: row["val/auc"] > 0.9)
        >>> [stop.on_epoch_end({"epoch": i, "val/auc": auc}) for i, auc in enumerate((1, 0.7, 1))]
        [False, False, True]
    """

    def __init__(self, learned: Callable[[dict[str, float]], bool]) -> None:
        self.learned = learned

    def on_epoch_end(self, row: dict[str, float]) -> bool:
        return row["epoch"] > 0 and self.learned(row)  # so that two losses can be compared
