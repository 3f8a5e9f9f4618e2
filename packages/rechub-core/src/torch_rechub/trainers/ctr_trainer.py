"""Training of models that predict the probability of a click."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..basic.metric import auc_score
from .batches import split_batch
from .checks import check_binary, warn_of_one_class
from .logits import logits_of
from .trainer import Trainer


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
        gpus: Indices of GPUs to train on side by side; overrides `device`.
        loss_mode: False if the model returns (prediction, a further loss to add).
        model_path: Folder for `model.pth`, the weights of the best epoch; created if need be.
        model_logger: A logger, or a list of them; None records nothing and costs nothing.
        scheduler_step: Whether the schedule moves each "epoch" or each "batch".
        progress: Whether to show a progress bar; None means on a terminal.

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
        model_path: str | os.PathLike[str] = "./",
        model_logger: Any = None,
        *,
        scheduler_step: str = "epoch",
        progress: bool | None = None,
    ) -> None:
        super().__init__(
            model,
            optimizer_fn=optimizer_fn,
            optimizer_params=optimizer_params,
            regularization_params=regularization_params,
            scheduler_fn=scheduler_fn,
            scheduler_params=scheduler_params,
            n_epoch=n_epoch,
            earlystop_patience=earlystop_patience,
            device=device,
            gpus=gpus,
            model_path=model_path,
            model_logger=model_logger,
            scheduler_step=scheduler_step,
            progress=progress,
        )
        self.loss_mode = loss_mode
        self.evaluate_fn: Callable[[Any, Any], float] = auc_score
        self.criterion: nn.Module = _BCE
        self._probabilities = self.parallel(self.model)
        logits = logits_of(model)
        self._logits = None if logits is None else self.parallel(logits)

    def losses(self, batch: Any) -> Tensor:
        """Binary cross-entropy of a batch, and the model's further loss where it returns one."""
        x, y = split_batch(batch)
        if y is None:
            raise ValueError("training needs labels: the loader must yield (x, y)")
        on_logits = self._logits is not None and self.criterion is _BCE
        output = self._logits(x) if on_logits else self._probabilities(x)  # type: ignore[misc]
        prediction, further = (output, 0.0) if self.loss_mode else output
        loss_fn = F.binary_cross_entropy_with_logits if on_logits else self.criterion
        loss: Tensor = loss_fn(prediction.reshape(-1), y.reshape(-1).float()) + further
        return loss

    def validate(self, data_loader: Iterable[Any]) -> dict[str, float]:
        """The AUC of a validation pass."""
        return {"val/auc": self.evaluate(self.model, data_loader)}

    def check_labels(self, y: Tensor) -> None:
        """Refuse labels other than 0 and 1."""
        check_binary(y)

    def check_validation_labels(self, y: Tensor) -> None:
        """Refuse labels other than 0 and 1; warn where they are all the same."""
        check_binary(y)
        warn_of_one_class(y)

    def hyperparams(self) -> dict[str, Any]:
        """The settings to record when training starts."""
        return {**super().hyperparams(), "loss_mode": self.loss_mode}

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> float:
        """The AUC of a model.

        Args:
            model: Maps a dict of tensors to probabilities (B,).
            data_loader: Yields (x, y).

        Returns:
            The AUC; NaN, with a warning, where only one class or no row occurs.

        Raises:
            ValueError: There are no labels, or others than 0 and 1.
        """
        labels, predictions = self._pass(model, data_loader, labels=True)
        if len(labels) != len(predictions):
            raise ValueError("evaluation needs labels: the loader must yield (x, y)")
        return self.evaluate_fn(labels.numpy(), predictions.numpy())

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[float]:
        """The predictions of a model.

        Args:
            model: Maps a dict of tensors to probabilities (B,).
            data_loader: Yields x, or (x, y), of which y is not used.

        Returns:
            One probability a row, in the order of the loader.
        """
        predictions: list[float] = self._pass(model, data_loader, labels=False)[1].tolist()
        return predictions

    def _pass(
        self, model: nn.Module, data_loader: Iterable[Any], labels: bool
    ) -> tuple[Tensor, Tensor]:
        """The labels (empty where there are none) and the predictions of every row."""
        model.eval()
        truth: list[Tensor] = [torch.empty(0)]
        predictions: list[Tensor] = [torch.empty(0)]
        bar = self.feed.bar(data_loader, "predict")
        with torch.inference_mode():
            for batch in self.feed(data_loader, bar, model=model, labels=labels):
                x, y = split_batch(batch)
                output = model(x)
                predictions.append((output if self.loss_mode else output[0]).reshape(-1).cpu())
                truth += [] if y is None else [y.reshape(-1).cpu()]
        return torch.cat(truth), torch.cat(predictions).float()


_BCE = nn.BCELoss()
