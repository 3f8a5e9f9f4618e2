"""Training on the items of the other rows of a batch as negatives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from .._bounds import check_whole
from ..data.batch import Batch
from ..losses import BatchLoss
from ..losses.blockwise_softmax import softmax_loss
from ..losses.in_batch import (
    gather_inbatch_logits,
    in_batch_scores,
    inbatch_negative_sampling,
    nearest_interest,
    repeated_items,
)
from ..models.protocols import GroupsItems
from .log_q import LogQ
from .matching import (
    ListWise,
    Objective,
    PairWise,
    PointWise,
    Scored,
    positives_and_negatives,
    temperature_of,
)


class InBatch(Objective):
    """Cross-entropy of each row's item against the items of other rows of the batch.

    s_ij = ⟨user(x_i), item(x_j)⟩ / τ − ln q_j,  L = −mean_i ln( exp s_ii / Σ_j exp s_ij )

    Another row with the same item is no negative. A batch of one row has none, and loss 0. q_j is
    1 without `item_frequency`; see `LogQ`. It is part of training alone: what is evaluated is the
    product of the towers, by which items are retrieved.

    Args:
        model: Has the methods `user_tower` and `item_tower`.
        parallel: Spreads a module over the GPUs, where there are several.
        neg_ratio: Negatives a row; None takes all others.
        hard_negative: Whether to take those of highest score, instead of drawing them.
        seed: Seeds the draw; None draws from torch's global random state.
        labeled: Whether y tells clicks from other rows. Rows of label 0 are then no positives, but
            their items remain negatives of others; if all labels of a batch are 0, there are none.
        device: Where the model is.
        item_frequency: {column of item ids: how often each id occurs in training}, for `LogQ`.

    Raises:
        ValueError: The model lacks a tower, or the frequencies are of no use.
    """

    def __init__(
        self,
        model: nn.Module,
        parallel: Callable[[nn.Module], nn.Module],
        neg_ratio: int | None,
        hard_negative: bool,
        seed: int | None,
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
        self.neg_ratio, self.hard_negative, self.labeled = neg_ratio, hard_negative, labeled
        self.generator = None if seed is None else torch.Generator(device).manual_seed(seed)
        self.log_q = None if item_frequency is None else LogQ(item_frequency, model, device)

    def loss(self, batch: Batch, criterion: nn.Module) -> BatchLoss:
        """The mean over the rows that are positives."""
        x, positive = batch.inputs, self._positive(batch.labels)
        count = batch.rows if positive is None else positive.sum()
        bias = None if self.log_q is None else -self.log_q(x)
        if self.neg_ratio is None and _is_plain(criterion):
            return BatchLoss(self._softmax_of_all(x, positive, bias), count)
        scores = self._scores(self.call, self.model, x)
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
        if positive is not None:
            scores, target = scores[positive], target[positive]
        return BatchLoss(criterion(scores, target), count)

    def _softmax_of_all(self, x: Any, positive: Tensor | None, bias: Tensor | None) -> Tensor:
        """The same loss where all other rows are negatives, without their scores in memory."""
        user, item = self.call(x)
        user = nearest_interest(user / temperature_of(self.model), item)
        grouped = isinstance(self.model, GroupsItems)
        same = repeated_items(self.model.item_groups(x)) if grouped else None  # type: ignore[operator]
        weight = None if positive is None else positive.float()
        own = torch.arange(len(item), device=item.device)
        return softmax_loss(user, item, own, bias, weight, excluded=same)

    def scorer(self, model: nn.Module) -> Callable[[Batch], "_OfBatch"]:
        """Maps a batch to the scores of its own items and of drawn ones of other rows.

        The draw, of `neg_ratio` or 10 negatives a row, is the same for each scorer.
        """
        generator, towers = torch.Generator().manual_seed(0), _TowersOf(model)

        def score(batch: Batch) -> _OfBatch:
            scores = self._scores(towers, model, batch.inputs).cpu()
            rows = inbatch_negative_sampling(scores, self.neg_ratio or 10, generator=generator)
            negatives, y = scores.gather(1, rows), batch.labels
            labels = None if y is None else y.reshape(-1).float().cpu()
            return _OfBatch(scores.diagonal(), negatives[~negatives.isneginf()], labels)

        return score

    def pooled(self, results: Sequence["_OfBatch"]) -> Scored:
        """Clicks and other rows where labels tell them; else own items and drawn ones."""
        none = torch.empty(0)
        own = torch.cat([none, *(result.own for result in results)])
        labels = [result.labels for result in results if result.labels is not None]
        truth = torch.cat([none, *labels])
        if self.labeled and len(truth) and truth.min() != truth.max():
            return Scored(truth, own)
        return positives_and_negatives(own, torch.cat([none, *(r.others for r in results)]))

    def state_dict(self) -> dict[str, Any]:
        """The state of the generator that draws negatives."""
        return {} if self.generator is None else {"sampler": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        if self.generator is not None:
            self.generator.set_state(state["sampler"])

    @staticmethod
    def _scores(towers: nn.Module, model: nn.Module, x: Any) -> Tensor:
        """(B, B): row i's user with row j's item."""
        user, item = towers(x)
        groups = model.item_groups(x) if isinstance(model, GroupsItems) else None
        return in_batch_scores(user / temperature_of(model), item, groups)

    def _positive(self, y: Tensor | None) -> Tensor | None:
        """Which rows are positives (B,); None for all of them."""
        if y is None or not self.labeled:
            return None
        positive = y.reshape(-1) > 0
        return None if positive.all() or not positive.any() else positive


@dataclass(frozen=True)
class _OfBatch:
    """The scores of a batch: its own items (B,), drawn negatives (n,), and labels (B,) or None."""

    own: Tensor
    others: Tensor
    labels: Tensor | None


def _is_plain(criterion: nn.Module) -> bool:
    """Whether a loss is the mean of softmax losses, without weights or smoothing."""
    return (
        type(criterion) is nn.CrossEntropyLoss
        and criterion.weight is None
        and criterion.label_smoothing == 0
        and criterion.reduction == "mean"
        and criterion.ignore_index < 0
    )


def make_objective(
    model: nn.Module,
    mode: int,
    sampling: tuple[int | None, bool, int | None] | None,
    item_frequency: Mapping[str, ArrayLike] | None,
    parallel: Callable[[nn.Module], nn.Module],
    device: torch.device,
) -> Objective:
    """The objective of a mode: 0 of points, 1 of pairs, 2 of lists.

    Args:
        model: The model being trained.
        mode: 0, 1 or 2.
        sampling: Of in-batch negatives, as `InBatch`: neg_ratio, hard_negative, seed; None has the
            data bring the negatives.
        item_frequency: For in-batch negatives, as `InBatch`.
        parallel: Spreads a module over the GPUs, where there are several.
        device: Where the model is.

    Raises:
        ValueError: The mode is another, or the model does not fit.
    """
    if sampling is not None:
        check_whole(0, in_batch_neg_ratio=sampling[0])
        check_whole(-(2**63), sampler_seed=sampling[2])
    if isinstance(mode, bool) or mode not in (0, 1, 2):
        raise ValueError(f"mode must be 0 (points), 1 (pairs) or 2 (lists), got {mode!r}")
    if sampling is None:
        if item_frequency is not None:
            raise ValueError("item_frequency corrects in-batch negatives: set in_batch_neg=True")
        return (PointWise, PairWise, ListWise)[mode](model, parallel)
    labeled = mode == 0
    return InBatch(model, parallel, *sampling, labeled, device, item_frequency)


class _TowersOf(nn.Module):
    """Both towers of a model in one call, so that several GPUs can share it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        model: Any = self.model
        return model.user_tower(x), model.item_tower(x)
