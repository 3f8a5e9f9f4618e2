"""The kinds of losses of rows: probabilities, values, classes, and ranks within groups."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data.batch import Batch
from ..data.label_ranges import check_classes, check_probabilities, check_values, is_binary
from ..data.labels import warn_of_one_class
from ..losses.binary_cross_entropy import OnLogits
from ..losses.names import kind_of
from ..losses.within_groups import GroupLoss
from ..metrics.classes import class_accuracy, class_log_loss
from ..metrics.graded import graded_ndcg_at
from ..metrics.monitor import Metric
from ..models.families import name_of
from ..models.links import Linked
from ..models.logits import logits_of
from .rows import RowObjective

_OF_PROBABILITIES = (OnLogits, nn.BCELoss)


class Probabilities(RowObjective):
    """σ(logits), of labels 0 and 1 or of probabilities between them."""

    takes = "one probability a row, (B,)"
    in_range = False

    def trains_on_logits(self, criterion: nn.Module) -> bool:
        """Whether the model has logits and the loss takes them."""
        takes_logits = isinstance(criterion, OnLogits | nn.BCEWithLogitsLoss)
        return self.has_logits and takes_logits

    def check_labels(self, y: Tensor, metrics: Sequence[Metric] = (), monitor: str = "") -> None:
        """Refuse labels outside [0, 1], and those between where a metric needs 0 and 1."""
        check_probabilities(y)
        if monitor == "val/auc":
            warn_of_one_class(y)
        refuse_soft_labels(y, metrics)

    def check_range(self, prediction: Tensor, criterion: nn.Module) -> None:
        """Refuse outputs outside [0, 1] of a model, the first time that it is called."""
        if self.in_range or not isinstance(criterion, _OF_PROBABILITIES):
            return
        refuse_outside(prediction, self.model, criterion)
        self.in_range = True


class Values(RowObjective):
    """The logits themselves, or what the loss makes of them, of any numbers."""

    default_metrics: Sequence[str] = ("mse",)

    def __init__(self, model: nn.Module, criterion: nn.Module, loss_mode: bool) -> None:
        super().__init__(model, criterion, loss_mode)
        self.require_logits(model)

    def predictor(self, model: nn.Module) -> nn.Module:
        """The model without its sigmoid."""
        self.require_logits(model)
        return Linked(model, link_of(self.criterion))

    def check_labels(self, y: Tensor, metrics: Sequence[Metric] = (), monitor: str = "") -> None:
        """Refuse labels that are not finite, or outside the range of the loss."""
        check_loss_range(y, self.criterion)

    def check_metrics(self, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
        """Refuse metrics of probabilities."""
        for metric in metrics:
            if metric.labels != "real" and metric.needs != "hits":
                raise ValueError(
                    f"{metric.name} is a metric of probabilities, and {name_of(self.criterion)} "
                    'trains predictions of any number: give metrics such as ("mse", "mae")'
                )
        return tuple(metrics)


class Classes(RowObjective):
    """softmax of C logits, of labels 0 to C − 1."""

    default_metrics: Sequence[str] = ("accuracy", "log_loss")
    own_metrics: Mapping[str, Metric] = {
        "accuracy": Metric("accuracy", class_accuracy, "max", weighted=True),
        "log_loss": Metric("log_loss", class_log_loss, "min", weighted=True),
    }
    takes = "a logit for each class, (B, C)"

    def __init__(self, model: nn.Module, criterion: nn.Module, loss_mode: bool) -> None:
        super().__init__(model, criterion, loss_mode)
        self.require_logits(model)
        self.n_classes: int | None = getattr(model, "n_classes", None)

    def labels_for(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Classes as whole numbers."""
        return y.long()

    def predictor(self, model: nn.Module) -> nn.Module:
        """The model, its logits through softmax."""
        self.require_logits(model)
        return Linked(model, nn.Softmax(dim=1))

    def shaped(self, values: Tensor) -> Tensor:
        """Predictions as (B, C)."""
        return values

    def fits(self, output: Tensor, rows: int) -> bool:
        """Whether there are two or more logits for each row."""
        return output.dim() == 2 and len(output) == rows and output.shape[1] > 1

    def remedy(self, output: Any) -> str:
        """How to make a model of classes."""
        return (
            "wrap a ranking model in torch_rechub.models.multi_class.MultiClass(model, n_classes)"
        )

    def check_labels(self, y: Tensor, metrics: Sequence[Metric] = (), monitor: str = "") -> None:
        """Refuse labels that are no classes of the model."""
        check_classes(y, self.n_classes)

    def check_metrics(self, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
        """Refuse the metrics of one prediction a row that have a name."""
        own = list(self.own_metrics.values())
        for metric in metrics:
            if metric not in own and getattr(metric.function, "__module__", "").startswith(
                "torch_rechub.metrics."
            ):
                raise ValueError(
                    f"{metric.name} is a metric of one prediction a row, and the loss is of "
                    f"classes: give {' or '.join(self.own_metrics)}, or Metric(name, function, "
                    "direction) of a function of labels (N,) and probabilities (N, C)"
                )
        return tuple(metrics)


class Ranks(RowObjective):
    """Scores whose order within a group counts: the logits, where the model has any."""

    default_metrics: Sequence[str] = ("ndcg@10", "gauc")

    def groups(self, column: str | None) -> tuple[str | None, str | None]:
        """The column of groups, and the message of an epoch without a pair in any batch."""
        if column is None:
            raise ValueError(
                f"{name_of(self.criterion)} orders the rows of a group: give group_column=, such "
                'as "user_id"'
            )
        return column, (
            f"no batch holds two rows of one {column!r} with different labels, so there is no "
            "order to learn: let a batch hold whole groups, with DataGenerator(x, y)."
            f"generate_dataloader(group_column={column!r})"
        )

    def defined_on(self, y: Tensor, metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
        """Without GAUC where labels are graded."""
        return metrics if is_binary(y) else tuple(m for m in metrics if m.labels != "binary")

    def value(
        self, criterion: nn.Module, prediction: Tensor, y: Tensor, batch: Batch
    ) -> tuple[Tensor, int | Tensor]:
        """The loss of the groups of a batch, and the sum of the weights of its terms."""
        if batch.groups is None:
            raise ValueError(f"{name_of(criterion)} needs groups: give group_column")
        groups = batch.groups.to(prediction.device)
        if not isinstance(criterion, GroupLoss):
            given = () if batch.weights is None else (batch.weights,)
            return criterion(prediction, y, groups, *given), batch.rows
        terms, weight = criterion.terms(prediction, y, groups, batch.weights)
        total = weight.sum()
        loss = (weight * terms).sum()
        return loss / torch.where(total > 0, total, torch.ones_like(total)), total

    def predictor(self, model: nn.Module) -> nn.Module:
        """The model without its sigmoid, where it has one: in it, high scores would tie at 1."""
        return model if logits_of(model) is None else Linked(model)

    def check_labels(self, y: Tensor, metrics: Sequence[Metric] = (), monitor: str = "") -> None:
        """Refuse labels outside the range of the loss, and graded ones where a metric has none."""
        check_loss_range(y, self.criterion)
        binary = [metric.name for metric in metrics if metric.labels == "binary"]
        if binary and not is_binary(y):
            raise ValueError(
                f"{binary[0]} is defined on labels 0 and 1, and y holds others: validate by "
                'metrics=("ndcg@10",), whose gains are 2^y − 1'
            )

    def check_metrics(self, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
        """NDCG is that of graded labels, which of labels 0 and 1 is the same."""
        for metric in metrics:
            if metric.labels == "probability":
                raise ValueError(
                    f"{metric.name} is a metric of probabilities, and {name_of(self.criterion)} "
                    'trains scores: give metrics such as ("ndcg@10", "gauc")'
                )
        of_lists = [m.needs == "hits" and m.name == f"ndcg@{m.k}" for m in metrics]
        graded = (
            graded_ndcg_at(int(m.k or 0)) if is_ndcg else m for m, is_ndcg in zip(metrics, of_lists)
        )
        return tuple(graded)


KINDS: dict[str, type[RowObjective]] = {
    "probability": Probabilities,
    "value": Values,
    "classes": Classes,
    "ranking": Ranks,
}


def row_objective(model: nn.Module, criterion: nn.Module, loss_mode: bool) -> RowObjective:
    """The objective of a model of rows, by the kind of its loss.

    Raises:
        ValueError: The loss takes logits, and the model has none.
    """
    return KINDS[kind_of(criterion)](model, criterion, loss_mode)


def refuse_outside(prediction: Tensor, model: nn.Module, criterion: nn.Module) -> None:
    """Refuse predictions outside [0, 1] under a loss of probabilities.

    Raises:
        ValueError: Names the model, one of them, and the remedy.
    """
    outside = (prediction < 0) | (prediction > 1)
    if outside.any():
        raise ValueError(
            f"{name_of(criterion)} takes probabilities in [0, 1], and {name_of(model)} returned "
            f"{float(prediction[outside][0].detach()):g}: end it in a sigmoid, or give it a method "
            'logits(x) that its forward is the sigmoid of; or choose loss="mse" in CTRTrainer to '
            "predict the number itself"
        )


def link_of(criterion: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """Return the link of a loss of values from logits to predictions; None is the identity."""
    if isinstance(criterion, nn.PoissonNLLLoss):
        return torch.exp if criterion.log_input else None
    link: Callable[[Tensor], Tensor] | None = getattr(criterion, "from_logits", None)
    return link


def check_loss_range(y: Tensor, criterion: nn.Module, name: str = "y") -> None:
    """Refuse labels that are not finite, or outside the range that a loss says."""
    least, largest = (getattr(criterion, n, None) for n in ("least_label", "largest_label"))
    check_values(y, least, largest, name_of(criterion), name)


def refuse_soft_labels(y: Tensor, metrics: Sequence[Metric]) -> None:
    """Refuse labels between 0 and 1 where a metric is defined on 0 and 1 only.

    Raises:
        ValueError: Names the metric and the remedy.
    """
    binary = [metric.name for metric in metrics if metric.labels == "binary"]
    if binary and not is_binary(y):
        soft = float(y[(y != 0) & (y != 1)].flatten()[0])
        raise ValueError(
            f"{binary[0]} is defined on labels 0 and 1, and the validation labels hold {soft:g}: "
            'validate by metrics of probabilities, such as metrics=("log_loss", '
            '"calibration_error")'
        )
