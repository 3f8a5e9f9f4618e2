"""Training of models that predict the probability of a click."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..basic.layers.precision import widened
from ..data.batch import labelled_batch
from ..data.labels import check_binary, warn_of_one_class
from ..metrics.prediction import auc_score
from ..objectives.logits import logits_of
from ..training.evaluation import predictions_of
from ..training.settings import Folder, Settings, TrainerOptions
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class CTRTrainer(Trainer):
    """Trains a ranking model on labels 0 and 1 with binary cross-entropy; validates by AUC.

    Where the model has a method `logits`, the loss is computed from its logits, which neither
    saturates nor loses gradients; otherwise, or after `criterion` was replaced, from the
    probabilities that `forward` returns. Recorded each epoch: train/loss, learning_rate, val/auc.

    Args:
        model: Maps a dict of tensors to probabilities (B,).
        optimizer_fn: Class of the optimizer.
        optimizer_params: Its arguments; None means lr=1e-3, weight_decay=1e-5.
        regularization_params: Arguments of `RegularizationLoss`; None means no penalty.
        scheduler_fn: Class of the learning-rate schedule: any of torch's; None means none.
        scheduler_params: Its arguments.
        n_epoch: Number of epochs at most.
        earlystop_patience: Epochs without a better validation AUC after which training stops.
        device: Where to train.
        gpus: Indices of two or more GPUs to share each batch, in place of `device`; fewer, or a
            machine without CUDA, leave it at `device`, with a warning.
        loss_mode: False if the model returns (prediction, a further loss to add).
        model_path: Folder for `model.pth`, the weights of the best epoch; created if need be.
        model_logger: A logger, or a list of them; None records nothing and costs nothing.
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

    monitor = "val/auc"

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
        settings = Settings.of(locals(), options)
        super().__init__(model, settings)
        self.loss_mode = loss_mode
        self.recorded = {"loss_mode": loss_mode}
        self.evaluate_fn: Callable[[Any, Any], float] = auc_score
        self.criterion: nn.Module = _BCE
        self._probabilities = settings.parallel(self.model)
        logits = logits_of(model)
        self._logits = None if logits is None else settings.parallel(logits)

    def losses(self, batch: Any) -> Tensor:
        """Binary cross-entropy of a batch, and the model's further loss where it returns one."""
        x, y = labelled_batch(batch)
        on_logits = self._logits is not None and self.criterion is _BCE
        output = self._logits(x) if on_logits else self._probabilities(x)  # type: ignore[misc]
        prediction, further = (output, 0.0) if self.loss_mode else output
        loss_fn = F.binary_cross_entropy_with_logits if on_logits else self.criterion
        prediction = widened(prediction.reshape(-1))
        loss: Tensor = loss_fn(prediction, y.reshape(-1).to(prediction.dtype)) + further
        return loss

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Refuse labels other than 0 and 1; warn where those to validate on are all the same."""
        check_binary(y)
        if validation:
            warn_of_one_class(y)

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> float:
        """The AUC of a model over (x, y); NaN, with a warning, where only one class occurs.

        Raises:
            ValueError: There are no labels, or others than 0 and 1.
        """
        return self.evaluate_fn(*self.labelled_predictions(model, data_loader))

    def labelled_predictions(
        self, model: nn.Module, data_loader: Iterable[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """The labels and the probabilities (N,) of a model over (x, y).

        Raises:
            ValueError: There are no labels.
        """
        found = predictions_of(self.feed, model, data_loader, self._of(model), _flat)
        labels, predictions = (widened(part).numpy() for part in found)
        return labels, predictions

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[float]:
        """The probability of each row of x or (x, y), of which y is not used."""
        found = predictions_of(self.feed, model, data_loader, self._of(model))[1]
        probabilities: list[float] = widened(found).tolist()
        return probabilities

    def _of(self, model: nn.Module) -> Callable[[Any], Tensor]:
        """What maps x to the probabilities (B,) of a model."""
        return lambda x: _flat(model(x) if self.loss_mode else model(x)[0])


def _flat(values: Tensor) -> Tensor:
    return values.reshape(-1)


_BCE = nn.BCELoss()
