"""Training of models that retrieve items for users."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from .._paths import local_path
from ..data.batch import split_batch
from ..data.labels import check_binary, warn_of_one_class
from ..export.trained import export_tower_onnx
from ..metrics.prediction import auc_score
from ..objectives.in_batch import make_objective
from ..objectives.matching import columns_in_use, interests_with_mask, one_tower, prediction
from ..training.checkpoints.weights import put_weights
from ..training.checks import check_inputs, check_not_empty
from ..training.evaluation import predictions_of
from ..training.reporting.hyperparams import describe_matching
from ..training.settings import Folder, Settings, TrainerOptions
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack


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
    export_onnx = export_tower_onnx  # type: ignore[assignment]

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
        model_path: Folder = "./",
        model_logger: Any = None,
        *,
        item_frequency: Mapping[str, ArrayLike] | None = None,
        **options: "Unpack[TrainerOptions]",
    ) -> None:
        settings = Settings.of(locals(), options)
        super().__init__(model, settings)
        self.mode, self.in_batch_neg = mode, in_batch_neg
        sampling = (in_batch_neg_ratio, hard_negative, sampler_seed) if in_batch_neg else None
        self.recorded = describe_matching(mode, sampling, item_frequency is not None)
        self.objective = make_objective(
            self.model, mode, sampling, item_frequency, settings.parallel, self.device
        )
        self.stateful["negatives"] = self.objective
        self.criterion = self.objective.criterion
        self.evaluate_fn: Callable[[Any, Any], float] = auc_score

    def losses(self, batch: Any) -> Tensor:
        """The loss of a batch, by the mode; and the model's `auxiliary_loss`, if it has one."""
        x, y = split_batch(batch)
        auxiliary: Callable[..., Any] = getattr(self.model, "auxiliary_loss", lambda x: 0.0)
        return torch.add(self.objective.loss(x, y, self.criterion), auxiliary(x))

    def loss_count(self, batch: Any) -> int | Tensor:
        """How many rows or pairs the loss of a batch is the mean of."""
        return self.objective.count(*split_batch(batch))

    def check_inputs(self, model: nn.Module, x: Any) -> None:
        """Refuse inputs as every trainer does; columns that no tower in use reads may lack."""
        check_inputs(model, x, columns_in_use(model, self.in_batch_neg))

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Refuse labels other than 0 and 1 in mode 0; warn where those to judge are all one."""
        if self.mode == 0:
            check_binary(y)
            if validation and not self.in_batch_neg:
                warn_of_one_class(y)

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> float:
        """The AUC of a model: of labels in mode 0, else of positives against negatives, pooled.

        With in-batch negatives they are items of other rows, unless mode 0 finds both labels. NaN,
        with a warning, where only one class occurs.
        """
        batches = self.feed(data_loader, self.feed.bar(data_loader, "evaluate"), model=model)
        return self.evaluate_fn(*(part.numpy() for part in self.objective.judge(model, batches)))

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[Any]:
        """What a model returns for each row, a probability or scores; of pairs, the positives'."""
        found = predictions_of(self.feed, model, data_loader, partial(prediction, model))[1]
        return list(found.tolist())

    def inference_embedding(
        self, model: nn.Module, mode: str, data_loader: Iterable[Any], model_path: Folder
    ) -> Tensor:
        """The embeddings (N, D) of users or items, on the CPU, by the weights in `model_path`.

        Args:
            model: Takes the weights; its `mode` is afterwards what it was.
            mode: "user" or "item"; AssertionError if another.
            data_loader: Yields dicts of tensors; those of the other tower may lack.
            model_path: Folder of `model.pth`.
        """
        return self._of_tower(model, mode, data_loader, model_path, prediction)

    def inference_interests(
        self, model: nn.Module, data_loader: Iterable[Any], model_path: Folder
    ) -> tuple[Tensor, Tensor]:
        """The interests of users, and which are their own; the others are copies of the first.

        With `users, own` so given, `users[own]` are the rows of an index that holds each interest
        once, and `own.nonzero()[:, 0]` the user of each row.

        Args:
            model: A model of several interests; otherwise as in `inference_embedding`.
            data_loader: Yields dicts of tensors.
            model_path: Folder of `model.pth`.

        Returns:
            Interests (N, K, D) and a mask (N, K), on the CPU. The mask has a False only in `MIND`
            with `dynamic_interest`.

        Raises:
            ValueError: The model has one embedding a user.
        """
        if not hasattr(model, "own_interests"):
            raise ValueError(
                f"{type(model).__name__} has one embedding a user, no interests: use "
                "inference_embedding"
            )
        found = self._of_tower(model, "user", data_loader, model_path, interests_with_mask)
        return found[..., :-1], found[..., -1].bool()

    def _of_tower(
        self,
        model: nn.Module,
        mode: str,
        data_loader: Iterable[Any],
        model_path: Folder,
        output: Callable[[nn.Module, Any], Tensor],
    ) -> Tensor:
        with one_tower(model, mode):
            check_not_empty(data_loader, "data_loader")
            put_weights(model, local_path("model_path", model_path) / self.weights_file)
            model.to(self.device)
            return predictions_of(self.feed, model, data_loader, partial(output, model))[1]
