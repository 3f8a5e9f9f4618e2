"""Missing labels of some tasks of a row (NaN), excluded from the losses of these tasks."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..losses.weighted import weighted_loss

log = logging.getLogger("torch_rechub")


def labeled(column: Tensor) -> Tensor:
    """Return the mask of labels that are not missing."""
    missing = column.isnan()
    return column[~missing] if missing.any() else column


def check_missing(y: Tensor) -> None:
    """Refuse rows whose labels (N, T) are all missing.

    Raises:
        ValueError: There are such rows; the message gives their number, the first and the remedy.
    """
    if not y.is_floating_point():
        return
    empty = y.isnan().all(dim=1)
    if empty.any():
        raise ValueError(
            f"y has no label of any task in {int(empty.sum()):,} of {len(y):,} rows, the first of "
            f"them row {int(empty.nonzero()[0])}: leave such rows out. NaN in y is a label that is "
            "missing for one task, and a row needs at least one label"
        )


def count_missing(y: Tensor, validation: bool = False) -> list[int]:
    """Count the missing labels (N, T) of each task in a table, and log the counts.

    Args:
        y: All labels.
        validation: Whether it is a table to validate or to test on.

    Returns:
        T numbers.

    Raises:
        ValueError: A task has no label in any row to train on.

    Example:
        >>> count_missing(torch.tensor([[1.0, torch.nan], [0.0, 2.5]]))
        [0, 1]
    """
    missing: list[int] = y.isnan().sum(dim=0).tolist()
    data = "Validation or test data" if validation else "Training data"
    for task, n in enumerate(missing):
        if n == len(y) > 0 and not validation:
            raise ValueError(
                f"train_dataloader has no label of task {task}: every value of y[:, {task}] is "
                "NaN. Leave the task out of the model and of task_types, or give some rows a label"
            )
        if n:
            share = f"{n:,} of {len(y):,}"
            log.info("%s, task %d: %s labels are missing.", data, task, share)
    return missing


@dataclass(frozen=True)
class TaskLoss:
    """The loss of a task of a batch, as a function of its labels.

    Attributes:
        loss_fn: A function from (predictions, labels) to a loss.
        predictions: The predictions of rows, (B,).
        on_logits: Whether they are logits, for the method `on_logits` of the loss.
    """

    loss_fn: Any
    predictions: Tensor
    on_logits: bool

    def __call__(self, y: Tensor, weights: Tensor | None) -> Tensor:
        """Return the mean loss over rows for labels (B,)."""
        return weighted_loss(self.loss_fn, self.predictions, y, weights, self.on_logits)

    def of_rows(self, rows: Tensor) -> "TaskLoss":
        """Return the loss restricted to some rows."""
        return TaskLoss(self.loss_fn, self.predictions[rows], self.on_logits)


def task_losses(
    tasks: Sequence[TaskLoss], y: Tensor, weights: Tensor | None, count: int | Tensor
) -> tuple[list[Tensor], int | Tensor]:
    """Return the loss of each task over its labeled rows.

    Args:
        tasks: The T tasks.
        y: Labels (B, T), NaN where one is missing.
        weights: Weights of rows, (B,); None means equal weights.
        count: The number of rows, or the sum of their weights.

    Returns:
        T scalars, and the number of rows, or the sum of the weights, that each is the mean of:
        `count` where no label is missing, else (T,). A task without a label has the loss 0, a
        constant without a gradient.
    """
    present = ~y.isnan()
    if present.all():
        return [task(y[:, i], weights) for i, task in enumerate(tasks)], count
    losses, counts = [], []
    for i, task in enumerate(tasks):
        rows = present[:, i].nonzero().squeeze(1)
        w = None if weights is None else weights[rows]
        counts.append(y.new_tensor(len(rows)) if w is None else w.sum())
        losses.append(task.of_rows(rows)(y[rows, i], w) if len(rows) else y.new_zeros(()))
    return losses, torch.stack(counts)
