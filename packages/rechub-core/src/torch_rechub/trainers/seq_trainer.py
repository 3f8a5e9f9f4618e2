"""Training of models that predict the next item of a sequence."""

import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..basic.layers.inputs import check_column
from ..basic.ranking_metric import ranking_metrics_from_hits, top_ks
from .next_item import PADDING, Predictor, item_loss, next_items, sequences
from .trainer import Trainer

log = logging.getLogger("torch_rechub")


class SeqTrainer(Trainer):
    """Trains a model to predict, at each position of a sequence, the token that follows.

    L = −(1/|P|) Σ_{(b,t) ∈ P} ln softmax(ŷ_{b,t})[token_{b,t+1}]

    The last token of a sequence predicts its target. Token 0, padding at either end, neither
    predicts nor is predicted, nor is it a candidate. P are the predictions of a batch; an epoch's
    loss is the mean over all predictions, whatever batches they came in. Validates by the share of
    targets that get the highest score. Recorded each epoch: train/loss, learning_rate, val/loss,
    val/accuracy.

    Where the model has `encode(tokens, time_diffs)`, its hidden states, and `score(hidden)`, their
    logits, it is asked for logits only where something is predicted.

    Args:
        model: Maps tokens (B, L) and times (B, L) to logits (B, L, V).
        optimizer_fn: Class of the optimizer.
        optimizer_params: Its arguments; None means lr=1e-3, weight_decay=1e-5.
        scheduler_fn: Class of the learning-rate schedule: any of torch's; None means none.
        scheduler_params: Its arguments.
        n_epoch: Number of epochs at most.
        earlystop_patience: Epochs without a better accuracy after which training stops.
        device: Where to train.
        gpus: Indices of GPUs to train on side by side; overrides `device`.
        model_path: Folder for `model.pth`, the weights of the best epoch; created if need be.
        loss_type: "cross_entropy", or "nce": the same of logits divided by a temperature of 0.1.
        loss_params: Arguments of `CrossEntropyLoss`, or of `NCELoss`.
        model_logger: A logger, or a list of them; None records nothing and costs nothing.
        scheduler_step: Whether the schedule moves each "epoch" or each "batch".
        progress: Whether to show a progress bar; None means on a terminal.

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

    monitor = "val/accuracy"

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
        model_path: str | os.PathLike[str] = "./",
        loss_type: str = "cross_entropy",
        loss_params: Mapping[str, Any] | None = None,
        model_logger: Any = None,
        *,
        scheduler_step: str = "epoch",
        progress: bool | None = None,
    ) -> None:
        super().__init__(
            model,
            optimizer_fn=optimizer_fn,
            optimizer_params=optimizer_params,
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
        self.loss_type = loss_type
        self.loss_fn = item_loss(loss_type, dict(loss_params or {})).to(self.device)
        self._predict = Predictor(self.model, self.parallel)

    def fit(
        self,
        train_dataloader: Iterable[Any],
        val_dataloader: Iterable[Any] | None = None,
        *,
        resume: bool = False,
    ) -> dict[str, list[float]]:
        """Train as `Trainer.fit`; return train_loss, val_loss, val_accuracy: lists, by epoch."""
        super().fit(train_dataloader, val_dataloader, resume=resume)
        names = ("train/loss", "val/loss", "val/accuracy")
        return {n.replace("/", "_"): [r[n] for r in self.history if n in r] for n in names}

    def losses(self, batch: Any) -> Tensor:
        """The mean loss of what a batch predicts."""
        found = self._predict(batch)
        loss: Tensor = self.loss_fn(found.logits, found.items)
        return loss

    def loss_count(self, batch: Any) -> Tensor:
        """How many predictions a batch has."""
        tokens, _, targets = sequences(batch)
        return (next_items(tokens, targets)[0] != PADDING).sum()

    def validate(self, data_loader: Iterable[Any]) -> dict[str, float]:
        """The loss and the accuracy of a validation pass."""
        loss, accuracy = self.evaluate(data_loader)
        return {"val/loss": loss, "val/accuracy": accuracy}

    def check_inputs(self, model: nn.Module, x: Any) -> None:
        """Refuse tokens outside the model's vocabulary."""
        vocab_size = getattr(model, "vocab_size", None)
        if vocab_size is not None and isinstance(x, tuple):
            check_column(x[0], "tokens", vocab_size)

    def check_labels(self, y: Tensor) -> None:
        """Refuse targets outside the model's vocabulary."""
        vocab_size = getattr(self.model, "vocab_size", None)
        if vocab_size is not None:
            check_column(y, "targets", vocab_size)

    def hyperparams(self) -> dict[str, Any]:
        """The settings to record when training starts."""
        return {**super().hyperparams(), "loss_type": self.loss_type}

    @torch.inference_mode()
    def evaluate(self, data_loader: Iterable[Any]) -> tuple[float, float]:
        """The loss and the top-1 accuracy of the model.

        Args:
            data_loader: Yields (tokens, positions, time_diffs, targets).

        Returns:
            The mean loss of all predictions, those inside the sequences among them; and the share
            of sequences whose last token gives the target the highest score of all items.
            Sequences without tokens, or with target 0, do not count; NaN, with a warning, where
            none does.
        """
        self.model.eval()
        losses, right, n = [torch.zeros((), device=self.device)], [], 0
        for batch in self.feed(data_loader, self.feed.bar(data_loader, "evaluate")):
            found = self._predict(batch)
            losses.append(self.loss_fn(found.logits, found.items) * len(found.items))
            n += len(found.items)
            right.append(found.logits[found.last].argmax(dim=1) == found.items[found.last])
        total, hits = torch.stack(losses).cpu().double().sum(), torch.cat(right or [torch.empty(0)])
        loss = float(total) / n if n else math.nan
        if not len(hits):
            log.warning("Accuracy is undefined, no sequence has tokens and a target: it is NaN.")
        return loss, float(hits.cpu().double().mean()) if len(hits) else math.nan

    @torch.inference_mode()
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
        ks = top_ks(topKs)
        self.model.eval()
        bar = self.feed.bar(data_loader, "evaluate")
        ranks = [self._predict.ranks(b, exclude_seen).cpu() for b in self.feed(data_loader, bar)]
        rank = torch.cat([torch.empty(0, dtype=torch.int64), *ranks])
        hits = rank.unsqueeze(1) == torch.arange(1, max(ks) + 1)
        metrics = ranking_metrics_from_hits(hits.numpy(), np.ones(len(rank)), ks)
        return {f"{name}@{k}": metrics[f"{name}@{k}"] for k in ks for name in _TOPK}


_TOPK = ("hit", "ndcg", "mrr")
