"""`MatchTrainer`: training of retrieval models."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..data.batch import Batch
from ..data.labels import check_binary, warn_of_one_class
from ..export.trained import ExportsTowers
from ..losses import BatchLoss
from ..metrics.monitor import Metric, metric_named
from ..models.auxiliary import auxiliary_loss
from ..models.towers import columns_in_use, prediction
from ..objectives.in_batch_settings import in_batch_settings
from ..objectives.matching_losses import make_objective
from ..objectives.retrieval import RetrievalData
from ..training.checks import check_inputs
from ..training.monitoring import EvaluateFn
from ..training.reporting.hyperparams import describe_loss, describe_matching
from ..training.retrieval_validation import ValidatesRetrieval
from ..training.saving_items import SavesTowers
from ..training.settings import Folder, LossOptions, Settings, known_options
from ..training.tower_inference import InfersTowers
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class MatchTrainer(SavesTowers, InfersTowers, ExportsTowers, ValidatesRetrieval, Trainer):
    """Trains a retrieval model point-wise, pair-wise, list-wise, or with in-batch negatives.

    Recorded each epoch: train/loss, learning_rate, val/auc, the probability that a positive scores
    above a negative. The arguments not listed here are those of `CTRTrainer`.

    Args:
        model: A model from a dict of tensors to the output of `mode`; see `models.matching`.
        mode: 0, point-wise: probabilities (B,) and labels 0 and 1; 1, pair-wise: (positive scores,
            negative scores); 2, list-wise: logits (B, C), the positive in column y (0, mostly).
        in_batch_neg: Whether the negatives are the items of the batch's other rows, for any model
            with `user_tower` and `item_tower`; its data need no columns of negatives. In mode 0,
            rows with label 0 are then not positives, unless all labels of a batch are 0.
        in_batch_neg_ratio: Number of in-batch negatives per row; None means all other rows.
        hard_negative: Whether to take the negatives with the highest scores instead of drawing.
        sampler_seed: Seed of the draws; None means torch's global random state.
        cross_batch_negatives: Number of items of earlier batches used as additional in-batch
            negatives, with the vectors that were computed then.
        cross_batch_warmup: Number of batches of `fit` before they are used: about an epoch, while
            item vectors change quickly.
        item_frequency: The logQ correction of in-batch negatives, which are distributed by
            popularity: {column of item ids: count of each id in training}, such as
            `{"item": np.bincount(items, minlength=vocab_size)}`. `val/auc` scores the uncorrected
            scores against such negatives; validate by `retrieval` instead. In mode 2 it names the
            column of the negatives, and how often each id is drawn.
        retrieval: Users, catalog, relevant and seen items to validate retrieval on, each epoch:
            val/ndcg@k, val/hit@k, val/recall@k and val/mrr@k, or the `metrics` given, the first of
            them monitored; and val/auc if `fit` is given validation data.
        options: See `TrainerOptions`. `loss` is "binary_cross_entropy" or "focal" in mode 0; "bpr",
            "hinge" or "bce" in mode 1; "sampled_softmax", "gbce", "bpr_max" or "bce" in mode 2 and
            of in-batch negatives: the first by default, or a module in its place.

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

    model_inputs = "columns"
    evaluate_fn = EvaluateFn()

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
        scheduler_fn: Callable[..., Any] | str | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        earlystop_patience: int = 10,
        device: str | torch.device = "cpu",
        gpus: list[int] | None = None,
        model_path: Folder = "./",
        model_logger: Any = None,
        *,
        cross_batch_negatives: int = 0,
        cross_batch_warmup: int = 0,
        item_frequency: Mapping[str, ArrayLike] | None = None,
        retrieval: RetrievalData | None = None,
        **options: "Unpack[LossOptions]",
    ) -> None:
        settings = Settings(
            optimizer_fn=optimizer_fn, optimizer_params=optimizer_params,
            scheduler_fn=scheduler_fn, scheduler_params=scheduler_params,
            regularization_params=regularization_params, n_epoch=n_epoch,
            earlystop_patience=earlystop_patience, device=device, gpus=gpus,
            model_path=model_path, model_logger=model_logger,
            **known_options(MatchTrainer, options, LossOptions),
        )  # fmt: skip
        self.retrieval, self.item_frequency = retrieval, item_frequency
        super().__init__(model, settings)
        self.mode, self.in_batch_neg = mode, in_batch_neg
        in_batch = in_batch_settings(
            in_batch_neg, in_batch_neg_ratio, hard_negative, sampler_seed,
            cross_batch_negatives, cross_batch_warmup,
        )  # fmt: skip
        drawn = None if in_batch is None else asdict(in_batch)
        self.recorded = describe_matching(mode, drawn, item_frequency is not None)
        self.objective = make_objective(
            self.model, mode, in_batch, item_frequency, settings.parallel, self.device,
            settings.loss, settings.loss_params,
        )  # fmt: skip
        self.stateful["negatives"] = self.objective
        self.criterion = self.objective.criterion
        self.recorded |= describe_loss(settings, self.criterion)

    def _start(self, train: Any, val: Any, resume: bool) -> Any:
        self.objective.reset()
        return super()._start(train, val, resume)

    def losses(self, batch: Batch) -> BatchLoss:
        """Return the loss of a batch by the mode, and the model's auxiliary loss if it has one."""
        loss = self.objective.loss(batch, self.criterion)
        auxiliary = auxiliary_loss(self.model, batch, None, batch.labels)
        return replace(loss, losses=loss.scalars()[0] + auxiliary)

    def check_inputs(self, model: nn.Module, x: Any) -> None:
        """Check the inputs; columns of towers that are not in use may be missing."""
        check_inputs(model, x, columns_in_use(model, self.in_batch_neg))

    def check_model(self, batch: Batch) -> None:
        """Refuse a model whose output does not suit the mode."""
        if not self.in_batch_neg:
            self.objective.check_output(batch)

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Refuse labels other than 0 and 1 in mode 0; warn of constant validation labels."""
        if self.mode == 0:
            check_binary(y)
            if validation and not self.in_batch_neg:
                warn_of_one_class(y)

    def evaluate(self, model: nn.Module, data_loader: Iterable[Any]) -> float:
        """Return the AUC of a model: of labels in mode 0, else of positives against negatives.

        With in-batch negatives they are items of other rows, unless mode 0 finds both labels. NaN,
        with a warning, where only one class occurs.
        """
        first = [m for m in self.metrics if m.needs == "predictions"] or [metric_named("auc")]
        return self._of_scores(model, data_loader, first[:1])[first[0].name]

    def _of_scores(
        self, model: nn.Module, data_loader: Iterable[Any], metrics: Sequence[Metric]
    ) -> dict[str, float]:
        results = self.evaluation(model, data_loader, self.objective.scorer(model))
        return self.objective.pooled(results).measured(metrics)

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> list[Any]:
        """Return the output of a model for each row; in mode 1, that of positives."""
        found = self.evaluation.predictions(model, data_loader, partial(prediction, model))
        return list(found.scores.tolist())
