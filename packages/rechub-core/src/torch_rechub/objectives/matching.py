"""Objectives of retrieval: the loss of a batch, and scores for evaluation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..basic.layers.precision import widened
from ..data.batch import Batch
from ..data.weights import joined_weights
from ..losses import BatchLoss, BinaryCrossEntropy, BPRLoss
from ..losses.binary_cross_entropy import OnLogits
from ..losses.weighted import weighted_loss
from ..metrics.computing import of_predictions
from ..metrics.monitor import Metric
from ..models.logits import logits_of
from ..models.protocols import HasPairLoss, HasTemperature, ValidatesPairs
from .log_q import LogQ
from .row_kinds import refuse_outside


@dataclass(frozen=True)
class Scored:
    """Scores and labels for evaluation.

    Attributes:
        labels: 0 and 1.
        scores: Of the same shape.
        weights: How much each counts, of the same shape; None where all count alike.
    """

    labels: Tensor
    scores: Tensor
    weights: Tensor | None = None

    def on_cpu(self) -> "Scored":
        """The same, flat, in at least single precision, on the CPU."""
        labels, scores, weights = (
            None if part is None else widened(part.reshape(-1)).cpu()
            for part in (self.labels, self.scores, self.weights)
        )
        return Scored(labels, scores, weights)  # type: ignore[arg-type]

    def measured(self, metrics: Sequence[Metric]) -> dict[str, float]:
        """Metrics of the scores, by name."""
        weights = None if self.weights is None else self.weights.numpy()
        return of_predictions(metrics, self.labels.numpy(), self.scores.numpy(), weights=weights)


class Objective:
    """The objective of a retrieval model: its loss and the scores for evaluation.

    Args:
        model: The model being trained.
        parallel: A function that distributes a module over the GPUs.

    Attributes:
        criterion: The loss of the model's output.
    """

    criterion: nn.Module

    def __init__(self, model: nn.Module, parallel: Callable[[nn.Module], nn.Module]) -> None:
        self.model, self.parallel = model, parallel
        self.call = parallel(model)

    def loss(self, batch: Batch, criterion: nn.Module) -> BatchLoss:
        """Return the mean loss of a batch, and the number of rows or pairs."""
        raise NotImplementedError

    def reset(self) -> None:
        """Reset the state for a new training run."""

    def check_output(self, batch: Batch) -> None:
        """Refuse a model whose output does not suit the objective."""
        self.scored(self.model, batch)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for checkpoints."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`."""

    def scorer(self, model: nn.Module) -> Callable[[Batch], Any]:
        """Return the step of an evaluation: a function from a batch to scores on the CPU."""
        return lambda batch: self.scored(model, batch).on_cpu()

    def scored(self, model: nn.Module, batch: Batch) -> Scored:
        """Return the labels and scores of a batch."""
        raise NotImplementedError

    def pooled(self, results: Sequence[Any]) -> Scored:
        """The labels and scores of all batches, from the results of `scorer`."""
        parts = [Scored(torch.empty(0), torch.empty(0)), *results]
        labels, scores = [part.labels for part in parts], [part.scores for part in parts]
        weights = joined_weights([part.weights for part in results])
        return Scored(torch.cat(labels), torch.cat(scores), weights)


