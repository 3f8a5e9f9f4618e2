"""The task of a trainer: the methods that define its losses, metrics and records."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data.batch import Batch
from ..losses.batch_loss import BatchLoss
from ..losses.regularization import RegularizationLoss
from ..metrics.computing import check_weighted
from ..metrics.monitor import Direction, Metric, Needs
from .checks import check_inputs
from .examples import Examples, ExampleTable, Outcome
from .monitoring import chosen_metrics, direction_to_monitor
from .settings import Settings

log = logging.getLogger("torch_rechub")


class Task:
    """The methods that a trainer overrides; the loop of `Trainer` calls them.

    Attributes:
        loss_names: The recorded losses.
        weights_file: The file of the best weights, in `model_path`.
        default_metrics: The default metrics.
        own_metrics: Task-specific metrics by name.
        measured: The available inputs of the task's metrics.
        model_inputs: The inputs of the models, a key of `model_check.CALLS`; None is not checked.
        collate_fn: Collates rows of a data set without a loader; None stacks them.
        trained_groups: Column of groups that the loss needs.
        nothing_to_learn: Message of an epoch without a loss; None means a general one.
        metrics: The metrics of validation.
    """

    loss_names: Sequence[str] = ("train/loss",)
    weights_file: str = "model.pth"
    default_metrics: Sequence[str] = ("auc",)
    own_metrics: Mapping[str, Metric] = {}
    trained_groups: str | None = None
    nothing_to_learn: str | None = None
    measured: tuple[Needs, ...] = ("predictions",)
    model_inputs: str | None = None
    collate_fn: Callable[[list[Any]], Any] | None = None

    model: nn.Module
    metrics: tuple[Metric, ...]
    settings: Settings
    regularization: RegularizationLoss

    def report(self, message: str, *args: Any) -> None:
        """Log a message on the progress of training, at level DEBUG if `progress` is False."""
        log.log(logging.DEBUG if self.settings.progress is False else logging.INFO, message, *args)

    def losses(self, batch: Batch) -> BatchLoss:
        """Return the losses of a batch, one for each of `loss_names`."""
        raise NotImplementedError

    def backward(self, losses: Sequence[Tensor], auxiliary: Tensor | float) -> None:
        """Compute gradients from the losses of a batch, scalars, and its auxiliary loss."""
        penalty = self.regularization(self.model)
        (torch.stack(list(losses)).sum() + auxiliary + penalty).backward()

    def trained_parameters(self) -> Iterable[Any]:
        """Return the parameters to train: those of the model and additional ones of the task."""
        return self.model.parameters()

    def check_inputs(self, model: nn.Module, x: Any) -> None:
        """Raise an error if the inputs of a table or a batch do not suit `model`."""
        check_inputs(model, x)

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Raise ValueError if labels do not suit this task, in training or in validation."""

    def check_table_labels(self, y: Tensor, validation: bool = False) -> None:
        """Check the labels of a whole table, before training."""
        self.check_labels(y, validation)

    def check_weights(self, validation: bool = False) -> None:
        """Raise ValueError if the task or a metric does not support weights."""
        if validation:
            check_weighted(self.named_metrics().values())

    def check_model(self, batch: Batch) -> None:
        """Raise ValueError if the output of the model for some rows does not fit this task."""

    def measure(self, model: nn.Module, data_loader: Any) -> dict[str, float]:
        """Return the metrics of a model on data, by the names of `named_metrics`."""
        raise NotImplementedError

    def choose_metrics(self) -> tuple[Metric, ...]:
        """Return the metrics of the settings."""
        names = (self.measured, self.default_metrics, self.own_metrics)
        return chosen_metrics(type(self).__name__, self.settings, *names)

    def named_metrics(self) -> dict[str, Metric]:
        """Return the metrics by recorded name, without ``val/``."""
        return {metric.name: metric for metric in self.metrics}

    def default_monitor(self) -> str:
        """The default of the metric to monitor."""
        return f"val/{next(iter(self.named_metrics()))}"

    @property
    def monitor(self) -> str:
        """The recorded metric that selects the best epoch."""
        return self.settings.monitor or self.default_monitor()

    def direction(self) -> Direction:
        """The direction of the monitored metric, "max" or "min".

        Raises:
            ValueError: The metric is not recorded, or has no direction.
        """
        return direction_to_monitor(self.monitor, self.named_metrics(), self.loss_names)

    def validates(self, val_dataloader: Any) -> bool:
        """Whether there are data for validation."""
        return val_dataloader is not None

    def validate(self, val_dataloader: Any) -> dict[str, float]:
        """Return the metrics of validation by recorded name."""
        return {f"val/{k}": v for k, v in self.measure(self.model, val_dataloader).items()}

    def test(self, data: Any) -> dict[str, float]:
        """The metrics of the model on test data by their recorded names, such as `test/auc`."""
        found = {f"test/{k}": v for k, v in self.measure_test(self.model, data).items()}
        self.report("test: %s", as_text(found))
        return found

    def measure_test(self, model: nn.Module, data: Any) -> dict[str, float]:
        """The metrics of a model on test data, by name: those of validation."""
        return self.measure(model, data)

    def check_retrieval(self, test_data: Any) -> bool:
        """Check data of retrieval, where the task has any; return whether test data are such."""
        return False

    def extra_metrics(self) -> dict[str, float]:
        """Return additional metrics to record after each epoch."""
        return {}

    def outcome(self, val: Any, test: Any) -> Outcome:
        """Return the results of the best weights that are computed on request.

        Args:
            val: The validation data, or None.
            test: The test data, or None; examples are taken from them where there are any.
        """
        shown = val if test is None else test
        return Outcome(lambda: self.to_plot(val), lambda wanted: self.examples(wanted, shown))

    def examples(self, wanted: Examples, data: Any) -> list[ExampleTable]:
        """Return tables of examples on validation or test data, which may be None."""
        return []

    def to_plot(self, val_dataloader: Any) -> tuple[Any, Any] | None:
        """Return labels and probabilities of the validation data for plots, if available."""
        return None


def as_text(metrics: Mapping[str, float]) -> str:
    """Metrics in a line of the log.

    Example:
        >>> as_text({"train/loss": 0.25, "val/auc": 0.7500001})
        'train/loss 0.25, val/auc 0.75'
    """
    return ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
