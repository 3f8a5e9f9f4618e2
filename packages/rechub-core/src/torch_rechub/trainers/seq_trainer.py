"""`SeqTrainer`: training of next-item models."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..basic.layers.values import check_column
from ..data.batch import Batch
from ..export.trained import ExportsSequences
from ..losses import BatchLoss
from ..metrics.computing import RankedLists, of_lists
from ..metrics.monitor import Metric, Needs, metric_named
from ..metrics.ranking import top_ks
from ..objectives.next_item import Predictor, described_params, item_loss, require_mean
from ..objectives.next_item_metrics import (
    SEQUENCE_METRICS,
    Evaluated,
    evaluation_step,
    hits_of,
    mean_loss,
)
from ..objectives.sampled_items import drawing_parts
from ..training.checks import vocab_size_of
from ..training.saving_sequences import SavesSequences
from ..training.sequence_inference import InfersSequences
from ..training.settings import Folder, Settings, TrainerOptions, known_options
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SeqTrainer(SavesSequences, InfersSequences, ExportsSequences, Trainer):  # type: ignore[misc]
    """Trains a model to predict the next token at each position of a sequence.

    L = −(1/|P|) Σ_{(b,t) ∈ P} ln softmax(ŷ_{b,t})[token_{b,t+1}]

    The last token of a sequence predicts its target. Token 0, padding at either end, is masked, and
    not a candidate. P are the predictions of a batch; the loss of an epoch is the mean over all
    predictions. Recorded each epoch: train/loss, learning_rate, val/loss, and val/accuracy, the
    share of targets with the highest score. `EncodesSequences` and `ScoresLinearly` models are
    trained without storing all logits. Arguments not listed here are those of `CTRTrainer`.

    Args:
        model: A model from tokens (B, L) and times (B, L) to logits (B, L, V).
        loss_type: "cross_entropy"; "nce", the same of logits divided by a temperature of 0.1; or
            "sampled_softmax", "gbce", "bpr_max" or "bce", which train on drawn negatives, without
            the logits of all items. Their val/loss is cross-entropy over all items.
        loss_params: Arguments of `CrossEntropyLoss`, of `NCELoss`, or of `SampledItemLoss`
            (`objectives.sampled_items`), such as n_negatives and seed. `fit` needs the mean: other
            reductions are for losses computed by hand, `trainer.loss_fn(logits, items)`.
        exclude_seen: As in `evaluate_topk`, for ranking metrics of validation, such as "ndcg@10".
        options: See `TrainerOptions`. `metrics` may be "loss", "accuracy" and ranking metrics at k;
            `monitor` is "val/accuracy" by default, and "val/loss" is steadier.

    Raises:
        ValueError: `loss_type` or `reduction` is unknown, or in `fit` not a mean.

    Example:
        >>> import tempfile
        >>> from torch_rechub.models.generative import HSTUModel
        >>> from torch_rechub.utils.data import SequenceDataGenerator
        >>> tokens, times = torch.randint(1, 20, (40, 6)), torch.randint(0, 9999, (40, 6))
        >>> data = SequenceDataGenerator(tokens, torch.arange(6).repeat(40, 1), tokens[:, 0], times)
        >>> train, val, test = data.generate_dataloader(10, split_ratio=(0.6, 0.2, 0.2))
        >>> model = HSTUModel(20, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=6)
        >>> trainer = SeqTrainer(model, n_epoch=2, model_path=tempfile.mkdtemp())
        >>> losses = trainer.fit(train, val)["train_loss"]
        >>> sorted(trainer.evaluate_topk(test, topKs=[5]))
        ['hit@5', 'mrr@5', 'ndcg@5']
    """

    model_inputs = "items"
    default_metrics = ("loss", "accuracy")
    own_metrics = SEQUENCE_METRICS
    measured: tuple[Needs, ...] = ("hits",)

    def __init__(
        self,
        model: nn.Module,
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        scheduler_fn: Callable[..., Any] | str | None = None,
        scheduler_params: Mapping[str, Any] | None = None,
        n_epoch: int = 10,
        earlystop_patience: int = 10,
        device: str | torch.device = "cpu",
        gpus: list[int] | None = None,
        model_path: Folder = "./",
        loss_type: str = "cross_entropy",
        loss_params: Mapping[str, Any] | None = None,
        model_logger: Any = None,
        *,
        exclude_seen: bool = False,
        **options: "Unpack[TrainerOptions]",
    ) -> None:
        settings = Settings(
            optimizer_fn=optimizer_fn, optimizer_params=optimizer_params,
            scheduler_fn=scheduler_fn, scheduler_params=scheduler_params,
            n_epoch=n_epoch, earlystop_patience=earlystop_patience, device=device, gpus=gpus,
            model_path=model_path, model_logger=model_logger,
            **known_options(SeqTrainer, options),
        )  # fmt: skip
        super().__init__(model, settings)
        self.exclude_seen = exclude_seen
        params = dict(loss_params or {})
        self.recorded = {"loss_type": loss_type, "loss_params": described_params(params)}
        self.loss_fn = item_loss(loss_type, params, vocab_size_of(model), self.device)
        self.stateful |= drawing_parts(self.loss_fn)
        self._predict = Predictor(self.model, settings.parallel)

    def fit(
        self,
        train_dataloader: Iterable[Any],
        val_dataloader: Iterable[Any] | None = None,
        *,
        resume: bool = False,
        test_dataloader: Any = None,
    ) -> dict[str, list[float]]:
        """Train as `Trainer.fit`; return train_loss, val_loss, val_accuracy: lists, by epoch."""
        require_mean(self.loss_fn)
        data = (train_dataloader, val_dataloader)
        super().fit(*data, resume=resume, test_dataloader=test_dataloader)
        names = ("train/loss", "val/loss", "val/accuracy")
        return {n.replace("/", "_"): [r[n] for r in self.history if n in r] for n in names}

    def losses(self, batch: Batch) -> BatchLoss:
        """Return the mean loss of the predictions of a batch."""
        require_mean(self.loss_fn)
        return self._predict.loss(batch, self.loss_fn)

    def default_monitor(self) -> str:
        """The default of the metric to monitor: accuracy, if computed, else the first metric."""
        return "val/accuracy" if "accuracy" in self.named_metrics() else super().default_monitor()

    def measure(self, model: nn.Module, data_loader: Iterable[Any]) -> dict[str, float]:
        """The metrics of the model, by name; `model` must be the one being trained."""
        if tuple(metric.name for metric in self.metrics) == self.default_metrics:
            return dict(zip(self.default_metrics, self.evaluate(data_loader), strict=True))
        results, ranked = self._evaluated(data_loader, self.metrics, self.exclude_seen)
        values = of_lists([m for m in self.metrics if m.name != "loss"], ranked)
        values["loss"] = mean_loss(results)
        return {metric.name: values[metric.name] for metric in self.metrics}

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Refuse targets outside the model's vocabulary."""
        check_column(y, "targets", vocab_size_of(self.model))

    def evaluate(self, data_loader: Iterable[Any]) -> tuple[float, float]:
        """Return the mean loss of all predictions, and the share of targets with the highest score.

        Args:
            data_loader: Yields (tokens, positions, time_diffs, targets). Sequences without tokens,
                or with target 0, do not count; NaN, with a warning, if none does.
        """
        loss, accuracy = SEQUENCE_METRICS["loss"], SEQUENCE_METRICS["accuracy"]
        results, ranked = self._evaluated(data_loader, (loss, accuracy))
        return mean_loss(results), of_lists([accuracy], ranked)["accuracy"]

    def evaluate_topk(
        self, data_loader: Iterable[Any], topKs: Iterable[int] = (10,), exclude_seen: bool = False
    ) -> dict[str, float]:
        """Return ranking metrics of the targets among all items, averaged over sequences.

        With r the rank of a target, ties broken by the lower id: if r ≤ K, hit@K is 1, ndcg@K is
        1/log₂(r + 1) and mrr@K is 1/r; otherwise they are 0.

        Args:
            data_loader: Yields (tokens, positions, time_diffs, targets).
            topKs: The Ks.
            exclude_seen: Whether to exclude the items of a sequence; a target among them is missed.

        Returns:
            {"hit@10": …, "ndcg@10": …, "mrr@10": …}; NaN with a warning if no sequence counts.

        Raises:
            ValueError: A K is below 1, or no K is given.
        """
        metrics = [metric_named(f"{m}@{k}") for k in top_ks(topKs) for m in ("hit", "ndcg", "mrr")]
        return of_lists(metrics, self._evaluated(data_loader, metrics, exclude_seen)[1])

    def _evaluated(
        self, data_loader: Iterable[Any], metrics: Sequence[Metric], exclude_seen: bool = False
    ) -> tuple[list[Evaluated], RankedLists]:
        """Return the results of all batches that the metrics need."""
        step, k = evaluation_step(self._predict, self.loss_fn, metrics, exclude_seen)
        results = self.evaluation(self.model, data_loader, step)
        return results, hits_of(results, k, exclude_seen)
