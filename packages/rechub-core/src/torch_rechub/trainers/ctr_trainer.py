"""`CTRTrainer`: training of ranking models."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..basic.layers.precision import widened
from ..data.batch import Batch
from ..losses import BatchLoss
from ..losses.names import kind_of, make_loss
from ..metrics.computing import of_predictions
from ..metrics.monitor import Metric, Needs
from ..metrics.observed import is_observed
from ..objectives.row_kinds import KINDS, row_objective
from ..training.evaluation import Predictions
from ..training.monitoring import EvaluateFn
from ..training.reporting.hyperparams import describe_loss
from ..training.saving import SavesRows
from ..training.settings import Folder, LossOptions, Settings, known_options
from ..training.slice_examples import ShowsSlices
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class CTRTrainer(ShowsSlices, SavesRows, Trainer):
    """Trains a ranking model: by default with binary cross-entropy, validated by AUC.

    Another `loss` trains it to predict a number, classes, or an order within groups; the metrics
    and the predictions are then those of its kind (`losses.names`). Where the model has a method
    `logits`, the loss is computed from its logits, which neither saturates nor loses gradients;
    otherwise, or after `criterion` was replaced by a loss of probabilities alone, from what
    `forward` returns. Recorded each epoch: train/loss, learning_rate, val/auc.

    Args:
        model: A model from a dict of tensors to probabilities (B,).
        optimizer_fn: Class of the optimizer, or a function that returns it: of the parameters, or
            of the model if its first parameter is called ``model``.
        optimizer_params: Its arguments; None means lr=1e-3, weight_decay=1e-5.
        regularization_params: Arguments of `RegularizationLoss`; None means no penalty.
        scheduler_fn: Class of a scheduler of torch, or "cosine", "linear", "constant"; or None.
        scheduler_params: Its arguments.
        n_epoch: Largest number of epochs.
        earlystop_patience: Number of epochs without an improvement of the monitored metric, by
            default the validation AUC, after which training stops.
        device: Device for training.
        gpus: Indices of two or more GPUs for data-parallel training, in place of `device`. With
            fewer, or without CUDA, `device` is used, with a warning.
        loss_mode: False if the model returns (prediction, auxiliary loss).
        model_path: Folder of `model.pth`, the weights of the best epoch; created if needed.
        model_logger: A logger, or a list of loggers; None records nothing.
        options: See `TrainerOptions`, and `LossOptions` for the loss.

    Raises:
        ValueError: An argument is out of range, or the loss does not fit the model or a metric.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.ranking import DeepFM
        >>> from torch_rechub.utils.data import DataGenerator
        >>> x = {"user": torch.arange(100) % 10, "item": torch.arange(100) % 7}
        >>> train, val, test = DataGenerator(x, (x["user"] > 4).int()).generate_dataloader(
        ...     split_ratio=[0.6, 0.2], batch_size=20
        ... )
        >>> fields = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 7, embed_dim=4)]
        >>> model = DeepFM(fields, fields, {"dims": [8]})
        >>> trainer = CTRTrainer(model, n_epoch=2, model_path=tempfile.mkdtemp())
        >>> trainer.fit(train, val)
        >>> sorted(trainer.history[-1])
        ['epoch', 'learning_rate', 'seconds', 'train/loss', 'val/auc']
        >>> len(trainer.predict(trainer.model, test))
        20
    """

    model_inputs = "columns"
    evaluate_fn = EvaluateFn()
    measured: tuple[Needs, ...] = ("predictions", "groups")

    def __init__(
        self,
        model: nn.Module,
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        regularization_params: Mapping[str, float] | None = None,
        scheduler_fn: Callable[..., Any] | str | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        earlystop_patience: int = 10,
        device: str | torch.device = "cpu",
        gpus: list[int] | None = None,
        loss_mode: bool = True,
        model_path: Folder = "./",
        model_logger: Any = None,
        **options: "Unpack[LossOptions]",
    ) -> None:
        settings = Settings(
            optimizer_fn=optimizer_fn, optimizer_params=optimizer_params,
            scheduler_fn=scheduler_fn, scheduler_params=scheduler_params,
            regularization_params=regularization_params, n_epoch=n_epoch,
            earlystop_patience=earlystop_patience, device=device, gpus=gpus,
            model_path=model_path, model_logger=model_logger,
            **known_options(CTRTrainer, options, LossOptions),
        )  # fmt: skip
        arguments = (settings.loss, settings.loss_params, KINDS, "binary_cross_entropy")
        self.criterion = make_loss(*arguments, owner="CTRTrainer")
        self.objective = row_objective(model, self.criterion, loss_mode)
        self.trained_groups, self.nothing_to_learn = self.objective.groups(settings.group_column)
        super().__init__(model, settings)
        self.criterion.to(self.device)
        self.objective.spread(settings.parallel)
        self.loss_mode = loss_mode
        self.recorded = {"loss_mode": loss_mode, **describe_loss(settings, self.criterion)}

    def losses(self, batch: Batch) -> BatchLoss:
        """Return the loss of a batch, and the model's auxiliary loss if it has one."""
        return self.objective.loss(batch, self.criterion)

    def choose_metrics(self) -> tuple[Metric, ...]:
        """Return the given metrics; by default those of the kind of the loss."""
        self.default_metrics = self.objective.default_metrics
        self.own_metrics = self.objective.own_metrics
        return self.objective.check_metrics(super().choose_metrics())

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Refuse labels that the loss, or a metric of validation, is not defined on."""
        if validation and self.settings.metrics is None:
            self.metrics = self.objective.defined_on(y, self.metrics)
        self.objective.check_labels(y, self.metrics if validation else (), self.monitor)

    def check_model(self, batch: Batch) -> None:
        """Refuse a model whose output does not suit the loss."""
        self.objective.check_output(batch.inputs, batch.rows)

    def predictor(self, model: nn.Module) -> nn.Module:
        """Return a module that maps x to the predictions of a model."""
        return self.objective.predictor(model)

    def measure(self, model: nn.Module, data_loader: Iterable[Any]) -> dict[str, float]:
        """Return the metrics of a model over (x, y), by name.

        Raises:
            ValueError: There are no labels, or others than the metrics are defined on.
        """
        if len(self.metrics) == 1:
            return {self.metrics[0].name: self.evaluate(model, data_loader)}
        found = self._predictions(model, data_loader, self.settings.group_column)
        return of_predictions(self.metrics, *found.as_numpy())

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> float:
        """Return the first metric of a model over (x, y), by default AUC.

        NaN, with a warning, if it is undefined, as AUC is where only one class occurs.

        Raises:
            ValueError: There are no labels, or others than the metrics are defined on.
        """
        first = self.metrics[:1]
        with_groups = first[0].needs != "predictions" or is_observed()
        group_column = self.settings.group_column if with_groups else None
        found = self._predictions(model, data_loader, group_column)
        return of_predictions(first, *found.as_numpy())[first[0].name]

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[Any]:
        """Return the prediction of each row of x or (x, y); y is ignored.

        By the kind of the loss it is a probability, a value, a list of the probabilities of
        classes, or a score.
        """
        found = self.evaluation.predictions(model, data_loader, self.objective.predict(model))
        return list(widened(found.scores).tolist())

    def to_plot(self, val_dataloader: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Return labels 0 and 1 and probabilities of the validation data; None without them."""
        if val_dataloader is None or kind_of(self.objective.criterion) != "probability":
            return None
        labels, probabilities, *_ = self._predictions(self.model, val_dataloader).as_numpy()
        return (labels, probabilities) if set(labels.tolist()) <= {0, 1} else None

    def _predictions(self, model: Any, data: Any, groups: str | None = None) -> Predictions:
        predict = self.objective.predict(model)
        return self.evaluation.predictions(model, data, predict, _flat, groups)


def _flat(values: Tensor) -> Tensor:
    return values.reshape(-1)