class PointWise(Objective):
    """Point-wise objective: binary cross-entropy, on logits at temperature 1 if available.

    With a small temperature τ the sigmoid of cos / τ saturates, and its loss carries no information
    about the order of cosines on one side of 0. Retrieval needs this order, which does not depend
    on τ, so the loss uses τ = 1.
    """

    def __init__(self, model: nn.Module, parallel: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__(model, parallel)
        self.criterion = BinaryCrossEntropy()
        logits = logits_of(model)
        self.logits = None if logits is None else parallel(logits)

    def loss(self, batch: Batch, criterion: nn.Module) -> BatchLoss:
        """Return binary cross-entropy, or the `criterion` of the probabilities."""
        labels = _labels(batch)
        if self.logits is not None and isinstance(criterion, OnLogits):
            logits = widened(self.logits(batch.inputs)) * temperature_of(self.model)
            y = labels.to(logits.dtype)
            return BatchLoss(weighted_loss(criterion, logits, y, batch.weights, True), batch.count)
        scores = widened(_one_a_row(self.call(batch.inputs), labels))
        y = labels.to(scores.dtype)
        return BatchLoss(weighted_loss(criterion, scores, y, batch.weights), batch.count)

    def check_output(self, batch: Batch) -> None:
        """Refuse a model of other than one probability a row."""
        super().check_output(batch)
        if self.logits is None and isinstance(self.criterion, OnLogits | nn.BCELoss):
            refuse_outside(self.model(batch.inputs), self.model, self.criterion)

    def scored(self, model: nn.Module, batch: Batch) -> Scored:
        """Return labels and logits, if available, because probabilities may tie at 1."""
        labels = _labels(batch)
        scores = _one_a_row((logits_of(model) or model)(batch.inputs), labels)
        return Scored(labels, scores, batch.weights)


class PairWise(Objective):
    """Pair-wise objective: BPR, or the model's own loss, on pairs of scores."""

    def __init__(self, model: nn.Module, parallel: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__(model, parallel)
        self.criterion = model.pair_loss if isinstance(model, HasPairLoss) else BPRLoss()

    def loss(self, batch: Batch, criterion: nn.Module) -> BatchLoss:
        """The mean over pairs that are no padding; 0 where there is none."""
        pos, neg, weights = self._pairs(self.model, self.call(batch.inputs), batch)
        if len(pos) == 0:
            return BatchLoss(pos.sum() + neg.sum(), 1)
        count: int | Tensor = batch.count
        if isinstance(self.model, ValidatesPairs):
            count = len(pos) if weights is None else weights.sum()
        return BatchLoss(weighted_loss(criterion, pos, neg, weights), count)

    def scored(self, model: nn.Module, batch: Batch) -> Scored:
        """The positives, labeled 1, and the negatives, labeled 0."""
        pos, neg, weights = self._pairs(model, model(batch.inputs), batch)
        return positives_and_negatives(pos, neg, weights)

    @staticmethod
    def _pairs(model: nn.Module, output: Any, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """The scores of positives and of negatives, and the weights of positives, if any."""
        if not isinstance(output, tuple | list) or len(output) != 2:
            raise ValueError(
                f"mode=1 trains models that return (positive scores, negative scores), not "
                f"{_form(output)}: see the other modes of MatchTrainer"
            )
        pos, neg = output
        if not isinstance(model, ValidatesPairs):
            return pos, neg, batch.weights
        valid = model.valid_pairs(batch.inputs)
        weights = None if batch.weights is None else spread(batch.weights, pos)[valid]
        return pos[valid], neg[valid], weights


class ListWise(Objective):
    """List-wise objective: cross-entropy of logits (B, C) with the positive in column y, or 0.

    Attributes:
        log_q: The correction of the scores of negatives in training, s_k − ln(K q_k), as in
            `SampledSoftmaxLoss`; None means no correction.
    """

    def __init__(self, model: nn.Module, parallel: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__(model, parallel)
        self.criterion = nn.CrossEntropyLoss()
        self.log_q: LogQ | None = None

    def loss(self, batch: Batch, criterion: nn.Module) -> BatchLoss:
        """Return the mean over rows."""
        logits, target = _candidates(self.call(batch.inputs), batch.labels)
        if self.log_q is not None:
            others = F.one_hot(target, logits.shape[1]) == 0
            correction = self.log_q.of_draws(batch.inputs, logits.shape[1] - 1).to(logits.dtype)
            logits = logits - torch.zeros_like(logits).masked_scatter(others, correction)
        return BatchLoss(weighted_loss(criterion, logits, target, batch.weights), batch.count)

    def scored(self, model: nn.Module, batch: Batch) -> Scored:
        """Return the positives, labeled 1, and all other candidates, labeled 0."""
        logits, target = _candidates(model(batch.inputs), batch.labels)
        weights = None if batch.weights is None else spread(batch.weights, logits)
        return Scored(F.one_hot(target, logits.shape[1]), logits, weights)


def temperature_of(model: nn.Module) -> float:
    """Return the temperature of a model, 1 by default."""
    return float(model.temperature) if isinstance(model, HasTemperature) else 1.0


def _labels(batch: Batch) -> Tensor:
    if batch.labels is None:
        raise ValueError("mode=0 needs labels: the loader must yield (x, y)")
    return batch.labels.reshape(-1)


def _one_a_row(output: Any, labels: Tensor) -> Tensor:
    if not isinstance(output, Tensor) or output.numel() != len(labels):
        raise ValueError(
            f"mode=0 trains models that return one probability a row, not {_form(output)}: set "
            "mode=1 for pairs of scores, mode=2 for scores of several candidates"
        )
    return output.reshape(-1)


def _candidates(output: Any, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the logits (B, C), and the column of the positive in each row."""
    if not isinstance(output, Tensor) or output.dim() != 2:
        raise ValueError(
            f"mode=2 trains models that return the scores of several candidates, (B, C), not "
            f"{_form(output)}: see the other modes of MatchTrainer"
        )
    if y is None:
        return output, torch.zeros(len(output), dtype=torch.long, device=output.device)
    return output, y.reshape(-1).long()


def positives_and_negatives(pos: Tensor, neg: Tensor, weights: Tensor | None = None) -> Scored:
    """Positives, labeled 1, and negatives, labeled 0; a negative weighs as much as its row."""
    scores = [pos.reshape(-1), neg.reshape(-1)]
    labels = torch.cat([torch.ones_like(scores[0]), torch.zeros_like(scores[1])])
    if weights is not None:
        weights = torch.cat([spread(weights, part).reshape(-1) for part in (pos, neg)])
    return Scored(labels, torch.cat(scores), weights)


def spread(weights: Tensor, scores: Tensor) -> Tensor:
    """The weights of rows (B,) in the shape of their scores (B, ...)."""
    return weights.reshape(-1, *[1] * (scores.dim() - 1)).expand_as(scores)


def _form(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    return f"a {type(output).__name__} of {len(output)}" if hasattr(output, "__len__") else "that"
