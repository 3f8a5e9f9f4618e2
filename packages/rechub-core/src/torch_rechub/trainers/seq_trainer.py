"""Training of models that predict the next item of a sequence."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..basic.layers.inputs import check_column
from ..export import trained
from ..objectives.next_item import Predictor, better_of, item_loss, require_mean
from ..training.settings import Folder, Settings, TrainerOptions
from ..training.trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SeqTrainer(Trainer):
    """Trains a model to predict, at each position of a sequence, the token that follows.

    L = −(1/|P|) Σ_{(b,t) ∈ P} ln softmax(ŷ_{b,t})[token_{b,t+1}]

    The last token of a sequence predicts its target. Token 0, padding at either end, neither
    predicts nor is predicted, nor is it a candidate. P are the predictions of a batch; an epoch's
    loss is the mean over all predictions. Validates by that loss and the accuracy, the share of
    targets that get the highest score. Recorded each epoch: train/loss, learning_rate, val/loss,
    val/accuracy.

    Where the model has `encode(tokens, time_diffs)`, its hidden states, and `score(hidden)`, their
    logits, it is asked for logits only where something is predicted; where it has
    `score_terms(hidden)`, what logits are a linear function of, training does not keep them.
    The arguments not listed here are those of `CTRTrainer`.

    Args:
        model: Maps tokens (B, L) and times (B, L) to logits (B, L, V).
        loss_type: "cross_entropy", or "nce": the same of logits divided by a temperature of 0.1.
        loss_params: Arguments of `CrossEntropyLoss`, or of `NCELoss`. A `reduction` of "sum" or
            "none" is for losses computed by hand, `trainer.loss_fn(logits, items)`; `fit` needs
            the mean.
        monitor: What decides on the best epoch: "val/accuracy", or "val/loss", which is steadier.

    Raises:
        ValueError: `monitor`, `loss_type` or `reduction` is another; in `fit`, a reduction other
            than the mean.

    Example:
        >>> import tempfile
        >>> from torch_rechub.models.generative import HSTUModel
        >>> from torch_rechub.utils.data import SequenceDataGenerator
        >>> tokens, times = torch.randint(1, 20, (40, 6)), torch.randint(0, 9999, (40, 6))
        >>> data = SequenceDataGenerator(tokens, torch.arange(6).repeat(40, 1), tokens[:, 0], times)
        >>> train, val, test = data.generate_dataloader(10, split_ratio=(0.6, 0.2, 0.2))
        >>> model = HSTUModel(20, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=6)
        >>> trainer = SeqTrainer(model, n_epoch=2, model_path=tempfile.mkdtemp())
        >>> sorted(trainer.fit(train, val))
        ['train_loss', 'val_accuracy', 'val_loss']
        >>> sorted(trainer.evaluate_topk(test, topKs=[5]))
        ['hit@5', 'mrr@5', 'ndcg@5']
    """

    export_onnx, visualization = trained.OF_SEQUENCES  # type: ignore[assignment]

    def __init__(
        self,
        model: nn.Module,
        optimizer_fn: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_params: Mapping[str, Any] | None = None,
        scheduler_fn: Callable[..., Any] | None = None,
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
        monitor: str = "val/accuracy",
        **options: "Unpack[TrainerOptions]",
    ) -> None:
        settings = Settings.of({**locals(), "earlystop_mode": better_of(monitor)}, options)
        super().__init__(model, settings)
        self.monitor = monitor
        self.recorded = {"loss_type": loss_type, "loss_params": dict(loss_params or {})}
        self.loss_fn = item_loss(loss_type, dict(loss_params or {})).to(self.device)
        self._predict = Predictor(self.model, settings.parallel)

    def fit(
        self,
        train_dataloader: Iterable[Any],
        val_dataloader: Iterable[Any] | None = None,
        *,
        resume: bool = False,
    ) -> dict[str, list[float]]:
        """Train as `Trainer.fit`; return train_loss, val_loss, val_accuracy: lists, by epoch."""
        require_mean(self.loss_fn)
        super().fit(train_dataloader, val_dataloader, resume=resume)
        names = ("train/loss", "val/loss", "val/accuracy")
        return {n.replace("/", "_"): [r[n] for r in self.history if n in r] for n in names}

    def losses(self, batch: Any) -> Tensor:
        """The mean loss of what a batch predicts."""
        require_mean(self.loss_fn)
        return self._predict.loss(batch, self.loss_fn)

    def loss_count(self, batch: Any) -> Tensor:
        """How many predictions a batch has."""
        return self._predict.count(batch)

    def validate(self, data_loader: Iterable[Any]) -> dict[str, float]:
        """The loss and the accuracy of a validation pass."""
        return dict(zip(("val/loss", "val/accuracy"), self.evaluate(data_loader), strict=True))

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Refuse targets outside the model's vocabulary."""
        check_column(y, "targets", getattr(self.model, "vocab_size", None))

    def evaluate(self, data_loader: Iterable[Any]) -> tuple[float, float]:
        """The loss and the top-1 accuracy of the model.

        Args:
            data_loader: Yields (tokens, positions, time_diffs, targets).

        Returns:
            The mean loss of all predictions, those inside the sequences among them; and the share
            of sequences whose last token gives the target the highest score of all items.
            Sequences without tokens, or with target 0, do not count; NaN, and a warning, if none.
        """
        batches = self.feed(data_loader, self.feed.bar(data_loader, "evaluate"))
        return self._predict.loss_and_accuracy(batches, self.loss_fn)

    def evaluate_topk(
        self, data_loader: Iterable[Any], topKs: Iterable[int] = (10,), exclude_seen: bool = False
    ) -> dict[str, float]:
        """How high the targets rank among all items, each a mean over sequences.

        With r the rank of a target, items of one score ranked by id: where r ≤ K, hit@K is 1,
        ndcg@K is 1/log₂(r + 1) and mrr@K is 1/r; elsewhere they are 0.

        Args:
            data_loader: Yields (tokens, positions, time_diffs, targets).
            topKs: The Ks.
            exclude_seen: Whether the other items of a sequence are left out of its ranking.

        Returns:
            {"hit@10": …, "ndcg@10": …, "mrr@10": …}; NaN with a warning where no sequence counts.

        Raises:
            ValueError: A K is below 1, or none is given.
        """
        batches = self.feed(data_loader, self.feed.bar(data_loader, "evaluate"))
        return self._predict.top_k_metrics(batches, topKs, exclude_seen)
