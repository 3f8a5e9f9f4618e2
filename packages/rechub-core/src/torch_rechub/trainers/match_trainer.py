"""Training of models that retrieve items for users."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..basic.metric import auc_score
from .batches import split_batch
from .checkpoint import load_weights
from .checks import check_binary, check_inputs, check_not_empty, warn_of_one_class
from .in_batch_objective import InBatch
from .match_objectives import ListWise, Objective, PairWise, PointWise, columns_in_use, prediction
from .trainer import Trainer


class MatchTrainer(Trainer):
    """Trains a retrieval model on single rows, pairs, lists, or the items of a batch.

    Recorded each epoch: train/loss, learning_rate, val/auc, the chance that a positive scores above
    a negative. The arguments not listed here are those of `CTRTrainer`.

    Args:
        model: Maps a dict of tensors to what `mode` says; see `models.matching`.
        mode: 0, point-wise: probabilities (B,) and labels 0 and 1; 1, pair-wise: (positive scores,
            negative scores); 2, list-wise: logits (B, C), the positive in column y (0, mostly).
        in_batch_neg: Whether the negatives are the items of the batch's other rows, for any model
            with `user_tower` and `item_tower`; its data need no columns of negatives. In mode 0,
            rows of label 0 are then no positives, unless all labels of a batch are 0.
        in_batch_neg_ratio: In-batch negatives a row; None takes all other rows.
        hard_negative: Whether to take those of highest score instead of drawing them.
        sampler_seed: Makes the draw reproducible; None draws from torch's global random state.
        item_frequency: Corrects in-batch negatives, which are drawn by popularity and so unteach
            it (logQ correction): {column of item ids: how often each id occurs in training}, as
            `{"item": np.bincount(items, minlength=vocab_size)}`. `val/auc` judges the uncorrected
            scores against such negatives; measure retrieval with `evaluate_retrieval`.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.matching import DSSM
        >>> users, items = [SparseFeature("user", 9)], [SparseFeature("item", 9)]
        >>> model = DSSM(users, items, {"dims": [8]}, {"dims": [8]}, temperature=0.1)
        >>> folder, x = tempfile.mkdtemp(), {"user": torch.arange(9), "item": torch.arange(9)}
        >>> trainer = MatchTrainer(model, in_batch_neg=True, n_epoch=1, model_path=folder)
        >>> trainer.fit([x])
        >>> trainer.inference_embedding(model, "user", [{"user": torch.arange(5)}], folder).shape
        torch.Size([5, 8])
    """

    monitor = "val/auc"

    def __init__(
        self,
        model: nn.Module,
        mode: int = 0,
        in_batch_neg: bool = False,
        in_batch_neg_ratio: int | None = None,
        hard_negative: bool = False,
        sampler_seed: int | None = None,
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        regularization_params: Mapping[str, float] | None = None,
        scheduler_fn: Callable[..., Any] | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        earlystop_patience: int = 10,
        device: str | torch.device = "cpu",
        gpus: list[int] | None = None,
        model_path: str | os.PathLike[str] = "./",
        model_logger: Any = None,
        *,
        scheduler_step: str = "epoch",
        progress: bool | None = None,
        item_frequency: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        if item_frequency is not None and not in_batch_neg:
            raise ValueError("item_frequency corrects in-batch negatives: set in_batch_neg=True")
        if mode not in (0, 1, 2):
            raise ValueError(f"mode must be 0 (points), 1 (pairs) or 2 (lists), got {mode!r}")
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
        self.mode, self.in_batch_neg = mode, in_batch_neg
        self.log_q_correction = item_frequency is not None
        self.objective: Objective
        if in_batch_neg:
            sampling = (in_batch_neg_ratio, hard_negative, sampler_seed, mode == 0, self.device)
            self.objective = InBatch(self.model, self.parallel, *sampling, item_frequency)
        else:
            self.objective = (PointWise, PairWise, ListWise)[mode](self.model, self.parallel)
        self.criterion = self.objective.criterion
        self.evaluate_fn: Callable[[Any, Any], float] = auc_score

    def losses(self, batch: Any) -> Tensor:
        """The loss of a batch, by the mode."""
        return self.objective.loss(*split_batch(batch), self.criterion)

    def loss_count(self, batch: Any) -> int | Tensor:
        """How many rows or pairs the loss of a batch is the mean of."""
        return self.objective.count(*split_batch(batch))

    def validate(self, data_loader: Iterable[Any]) -> dict[str, float]:
        """The AUC of a validation pass."""
        return {"val/auc": self.evaluate(self.model, data_loader)}

    def check_inputs(self, model: nn.Module, x: Any) -> None:
        """Refuse inputs as every trainer does; columns that no tower in use reads may lack."""
        check_inputs(model, x, columns_in_use(model, self.in_batch_neg))

    def check_labels(self, y: Tensor) -> None:
        """Refuse labels other than 0 and 1 in mode 0."""
        if self.mode == 0:
            check_binary(y)

    def check_validation_labels(self, y: Tensor) -> None:
        """The same; warn where labels are judged and all the same."""
        self.check_labels(y)
        if self.mode == 0 and not self.in_batch_neg:
            warn_of_one_class(y)

    def extra_state(self) -> dict[str, Any]:
        """The state of the sampler of negatives."""
        return self.objective.state()

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self.objective.load_state(state)

    def hyperparams(self) -> dict[str, Any]:
        """The settings to record when training starts."""
        own = {"loss_mode": self.mode, "in_batch_neg": self.in_batch_neg}
        own["log_q_correction"] = self.log_q_correction
        return {**super().hyperparams(), **own}

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> float:
        """The AUC of a model: of labels in mode 0, else of positives against negatives, pooled.

        With in-batch negatives they are items of other rows, unless mode 0 finds both labels. NaN,
        with a warning, where only one class occurs.
        """
        model.eval()
        with torch.inference_mode():
            bar = self.feed.bar(data_loader, "evaluate")
            labels, scores = self.objective.judge(model, self.feed(data_loader, bar, model=model))
        return self.evaluate_fn(labels.numpy(), scores.numpy())

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[Any]:
        """What a model returns for each row, a probability or scores; of pairs, the positives'."""
        return [row for part in self._outputs(model, data_loader) for row in part.tolist()]

    def inference_embedding(
        self,
        model: nn.Module,
        mode: str,
        data_loader: Iterable[Any],
        model_path: str | os.PathLike[str],
    ) -> Tensor:
        """The embeddings (N, D) of users or items, on the CPU, by the weights in `model_path`.

        Args:
            model: Takes the weights; its `mode` is afterwards what it was.
            mode: "user" or "item"; AssertionError if another.
            data_loader: Yields dicts of tensors; those of the other tower may lack.
            model_path: Folder of `model.pth`.
        """
        if mode not in ("user", "item"):
            raise AssertionError(f"mode must be 'user' or 'item', got {mode!r}")
        check_not_empty(data_loader, "data_loader")
        model.load_state_dict(load_weights(Path(model_path) / self.weights_file, self.device))
        before = getattr(model, "mode", None)
        model.to(self.device).mode = mode  # type: ignore[assignment]
        try:
            return torch.cat(self._outputs(model, data_loader))
        finally:
            model.mode = before  # type: ignore[assignment]

    def _outputs(self, model: nn.Module, data_loader: Iterable[Any]) -> list[Tensor]:
        model.eval()
        bar = self.feed.bar(data_loader, "predict")
        with torch.no_grad():
            batches = self.feed(data_loader, bar, model=model, labels=False)
            return [prediction(model, split_batch(batch)[0]) for batch in batches]
