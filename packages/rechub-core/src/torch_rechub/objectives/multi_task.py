"""The tasks of a multi-task model: losses, metrics and labels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..basic.layers import TaskPredictions
from ..basic.layers.precision import widened
from ..data.batch import Batch
from ..data.labels import check_binary, check_present, warn_of_one_class
from ..losses import BatchLoss, BinaryCrossEntropy
from ..losses.binary_cross_entropy import OnLogits
from ..models.auxiliary import auxiliary_loss
from ..models.logits import logits_of
from ..models.protocols import ChecksLabels, HasTaskTypes
from .balancing.strategies import balancing_of
from .missing_labels import TaskLoss, check_missing, count_missing, labeled, task_losses

LOSSES: dict[str, type[nn.Module]] = {
    "classification": BinaryCrossEntropy,
    "regression": nn.MSELoss,
}


def check_task_types(task_types: Sequence[str], model: nn.Module) -> list[str]:
    """Return the task types as a list.

    Raises:
        ValueError: The model was created for other types.
    """
    if isinstance(model, HasTaskTypes) and list(model.task_types) != list(task_types):
        raise ValueError(
            f"task_types is {list(task_types)}, but {type(model).__name__}'s tasks are "
            f"{list(model.task_types)}"
        )
    return list(task_types)


class Tasks:
    """The tasks of a model, with their types, losses and recorded names.

    Args:
        model: The model being trained.
        task_types: "classification" or "regression" for each task.
        adaptive_params: How to balance the losses, as `balancing_of`.

    Raises:
        ValueError: The model was created for other tasks, or does not support the balancing.
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
        self.has_logits = logits_of(model) is not None
        # labels are checked before the move to the device, where checks would synchronize
        self.may_miss_labels = False

    def hyperparams(self) -> dict[str, Any]:
        """Return the hyper-parameters of the tasks to record."""
        return {"task_types": self.types, "adaptive_method": self.method}

    def columns(self, y: Tensor, name: str = "y") -> Tensor:
        """Reshape labels or predictions to (N, T)."""
        return by_task(y, self.n, name)

    def loss_functions(self) -> list[nn.Module]:
        """Return the default loss of each task."""
        return [LOSSES[kind]() for kind in self.types]

    def check(self, y: Tensor, by_auc: int | None) -> None:
        """Refuse labels that do not suit their task; the model checks them, too.

        Args:
            y: Labels (N, T).
            by_auc: The task whose AUC is monitored, to warn of constant labels; None for other
                monitored metrics.
        """
        y = self.columns(y)
        check_missing(y)
        self.may_miss_labels |= bool(y.isnan().any())
        check_task_labels(y, self.types)
        if isinstance(self.model, ChecksLabels):
            self.model.check_labels(y)
        if by_auc is not None:
            warn_of_one_class(labeled(y[:, by_auc]))

    def count_missing(self, y: Tensor, validation: bool) -> dict[str, list[int]]:
        """The hyper-parameter `missing_labels`, (T,), of a table for training that lacks some."""
        missing = count_missing(self.columns(y), validation)
        return {"missing_labels": missing} if any(missing) and not validation else {}

    def predictor(self, model: nn.Module) -> Callable[[Any], Tensor]:
        """Return a function from x to the predictions (B, T) of a model."""
        return lambda x: widened(self.columns(model(x), "the model's output"))

    def losses(self, outputs: Tensor, batch: Batch, loss_fns: Sequence[Any]) -> BatchLoss:
        """Return the loss of each task, and the model's auxiliary loss if it has one.

        Args:
            outputs: The output of the model, (B, T): logits if available.
            batch: The batch, with labels (B, T).
            loss_fns: The loss of each task, from (predictions, labels).
        """
        outputs = widened(self.columns(outputs, "the model's output"))
        y = self.columns(batch.labeled()).to(outputs.dtype)
        predictions = self.predictions_of(outputs) if self.has_logits else outputs
        tasks = [
            TaskLoss(loss_fn, outputs[:, i], True)
            if self.has_logits and kind == "classification" and isinstance(loss_fn, OnLogits)
            else TaskLoss(loss_fn, predictions[:, i], False)
            for i, (kind, loss_fn) in enumerate(zip(self.types, loss_fns, strict=True))
        ]
        if self.may_miss_labels:
            losses, count = task_losses(tasks, y, batch.weights, batch.count)
        else:
            losses = [task(y[:, i], batch.weights) for i, task in enumerate(tasks)]
            count = batch.count
        return BatchLoss(losses, count, auxiliary_loss(self.model, batch, predictions, y))

    def weights(self) -> Tensor | None:
        """Return the current weights of the losses, (T,); None without a balancing method."""
        if self.method is None:
            return None
        weights = torch.zeros(self.n)
        weights[self.trained] = self.balancing.weights().cpu()
        return weights


def by_task(y: Tensor, n_task: int, name: str = "y") -> Tensor:
    """Reshape labels or predictions to (N, T); those of a single task may be (N,).

    Raises:
        ValueError: There is not one column for each task.
    """
    columns = y.reshape(-1, 1) if y.dim() == 1 and n_task == 1 else y
    if columns.dim() != 2 or columns.shape[1] != n_task:
        raise ValueError(
            f"{name} must have a column for each of the {n_task} tasks, shape (N, {n_task}), but "
            f"has shape {tuple(y.shape)}"
        )
    return columns


def check_task_labels(y: Tensor, task_types: Sequence[str]) -> None:
    """Refuse labels (N, T) of classifications other than 0 and 1, and infinite labels.

    Raises:
        ValueError: A label is invalid; the message names the column.
    """
    # missing labels are replaced by a valid one for the check
    present = y.masked_fill(y.isnan(), 0)
    for i, (column, task_type) in enumerate(zip(present.unbind(dim=1), task_types, strict=True)):
        if task_type == "classification":
            check_binary(column, f"y[:, {i}]")
        else:
            check_present(column, f"y[:, {i}]")
