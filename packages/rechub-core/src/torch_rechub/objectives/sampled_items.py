"""Next-item losses with sampled negatives, without logits of the whole catalog in training."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .._bounds import check_whole
from ..losses.candidate_scores import candidate_scores
from ..losses.one_positive import BPRMaxLoss, GBCELoss, NegativesBCELoss, SampledSoftmaxLoss
from ..losses.reduction import known_reduction, mean_of_rows, reduce_losses
from .item_sampler import ItemSampler

PADDING = 0


@dataclass(frozen=True)
class _Kind:
    """A loss with sampled negatives.

    Attributes:
        make: Creates the loss of rows from the number of items and its arguments.
        arguments: The names of the arguments.
        n_negatives: The default number of negatives.
        shared: The default of sharing negatives within a batch.
        by_frequency: Whether negatives may be drawn by frequency.
    """

    make: Callable[..., nn.Module]
    arguments: tuple[str, ...] = ()
    n_negatives: int = 256
    shared: bool = True
    by_frequency: bool = True


SAMPLED_LOSSES = {
    "sampled_softmax": _Kind(lambda _: SampledSoftmaxLoss(reduction="none"), ("log_q",)),
    "bpr_max": _Kind(lambda _, **p: BPRMaxLoss(**p, reduction="none"), ("regularization",)),
    "gbce": _Kind(
        lambda num_items, **p: GBCELoss(num_items, **p, reduction="none"),
        ("t",),
        shared=False,
        by_frequency=False,
    ),
    "bce": _Kind(lambda _: NegativesBCELoss(reduction="none"), n_negatives=1, shared=False),
}
"""The losses of `SeqTrainer` that draw their negatives, by name."""


class SampledItemLoss(nn.Module):
    """Next-item loss with negatives that are sampled for each batch.

    Sampled items that equal the positive are ignored. See `SeqTrainer` for the arguments.

    Args:
        name: One of `SAMPLED_LOSSES`.
        vocab_size: V, the number of tokens, padding included.
        device: Device of the model.
        full: The loss of evaluation, over all items.
        n_negatives: K, the number of negatives per prediction; None means the default of the loss.
        shared: Whether all predictions of a batch share K items; None means the default.
        frequency: See `ItemSampler`.
        seed: See `ItemSampler`.
        log_q: Whether sampled softmax has a logQ correction.
        reduction: "mean" over the predictions, "sum", or "none".
        params: Arguments of the loss.

    Attributes:
        sampler: The sampler of negatives.

    Shape:
        logits: (N, V), column 0 for padding; items: (N,); returns a scalar, or (N,).

    Example:
        >>> from torch_rechub.losses import NCELoss
        >>> loss = SampledItemLoss("bce", 3, torch.device("cpu"), NCELoss(), seed=0)
        >>> loss(torch.zeros(4, 3), torch.tensor([1, 2, 1, 2])).item() > 0
        True
    """

    def __init__(
        self,
        name: str,
        vocab_size: int,
        device: torch.device,
        full: nn.Module,
        *,
        n_negatives: int | None = None,
        shared: bool | None = None,
        frequency: Any = None,
        seed: int | None = None,
        log_q: bool = True,
        reduction: str = "mean",
        **params: Any,
    ) -> None:
        super().__init__()
        check_whole(1, n_negatives=n_negatives)
        kind = SAMPLED_LOSSES[name]
        self.sampler = ItemSampler(vocab_size, frequency, seed, device)
        self.n_negatives = kind.n_negatives if n_negatives is None else int(n_negatives)
        self.shared = kind.shared if shared is None else shared
        self.log_q = log_q and name == "sampled_softmax"
        self.reduction, self.full = known_reduction(reduction), full
        self.loss = kind.make(vocab_size - 1, **params)
        if isinstance(self.loss, GBCELoss):
            self.loss.beta(self.n_negatives)  # fails for more negatives than items

    def forward(self, logits: Tensor, items: Tensor) -> Tensor:
        """Return the loss of logits (N, V) and items (N,), for models without `score_terms`.

        Items 0 are ignored. If there are no others, mean and sum are 0.
        """
        drawn = self._draw(len(items))
        pos = logits.gather(1, items.unsqueeze(1)).squeeze(1)
        neg = logits.gather(1, drawn) if drawn.dim() == 2 else logits[:, drawn]
        return self._reduced(pos, neg, items, drawn)

    def of_terms(
        self,
        h: Tensor,
        w: Tensor,
        bias: Tensor | None,
        items: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The same loss of the logits W h + b, without computing those of items not drawn.

        Args:
            h: Hidden states (N, D).
            w: W (V, D).
            bias: The term b (V,), or None.
            items: The right ones (N,).
            weights: How much each prediction counts in the mean, (N,); None counts all alike.
        """
        drawn = self._draw(len(items))
        pos = (h * w.index_select(0, items)).sum(dim=1)
        neg = candidate_scores(h, w, drawn) if drawn.dim() == 2 else h @ w.index_select(0, drawn).T
        if bias is not None:
            pos, neg = pos + bias[items], neg + bias[drawn]
        return self._reduced(pos, neg, items, drawn, weights)

    def _draw(self, n: int) -> Tensor:
        """Draw the negatives: (N, K), or (K,) if a batch shares them."""
        return self.sampler(self.n_negatives) if self.shared else self.sampler(n, self.n_negatives)

    def _reduced(
        self,
        pos: Tensor,
        neg: Tensor,
        items: Tensor,
        drawn: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        neg = neg.masked_fill(drawn == items.unsqueeze(1), -torch.inf)
        if self.log_q:
            correction = self.sampler.log_q(drawn) + math.log(self.n_negatives)
            losses: Tensor = self.loss(pos, neg, correction)
        else:
            losses = self.loss(pos, neg)
        counts = items != PADDING
        losses = torch.where(counts, losses, torch.zeros_like(losses))
        if weights is not None and self.reduction == "mean":
            return mean_of_rows(losses, weights * counts)
        if self.reduction == "mean":
            return losses.sum() / counts.sum().clamp(min=1)
        losses = losses if weights is None else weights * losses
        return reduce_losses(losses, self.reduction)


def sampled_item_loss(
    name: str,
    params: Mapping[str, Any],
    vocab_size: int | None,
    device: torch.device,
    full: nn.Module,
) -> SampledItemLoss:
    """Create a loss by its name, with the arguments of `loss_params`.

    Raises:
        TypeError: An argument is unknown.
        ValueError: An argument is out of range, or the model has no `vocab_size`.
    """
    kind = SAMPLED_LOSSES[name]
    known = ["n_negatives", "shared", "seed", "reduction", *kind.arguments]
    known += ["frequency"] if kind.by_frequency else []
    if unknown := sorted(params.keys() - set(known)):
        raise TypeError(
            f"loss_type={name!r} takes no {unknown[0]!r} in loss_params; it takes "
            f"{', '.join(sorted(known))}"
        )
    if vocab_size is None:
        raise ValueError(
            f"loss_type={name!r} draws from the model's tokens: give the model an attribute "
            "vocab_size, their number, padding included"
        )
    return SampledItemLoss(name, vocab_size, device, full, **params)


def drawing_parts(loss_fn: nn.Module) -> dict[str, ItemSampler]:
    """Return the stateful part of a loss by name: its sampler, if it has one."""
    return {"negatives": loss_fn.sampler} if isinstance(loss_fn, SampledItemLoss) else {}
