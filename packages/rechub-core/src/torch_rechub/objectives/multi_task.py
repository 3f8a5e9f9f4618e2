"""What the type of a task means: its loss, its metric, its labels."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._bounds import check_whole
from ..basic.layers import TaskPredictions
from ..basic.layers.precision import widened
from ..data.labels import check_binary, warn_of_one_class
from ..metrics.prediction import auc_score, mse_score
from .balancing.strategies import balancing_of
from .logits import logits_of

log = logging.getLogger("torch_rechub")

# The defaults, by identity: a trainer knows one that the user replaced.
LOSSES: dict[str, nn.Module] = {"classification": nn.BCELoss(), "regression": nn.MSELoss()}


METRICS: dict[str, Callable[[Any, Any], float]] = {
    "classification": auc_score,
    "regression": mse_score,
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


class Tasks:
    """What a model is trained on: for each task, its type, loss, score and place in the records.

    Args:
        model: What is trained.
        task_types: "classification" or "regression" for each task.
        adaptive_params: How to balance the losses, as `balancing_of`.

    Raises:
        ValueError: The model was made for other tasks, or they cannot be balanced so.
    """

    def __init__(
        self,
        model: nn.Module,
        task_types: Sequence[str],
        adaptive_params: Mapping[str, Any] | None,
    ) -> None:
        self.predictions_of = TaskPredictions(task_types)
        self.model, self.types = model, check_task_types(task_types, model)
        self.n = len(self.types)
        self.method = (adaptive_params or {}).get("method")
        self.trained, self.balancing = balancing_of(adaptive_params, model, self.types)
        self.loss_names = tuple(f"train/task_{i}_loss" for i in range(self.n))
        self.score_names = [f"val/task_{i}_score" for i in range(self.n)]
        self.has_logits = logits_of(model) is not None

    def settings(self) -> dict[str, Any]:
        """What is recorded of them."""
        return {"task_types": self.types, "adaptive_method": self.method}

    def columns(self, y: Tensor, name: str = "y") -> Tensor:
        """Labels or predictions as (N, T)."""
        return by_task(y, self.n, name)

    def functions(self) -> tuple[list[Any], list[Any]]:
        """The loss and the score of each task, where the user wants no others."""
        return [LOSSES[kind] for kind in self.types], [METRICS[kind] for kind in self.types]

    def check(self, y: Tensor, metrics: Sequence[Any], decides: int | None) -> None:
        """Refuse labels that are none of their task; let the model look at them.

        Args:
            y: Labels (N, T).
            metrics: The score of each task.
            decides: The task to validate on, of which labels that are all the same are warned of.
        """
        y = self.columns(y)
        check_task_labels(y, self.types)
        check: Any = getattr(self.model, "check_labels", None)
        if check is not None:
            check(y)
        if decides is not None and metrics[decides] is METRICS["classification"]:
            warn_of_one_class(y[:, decides])

    def predictor(self, model: nn.Module) -> Callable[[Any], Tensor]:
        """What maps x to the predictions (B, T) of a model."""
        return lambda x: widened(self.columns(model(x), "the model's output"))

    def losses(self, outputs: Tensor, y: Tensor, x: Any, loss_fns: Sequence[Any]) -> list[Tensor]:
        """The loss of each task, and the model's further loss where it has one.

        Args:
            outputs: What the model returned, (B, T).
            y: Labels (B, T).
            x: The inputs of the batch.
            loss_fns: The loss of each task, from (predictions, labels); the default one of a
                classification is computed from logits where there are any.
        """
        outputs = widened(outputs)
        y = y.to(outputs.dtype)
        predictions = self.predictions_of(outputs) if self.has_logits else outputs
        losses: list[Tensor] = [
            F.binary_cross_entropy_with_logits(outputs[:, i], y[:, i])
            if self.has_logits and loss_fn is LOSSES["classification"]
            else loss_fn(predictions[:, i], y[:, i])
            for i, loss_fn in enumerate(loss_fns)
        ]
        further: Any = getattr(self.model, "further_loss", None)
        return losses if further is None else [*losses, further(predictions, y, x)]

    def scores(self, labels: Tensor, predictions: Tensor, metrics: Sequence[Any]) -> list[float]:
        """The score of each task, from labels and predictions (N, T)."""
        y, p = (part.reshape(-1, self.n).numpy() for part in (labels, predictions))
        return [float(metric(y[:, i], p[:, i])) for i, metric in enumerate(metrics)]

    def weights(self) -> Tensor | None:
        """How much the loss of each task counts now, (T,); None without a balancing method."""
        if self.method is None:
            return None
        weights = torch.zeros(self.n)
        weights[self.trained] = self.balancing.weights().cpu()
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
    check_whole(0, earlystop_taskid=task)
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
