"""Training with in-batch negatives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..data.batch import Batch
from ..data.weights import joined_weights
from ..losses import BatchLoss
from ..losses.blockwise_softmax import Pairs, softmax_loss
from ..losses.in_batch import (
    gather_inbatch_logits,
    in_batch_scores,
    inbatch_negative_sampling,
    nearest_interest,
    repeated_items,
)
from ..losses.weighted import weighted_loss
from ..models.protocols import GroupsItems
from .cross_batch import CrossBatchMemory, Remembered
from .in_batch_settings import InBatchSettings
from .log_q import LogQ
from .matching import (
    Objective,
    Scored,
    positives_and_negatives,
    spread,
    temperature_of,
)


class InBatch(Objective):
    """Cross-entropy of each row's item against the items of other rows of the batch.

    s_ij = ⟨user(x_i), item(x_j)⟩ / τ − ln q_j,  L = −mean_i ln( exp s_ii / Σ_j exp s_ij )

    Other rows with the same item are not negatives. A batch of one row has no negatives, and loss
    0. With `cross_batch_negatives`, j runs over items of earlier batches as well, which get no
    gradient. q_j is 1 without `item_frequency`; see `LogQ`. The correction is used in training
    only: evaluation scores are the product of the towers, as in retrieval.

    Args:
        model: A model with the methods `user_tower` and `item_tower`.
        parallel: A function that distributes a module over the GPUs.
        settings: The settings of negatives.
        labeled: Whether y holds labels. Rows with label 0 are then not positives, but their items
            are negatives of other rows; if all labels of a batch are 0, y is ignored.
        device: Device of the model.
        item_frequency: {column of item ids: how often each id occurs in training}, for `LogQ`.

    Raises:
        ValueError: The model lacks a tower, or the frequencies are invalid.
    """

    def __init__(
        self,
        model: nn.Module,
        parallel: Callable[[nn.Module], nn.Module],
        settings: InBatchSettings,
        labeled: bool,
        device: torch.device,
        item_frequency: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        for tower in ("user_tower", "item_tower"):
            if not callable(getattr(model, tower, None)):
                raise ValueError(
                    f"in_batch_neg=True needs a model of two towers; {type(model).__name__} has "
                    f"no method {tower}"
                )
        super().__init__(model, parallel)
        self.criterion = nn.CrossEntropyLoss()
        self.call = parallel(_TowersOf(model))
        self.neg_ratio, self.hard_negative = settings.in_batch_neg_ratio, settings.hard_negative
        self.labeled, self.device, seed = labeled, device, settings.sampler_seed
        self.generator = None if seed is None else torch.Generator(device).manual_seed(seed)
        self.log_q = None if item_frequency is None else LogQ(item_frequency, model, device)
        size, warmup = settings.cross_batch_negatives, settings.cross_batch_warmup
        self.memory = CrossBatchMemory(size, warmup, model) if size else None

    def loss(self, batch: Batch, criterion: nn.Module) -> BatchLoss:
        """Return the mean loss over positive rows."""
        x, positive = batch.inputs, self._positive(batch.labels)
        weights = batch.weights
        if positive is None:
            count = batch.count
        else:
            count = positive.sum() if weights is None else weights[positive].sum()
        bias = None if self.log_q is None else -self.log_q(x)
        user, item = self._vectors(self.call, self.model, x)
        groups = _groups(self.model, x)
        earlier = None if self.memory is None else self.memory.recall(x)
        if self.memory is not None:
            self.memory.add(x, item, bias)
        if self.neg_ratio is None and _is_plain(criterion):
            same = None if groups is None else repeated_items(groups)
            share = None if positive is None else positive.float()
            if weights is not None:
                share = weights if share is None else share * weights
            return BatchLoss(_softmax_of_all(user, item, same, share, bias, earlier), count)
        scores = in_batch_scores(user, item, groups)
        if bias is not None:
            scores = scores + bias
        if self.neg_ratio is None:
            target = torch.arange(len(scores), device=scores.device)
        else:
            rows = inbatch_negative_sampling(
                scores, self.neg_ratio, self.hard_negative, self.generator
            )
            scores = gather_inbatch_logits(scores, rows)
            target = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
        if earlier is not None:
            scores = torch.cat([scores, earlier.scores(user)], dim=1)
        if positive is not None:
            scores, target = scores[positive], target[positive]
            weights = None if weights is None else weights[positive]
        return BatchLoss(weighted_loss(criterion, scores, target, weights), count)

    def scorer(self, model: nn.Module) -> Callable[[Batch], "_OfBatch"]:
        """Return a function from a batch to the scores of positives and drawn negatives.

        The draws, of `neg_ratio` or 10 negatives per row, are the same for each scorer.
        """
        generator, towers = torch.Generator().manual_seed(0), _TowersOf(model)

        def score(batch: Batch) -> _OfBatch:
            user, item = self._vectors(towers, model, batch.inputs)
            scores = in_batch_scores(user, item, _groups(model, batch.inputs)).cpu()
            rows = inbatch_negative_sampling(scores, self.neg_ratio or 10, generator=generator)
            negatives, y = scores.gather(1, rows), batch.labels
            labels = None if y is None else y.reshape(-1).float().cpu()
            others, own, negative = ~negatives.isneginf(), scores.diagonal(), None
            weights = None if batch.weights is None else batch.weights.cpu()
            if weights is not None:
                negative = spread(weights, negatives)[others]
            return _OfBatch(own, negatives[others], labels, weights, negative)

        return score

    def pooled(self, results: Sequence["_OfBatch"]) -> Scored:
        """Return labels and scores: by label if given, else positives and drawn negatives."""
        none = torch.empty(0)
        own = torch.cat([none, *(result.own for result in results)])
        labels = [result.labels for result in results if result.labels is not None]
        truth = torch.cat([none, *labels])
        weights = joined_weights([result.weights for result in results])
        if self.labeled and len(truth) and truth.min() != truth.max():
            return Scored(truth, own, weights)
        found = positives_and_negatives(own, torch.cat([none, *(r.others for r in results)]))
        of_others = joined_weights([result.weights_of_others for result in results])
        if weights is None or of_others is None:
            return found
        return replace(found, weights=torch.cat([weights, of_others]))

    def reset(self) -> None:
        """Remove the items of earlier batches."""
        if self.memory is not None:
            self.memory.reset()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the random generator, and the items of earlier batches."""
        state = {} if self.generator is None else {"sampler": self.generator.get_state()}
        return state if self.memory is None else {**state, "memory": self.memory.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state.

        Raises:
            ValueError: Only one of both has items of earlier batches.
        """
        if ("memory" in state) != (self.memory is not None):
            raise ValueError("cross_batch_negatives is set only there, or only here")
        if self.generator is not None:
            self.generator.set_state(state["sampler"])
        if self.memory is not None:
            self.memory.load_state_dict(state["memory"], self.device)

    @staticmethod
    def _vectors(towers: nn.Module, model: nn.Module, x: Any) -> tuple[Tensor, Tensor]:
        """Return user vectors divided by the temperature, and item vectors: (B, D) each."""
        user, item = towers(x)
        return nearest_interest(user / temperature_of(model), item), item

    def _positive(self, y: Tensor | None) -> Tensor | None:
        """Return the mask of positive rows (B,); None for all rows."""
        if y is None or not self.labeled:
            return None
        positive = y.reshape(-1) > 0
        return None if positive.all() or not positive.any() else positive


@dataclass(frozen=True)
class _OfBatch:
    """The scores of a batch: its own items (B,), drawn negatives (n,), and labels (B,) or None.

    Where rows have weights: those of the own items (B,), and those of the negatives (n,).
    """

    own: Tensor
    others: Tensor
    labels: Tensor | None
    weights: Tensor | None = None
    weights_of_others: Tensor | None = None


def _groups(model: nn.Module, x: Any) -> Tensor | None:
    """Numbers (B,) that are equal for rows with the same item; None without `item_groups`."""
    return model.item_groups(x) if isinstance(model, GroupsItems) else None


def _softmax_of_all(
    user: Tensor,
    item: Tensor,
    same: Pairs | None,
    share: Tensor | None,
    bias: Tensor | None,
    earlier: Remembered | None,
) -> Tensor:
    """The loss where all other rows are negatives, without their scores in memory.

    Rows count by their share, such as 0 for rows that are no positives.
    """
    own = torch.arange(len(item), device=item.device)
    if earlier is not None:
        n = len(item)
        item = torch.cat([item, earlier.vectors.to(item.dtype)])
        bias = None if bias is None or earlier.bias is None else torch.cat([bias, earlier.bias])
        if same is not None and earlier.same is not None:
            row = torch.cat([same[0], earlier.same[0]])
            other = torch.cat([same[1], earlier.same[1] + n])
            order = row.argsort(stable=True)
            same = row[order], other[order]
    return softmax_loss(user, item, own, bias, share, excluded=same)


def _is_plain(criterion: nn.Module) -> bool:
    """Whether a loss is the mean of softmax losses, without weights or smoothing."""
    return (
        type(criterion) is nn.CrossEntropyLoss
        and criterion.weight is None
        and criterion.label_smoothing == 0
        and criterion.reduction == "mean"
        and criterion.ignore_index < 0
    )


class _TowersOf(nn.Module):
    """Wraps a model such that one call computes both towers, as `DataParallel` needs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        model: Any = self.model
        return model.user_tower(x), model.item_tower(x)
