"""`CTRTrainer`: training of ranking models."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..basic.layers.precision import widened
from ..data.batch import Batch
from ..data.labels import check_binary, warn_of_one_class
from ..losses import BatchLoss, BinaryCrossEntropy
from ..losses.binary_cross_entropy import OnLogits
from ..losses.weighted import weighted_loss
from ..metrics.computing import of_predictions
from ..metrics.monitor import Needs
from ..models.auxiliary import auxiliary_loss
from ..models.logits import logits_of
from ..training.evaluation import Predictions
from ..training.monitoring import EvaluateFn
from ..training.settings import Folder, Settings, TrainerOptions, known_options
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class CTRTrainer(Trainer):
    """Trains a ranking model on labels 0 and 1 with binary cross-entropy; validates by AUC.

    Where the model has a method `logits`, the loss is computed from its logits, which neither
    saturates nor loses gradients; otherwise, or after `criterion` was replaced, from the
    probabilities that `forward` returns. Recorded each epoch: train/loss, learning_rate, val/auc.

    Args:
        model: A model from a dict of tensors to probabilities (B,).
        optimizer_fn: Class of the optimizer.
        optimizer_params: Its arguments; None means lr=1e-3, weight_decay=1e-5.
        regularization_params: Arguments of `RegularizationLoss`; None means no penalty.
        scheduler_fn: Class of a learning-rate scheduler of torch; None means no scheduler.
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
        options: See `TrainerOptions`.

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
        >>> trainer = CTRTrainer(
        ...     model, optimizer_params={"lr": 0.01}, n_epoch=2, model_path=tempfile.mkdtemp()
        ... )
        >>> trainer.fit(train, val)
        >>> sorted(trainer.history[-1])
        ['epoch', 'learning_rate', 'seconds', 'train/loss', 'val/auc']
        >>> len(trainer.predict(trainer.model, test))
        20
    """

    evaluate_fn = EvaluateFn()
    measured: tuple[Needs, ...] = ("predictions", "groups")

    def __init__(
        self,
        model: nn.Module,
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        regularization_params: Mapping[str, float] | None = None,
        scheduler_fn: Callable[..., Any] | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        earlystop_patience: int = 10,
        device: str | torch.device = "cpu",
        gpus: list[int] | None = None,
        loss_mode: bool = True,
        model_path: Folder = "./",
        model_logger: Any = None,
        **options: "Unpack[TrainerOptions]",
    ) -> None:
        settings = Settings(
            optimizer_fn=optimizer_fn, optimizer_params=optimizer_params,
            scheduler_fn=scheduler_fn, scheduler_params=scheduler_params,
            regularization_params=regularization_params, n_epoch=n_epoch,
            earlystop_patience=earlystop_patience, device=device, gpus=gpus,
            model_path=model_path, model_logger=model_logger,
            **known_options("CTRTrainer", options),
        )  # fmt: skip
        super().__init__(model, settings)
        self.loss_mode = loss_mode
        self.recorded = {"loss_mode": loss_mode}
        self.criterion: nn.Module = BinaryCrossEntropy()
        self._probabilities = settings.parallel(self.model)
        logits = logits_of(model)
        self._logits = None if logits is None else settings.parallel(logits)

    def losses(self, batch: Batch) -> BatchLoss:
        """Binary cross-entropy of a batch, and the model's auxiliary loss where it has one."""
        x, y, criterion = batch.inputs, batch.labeled().reshape(-1), self.criterion
        on_logits = self._logits is not None and isinstance(criterion, OnLogits)
        output = (self._logits if on_logits else self._probabilities)(x)  # type: ignore[misc]
        prediction, auxiliary = (output, 0.0) if self.loss_mode else output
        prediction = widened(prediction.reshape(-1))
        y = y.to(prediction.dtype)
        loss = weighted_loss(criterion, prediction, y, batch.weights, on_logits)
        auxiliary = auxiliary + auxiliary_loss(self.model, batch, prediction, y)
        return BatchLoss(loss + auxiliary, batch.count)

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Refuse labels other than 0 and 1; warn of constant validation labels."""
        check_binary(y)
        if validation and self.monitor == "val/auc":
            warn_of_one_class(y)

    def measure(self, model: nn.Module, data_loader: Iterable[Any]) -> dict[str, float]:
        """Return the metrics of a model over (x, y), by name.

        Raises:
            ValueError: There are no labels, or others than 0 and 1.
        """
        if len(self.metrics) == 1:
            return {self.metrics[0].name: self.evaluate(model, data_loader)}
        found = self._predictions(model, data_loader, self.settings.group_column)
        return of_predictions(self.metrics, *found.as_numpy())

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> float:
        """Return the first metric of a model over (x, y), by default AUC.

        NaN, with a warning, if it is undefined, as AUC is where only one class occurs.

        Raises:
            ValueError: There are no labels, or others than 0 and 1.
        """
        first = self.metrics[:1]
        group_column = self.settings.group_column if first[0].needs != "predictions" else None
        found = self._predictions(model, data_loader, group_column)
        return of_predictions(first, *found.as_numpy())[first[0].name]

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[float]:
        """Return the probability of each row of x or (x, y); y is ignored."""
        found = self.evaluation.predictions(model, data_loader, self._predictor(model))
        probabilities: list[float] = widened(found.scores).tolist()
        return probabilities

    def to_plot(self, val_dataloader: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Return the labels and probabilities of the validation data."""
        if val_dataloader is None:
            return None
        labels, probabilities, *_ = self._predictions(self.model, val_dataloader).as_numpy()
        return labels, probabilities

    def _predictions(
        self, model: nn.Module, data_loader: Iterable[Any], group_column: str | None = None
    ) -> Predictions:
        predict = self._predictor(model)
        return self.evaluation.predictions(model, data_loader, predict, _flat, group_column)

    def _predictor(self, model: nn.Module) -> Callable[[Any], Tensor]:
        """Return a function from x to the probabilities (B,) of a model."""
        return lambda x: _flat(model(x) if self.loss_mode else model(x)[0])


def _flat(values: Tensor) -> Tensor:
    return values.reshape(-1)
