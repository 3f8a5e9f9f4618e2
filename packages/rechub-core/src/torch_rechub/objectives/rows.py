"""Objectives of rows: what is minimized, predicted and checked, by the kind of the loss."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..basic.layers.precision import widened
from ..data.batch import Batch
from ..losses import BatchLoss
from ..losses.binary_cross_entropy import OnLogits
from ..losses.weighted import weighted_loss
from ..metrics.monitor import Metric
from ..models.auxiliary import auxiliary_loss
from ..models.families import TRAINERS, family_of, form_of, name_of
from ..models.logits import logits_of

Parallel = Callable[[nn.Module], nn.Module]


class RowObjective:
    """A kind of losses of one prediction a row; its subclasses are the kinds.

    Args:
        model: The model being trained.
        criterion: The loss.
        loss_mode: False if the model returns (prediction, auxiliary loss).

    Attributes:
        default_metrics: The metrics of validation where the user names none.
        own_metrics: Metrics that this kind has under a name of its own.
    """

    default_metrics: Sequence[str] = ("auc",)
    own_metrics: Mapping[str, Metric] = {}
    takes = "one number a row, (B,)"

    def __init__(self, model: nn.Module, criterion: nn.Module, loss_mode: bool) -> None:
        self.model, self.criterion, self.loss_mode = model, criterion, loss_mode
        self.has_logits = logits_of(model) is not None
        self.call = self.call_for_logits = model

    def spread(self, parallel: Parallel) -> None:
        """Prepare to call the model as it is called in training."""
        logits = logits_of(self.model)
        self.call = parallel(self.model)
        self.call_for_logits = self.call if logits is None else parallel(logits)

    # training

    def loss(self, batch: Batch, criterion: nn.Module) -> BatchLoss:
        """The loss of a batch, and the auxiliary loss of the model where it has one."""
        on_logits = self.trains_on_logits(criterion)
        output = (self.call_for_logits if on_logits else self.call)(batch.inputs)
        prediction, auxiliary = self.split(output, batch.rows)
        if not on_logits:
            self.check_range(prediction, criterion)
        prediction = widened(prediction)
        y = self.labels_for(batch.labeled().reshape(-1), prediction)
        loss, count = self.value(criterion, prediction, y, batch)
        auxiliary = auxiliary + auxiliary_loss(self.model, batch, prediction, y)
        return BatchLoss(loss + auxiliary, count)

    def trains_on_logits(self, criterion: nn.Module) -> bool:
        """Whether the loss is computed from the logits of the model."""
        return self.has_logits

    def labels_for(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Labels (B,) as the loss takes them."""
        return y.to(prediction.dtype)

    def value(
        self, criterion: nn.Module, prediction: Tensor, y: Tensor, batch: Batch
    ) -> tuple[Tensor, int | Tensor]:
        """The loss of predictions, and what it is the mean of."""
        by_logits = isinstance(criterion, OnLogits) and self.trains_on_logits(criterion)
        return weighted_loss(criterion, prediction, y, batch.weights, by_logits), batch.count

    def groups(self, column: str | None) -> tuple[str | None, str | None]:
        """The column of groups that the loss needs, and the message of an epoch without a loss."""
        return None, None

    # predictions

    def predictor(self, model: nn.Module) -> nn.Module:
        """A module that returns the predictions of a model, which is exported in its place."""
        return model

    def predict(self, model: nn.Module) -> Callable[[Any], Tensor]:
        """A function from x to the predictions of a model."""
        call = self.predictor(model)
        return lambda x: self.shaped(_first(call(x)) if not self.loss_mode else call(x))

    def shaped(self, values: Tensor) -> Tensor:
        """Predictions as (B,)."""
        return values.reshape(-1)

    # checks

    def check_labels(self, y: Tensor, metrics: Sequence[Metric] = (), monitor: str = "") -> None:
        """Refuse labels that the loss, or a metric of validation, is not defined on."""
        raise NotImplementedError

    def defined_on(self, y: Tensor, metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
        """Those of the default metrics that are defined on labels of validation."""
        return metrics

    def check_metrics(self, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
        """The metrics as this kind computes them.

        Raises:
            ValueError: A metric does not fit the predictions.
        """
        return tuple(metrics)

    def check_output(self, x: Any, rows: int) -> None:
        """Refuse a model whose output for some rows does not fit the loss."""
        on_logits = self.trains_on_logits(self.criterion)
        call: Any = logits_of(self.model) if on_logits else self.model
        try:
            output = call(x)
        except Exception:  # the first step raises it too, in the mode that it is about
            return
        prediction, _ = self.split(output, rows)
        if not on_logits:
            self.check_range(prediction, self.criterion)

    def check_range(self, prediction: Tensor, criterion: nn.Module) -> None:
        """Refuse predictions that are no values of this kind."""

    def split(self, output: Any, rows: int) -> tuple[Tensor, Tensor | float]:
        """The predictions and the auxiliary loss that a model returned.

        Raises:
            ValueError: The output has another form; the message says which trainer takes it.
        """
        auxiliary: Tensor | float = 0.0
        if not self.loss_mode:
            if not isinstance(output, tuple | list) or len(output) != 2:
                raise ValueError(
                    f"loss_mode=False is for models that return (prediction, auxiliary loss), and "
                    f"{name_of(self.model)} returned {form_of(output)}: leave loss_mode out"
                )
            output, auxiliary = output
        if not isinstance(output, Tensor) or not self.fits(output, rows):
            raise ValueError(
                f"CTRTrainer with loss {name_of(self.criterion)} trains models that return "
                f"{self.takes}, and {name_of(self.model)} returned {form_of(output)} for {rows} "
                f"rows: {self.remedy(output)}"
            )
        return self.shaped(output), auxiliary

    def fits(self, output: Tensor, rows: int) -> bool:
        """Whether there is a prediction for each row."""
        return output.numel() == rows

    def remedy(self, output: Any) -> str:
        """How to train a model of this output instead."""
        family = family_of(self.model)
        if isinstance(output, tuple | list) and len(output) == 2 and family != "matching":
            return (
                "give loss_mode=False if it returns (prediction, auxiliary loss), or train a model "
                "of pairs of scores with MatchTrainer(mode=1)"
            )
        if family not in (None, "ranking"):
            return f"train it with {TRAINERS[family]}"
        if isinstance(output, Tensor) and output.dim() == 2:
            return (
                "train a model of several tasks with MTLTrainer, of several candidates with "
                'MatchTrainer(mode=2), of several classes with loss="softmax"'
            )
        return f"let it return {self.takes}"

    def require_logits(self, model: nn.Module) -> None:
        """Refuse a model that does not say its logits.

        Raises:
            ValueError: Names the model and the remedy.
        """
        if logits_of(model) is None:
            raise ValueError(
                f"{name_of(self.criterion)} takes the logits of a model, and {name_of(model)} has "
                "no method logits(x) that its forward is made of: give it one that returns "
                f"{self.takes}, the output before the sigmoid, or, if forward ends in none, its "
                "output"
            )


def _first(output: Any) -> Tensor:
    first: Tensor = output[0]
    return first
