"""What the type of a task means: its loss, its metric, its labels."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..basic.metric import auc_score
from .checks import check_binary

log = logging.getLogger("torch_rechub")

# The defaults, by identity: a trainer knows one that the user replaced.
LOSSES: dict[str, nn.Module] = {"classification": nn.BCELoss(), "regression": nn.MSELoss()}


def squared_error(y_true: Any, y_pred: Any) -> float:
    """The mean of (y − ŷ)²; NaN for no rows.

    Example:
        >>> squared_error([1.0, 2.0], [1.0, 4.0])
        2.0
    """
    errors = np.subtract(y_true, y_pred, dtype=np.float64)
    return float(np.mean(errors**2)) if errors.size else float("nan")


METRICS: dict[str, Callable[[Any, Any], float]] = {
    "classification": auc_score,
    "regression": squared_error,
}


def check_task_types(task_types: Sequence[str], model: nn.Module) -> list[str]:
    """The types as a list.

    Raises:
        ValueError: The model was made for others.
    """
    own = getattr(model, "task_types", None)
    if own is not None and list(own) != list(task_types):
        raise ValueError(
            f"task_types is {list(task_types)}, but {type(model).__name__}'s tasks are {list(own)}"
        )
    return list(task_types)


def loss_weights_of(model: nn.Module, n_task: int) -> list[float]:
    """How much the loss of each task counts: what the model says, or the same for each, in all 1.

    Raises:
        ValueError: The model says it of another number of tasks, or of none that is trained on.
    """
    weights = list(getattr(model, "loss_weights", [1 / n_task] * n_task))
    if len(weights) != n_task or min(weights) < 0 or not any(weights):
        raise ValueError(
            f"{type(model).__name__}.loss_weights must be a number of at least 0 for each of the "
            f"{n_task} tasks, not all 0, but is {weights}"
        )
    return weights


class _Default(str):
    """A default that is told apart from the same text given by a user."""


MAX = _Default("max")


def stopping_mode(mode: str, task: int, task_types: Sequence[str]) -> str:
    """Which scores of task number `task` are better: "max" or "min".

    Where the user did not say, smaller ones for a regression, as its score is an error.

    Raises:
        ValueError: There is no such task.
    """
    if task not in range(len(task_types)):
        raise ValueError(f"earlystop_taskid must be 0 to {len(task_types) - 1}, got {task!r}")
    if mode is MAX and task_types[task] == "regression":
        log.info("Task %d is a regression: early stopping takes less as better (min).", task)
        return "min"
    return mode


def by_task(y: Tensor, n_task: int, name: str = "y") -> Tensor:
    """Labels or predictions as (N, T): those of a single task may be (N,).

    Raises:
        ValueError: There is not a column for each task.
    """
    columns = y.reshape(-1, 1) if y.dim() == 1 and n_task == 1 else y
    if columns.dim() != 2 or columns.shape[1] != n_task:
        raise ValueError(
            f"{name} must have a column for each of the {n_task} tasks, shape (N, {n_task}), but "
            f"has shape {tuple(y.shape)}"
        )
    return columns


def check_task_labels(y: Tensor, task_types: Sequence[str]) -> None:
    """Refuse labels (N, T) other than 0 and 1 of classifications, and unbounded ones.

    Raises:
        ValueError: Names the column.
    """
    for i, (column, task_type) in enumerate(zip(y.unbind(dim=1), task_types, strict=True)):
        if task_type == "classification":
            check_binary(column, f"y[:, {i}]")
        elif not torch.isfinite(column).all():
            raise ValueError(f"y[:, {i}] must hold finite numbers, but holds NaN or infinity")
