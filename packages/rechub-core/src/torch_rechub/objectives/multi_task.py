"""The tasks of a multi-task model: losses, metrics and labels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..basic.layers import TaskPredictions
from ..basic.layers.precision import widened
from ..data.batch import Batch
from ..data.label_ranges import check_probabilities
from ..data.labels import warn_of_one_class
from ..losses import BatchLoss
from ..losses.binary_cross_entropy import OnLogits
from ..metrics.monitor import Metric
from ..models.auxiliary import auxiliary_loss
from ..models.links import by_task, predictor_of_tasks
from ..models.logits import logits_of
from ..models.protocols import ChecksLabels, HasTaskTypes
from .balancing.choice import balancing_of
from .missing_labels import TaskLoss, check_missing, count_missing, labeled, task_losses
from .row_kinds import check_loss_range, refuse_soft_labels
from .task_outputs import check_outputs, link_of_tasks, losses_of_tasks, of_model


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
        self.predictions_of: nn.Module = TaskPredictions(task_types)
        self.model, self.types = model, check_task_types(task_types, model)
        self.n = len(self.types)
        self.method = (adaptive_params or {}).get("method")
        self.trained, self.balancing = balancing_of(adaptive_params, model, self.types)
        self.loss_names = tuple(f"train/task_{i}_loss" for i in range(self.n))
        self.has_logits = logits_of(model) is not None
        # labels are checked before the move to the device, where checks would synchronize
        self.may_miss_labels = False

    def hyperparams(self, decides: int) -> dict[str, Any]:
        """Return the hyper-parameters of the tasks to record, with the monitored task."""
        types = {"task_types": self.types, "adaptive_method": self.method}
        return {**types, "earlystop_taskid": decides}

    def columns(self, y: Tensor, name: str = "y") -> Tensor:
        """Reshape labels or predictions to (N, T)."""
        return by_task(y, self.n, name)

    def loss_functions(
        self, loss: Any, params: Any, device: torch.device | None = None
    ) -> list[nn.Module]:
        """Create the loss of each task, see `losses_of_tasks`, and the link of its predictions.

        Raises:
            ValueError: The number of losses is not that of the tasks, or the model lacks logits.
        """
        loss_fns = losses_of_tasks(self.types, loss, params)
        self.predictions_of = link_of_tasks(self.types, loss_fns, self.model)
        return [loss_fn.to(device) for loss_fn in loss_fns]

    def check(
        self,
        y: Tensor,
        loss_fns: Sequence[nn.Module],
        metrics: Sequence[tuple[str, int, Metric]] = (),
        monitor: str = "",
    ) -> None:
        """Refuse labels that do not suit their task; the model checks them, too.

        Args:
            y: Labels (N, T).
            loss_fns: The loss of each task.
            metrics: The metrics of validation: (name, task, metric).
            monitor: The monitored metric, to warn of constant labels.
        """
        y = self.columns(y)
        check_missing(y)
        self.may_miss_labels |= bool(y.isnan().any())
        check_task_labels(y, self.types, loss_fns)
        if isinstance(self.model, ChecksLabels):
            self.model.check_labels(y)
        for name, i, metric in metrics:
            column = labeled(y[:, i])
            if self.types[i] == "classification":
                refuse_soft_labels(column, [metric])
            if monitor == f"val/{name}" and metric.name == "auc":
                warn_of_one_class(column)

    def count_missing(self, y: Tensor, validation: bool) -> dict[str, list[int]]:
        """The hyper-parameter `missing_labels`, (T,), of a table for training that lacks some."""
        missing = count_missing(self.columns(y), validation)
        return {"missing_labels": missing} if any(missing) and not validation else {}

    def predictor(self, model: nn.Module) -> nn.Module:
        """Return a module that maps x to the predictions (B, T) of a model."""
        return predictor_of_tasks(model, self.predictions_of)

    def predict(self, model: nn.Module) -> Callable[[Any], Tensor]:
        """Return a function from x to the predictions (B, T) of a model."""
        call = self.predictor(model)
        return lambda x: widened(of_model(call(x), self.n, model))

    def check_model(self, batch: Batch, loss_fns: Sequence[nn.Module]) -> None:
        """Refuse a model whose output does not suit the tasks."""
        check_outputs(self.model, batch, self.types, loss_fns)

    def losses(self, outputs: Tensor, batch: Batch, loss_fns: Sequence[Any]) -> BatchLoss:
        """Return the loss of each task, and the model's auxiliary loss if it has one.

        Args:
            outputs: The output of the model, (B, T): logits if available.
            batch: The batch, with labels (B, T).
            loss_fns: The loss of each task, from (predictions, labels).
        """
        outputs = widened(of_model(outputs, self.n, self.model))
        y = self.columns(batch.labeled()).to(outputs.dtype)
        predictions = self.predictions_of(outputs) if self.has_logits else outputs
        tasks = [
            TaskLoss(loss_fn, outputs[:, i], True)
            if self.has_logits and isinstance(loss_fn, OnLogits)
            else TaskLoss(loss_fn, predictions[:, i], False)
            for i, loss_fn in enumerate(loss_fns)
        ]
        if self.may_miss_labels:
            losses, count = task_losses(tasks, y, batch.weights, batch.count)
        else:
            losses = [task(y[:, i], batch.weights) for i, task in enumerate(tasks)]
            count = batch.count
        return BatchLoss(losses, count, auxiliary_loss(self.model, batch, predictions, y))

    def named_weights(self) -> dict[str, float]:
        """Return the weights of the losses by their recorded names."""
        found = self.weights()
        weights = [] if found is None else found.tolist()
        return {f"loss_weight/task_{i}": weight for i, weight in enumerate(weights)}

    def weights(self) -> Tensor | None:
        """Return the current weights of the losses, (T,); None without a balancing method."""
        if self.method is None:
            return None
        weights = torch.zeros(self.n)
        weights[self.trained] = self.balancing.weights().cpu()
        return weights


def check_task_labels(y: Tensor, task_types: Sequence[str], loss_fns: Sequence[nn.Module]) -> None:
    """Refuse labels (N, T) outside [0, 1] of classifications, or outside the range of a loss.

    Raises:
        ValueError: A label is invalid; the message names the column.
    """
    present = y.masked_fill(y.isnan(), 0)  # missing labels are replaced by a valid one
    columns = zip(present.unbind(dim=1), task_types, loss_fns, strict=True)
    for i, (column, task_type, loss_fn) in enumerate(columns):
        if task_type == "classification":
            check_probabilities(column, f"y[:, {i}]")
        else:
            check_loss_range(column, loss_fn, f"y[:, {i}]")
