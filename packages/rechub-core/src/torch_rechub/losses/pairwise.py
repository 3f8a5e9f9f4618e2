"""Pair-wise losses: a positive should score above its negatives."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._bounds import check_number, check_whole
from .reduction import known_reduction, reduce_losses


class HingeLoss(nn.Module):
    """A positive should beat its hardest negative by a margin: L = w · max(0, m − p + max_n q_n).

    p is the score of a positive and q_n those of its N negatives. With `num_items`, the weight
    w = ln(1 + V · M / N) grows with the rank of the positive among all V items, estimated by the M
    negatives within the margin (m − p + q_n > 0); without, w = 1. No gradient flows through w.

    Args:
        margin: m.
        num_items: V, the size of the catalog.
        reduction: "mean" or "sum" over positives, or "none".

    Raises:
        ValueError: `num_items` is below 1 or `reduction` has another value.

    Example:
        >>> HingeLoss(margin=1)(torch.tensor([2.0, 0.5]), torch.tensor([[1.5, 0.0], [0.0, 0.1]]))
        tensor(0.5500)

    Reference:
        Hsieh et al., "Collaborative Metric Learning", WWW 2017;
        Weston et al., "WSABIE: Scaling Up To Large Vocabulary Image Annotation", IJCAI 2011.
    """

    kind = "pairs"

    def __init__(
        self, margin: float = 2, num_items: int | None = None, *, reduction: str = "mean"
    ) -> None:
        super().__init__()
        check_number("(-inf, inf)", margin=margin)
        check_whole(1, num_items=num_items)
        self.margin, self.num_items = margin, num_items
        self.reduction = known_reduction(reduction)

    def forward(self, pos_score: Tensor, neg_score: Tensor, in_batch_neg: bool = False) -> Tensor:
        """Return the loss of a batch.

        Args:
            pos_score: A score for each positive, shape (B,) or (B, 1).
            neg_score: The scores of its negatives, shape (B, N); or (B,), one each.
            in_batch_neg: Whether the negatives are other rows' items. Where they come from does
                not change the loss: (B, N) are the negatives of each row, its own item not among
                them.

        Returns:
            The loss: a scalar, or (B,) without reduction.

        Raises:
            ValueError: the shapes do not match.
        """
        p, q = _positives_and_negatives(pos_score, neg_score)
        gaps = self.margin - p + q
        loss = gaps.amax(dim=-1).relu()
        if self.num_items is not None:
            share = (gaps > 0).to(loss.dtype).mean(dim=-1)
            loss = loss * torch.log1p(self.num_items * share)
        return reduce_losses(loss, self.reduction)


class BPRLoss(nn.Module):
    """A positive should score above its negatives: L = −(1/N) Σ_n ln σ(p − q_n).

    Args:
        reduction: "mean" or "sum" over positives, or "none".

    Raises:
        ValueError: `reduction` has another value.

    Example:
        >>> BPRLoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]))
        tensor(0.6931)

    Reference:
        Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009,
        arXiv:1205.2618.
    """

    kind = "pairs"

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = known_reduction(reduction)

    def forward(self, pos_score: Tensor, neg_score: Tensor, in_batch_neg: bool = False) -> Tensor:
        """The loss of a batch; arguments, result and errors are those of `HingeLoss`."""
        p, q = _positives_and_negatives(pos_score, neg_score)
        return reduce_losses(-F.logsigmoid(p - q).mean(dim=-1), self.reduction)


def _positives_and_negatives(pos: Tensor, neg: Tensor) -> tuple[Tensor, Tensor]:
    """Scores that broadcast: positives (…, 1), negatives (…, N)."""
    if pos.shape != neg.shape and pos.dim() > 1 and pos.shape[-1] == 1:
        pos = pos.squeeze(-1)
    if pos.shape == neg.shape:
        neg = neg.unsqueeze(-1)
    if neg.shape[:-1] != pos.shape or neg.shape[-1] == 0:
        raise ValueError(
            f"positives of shape {tuple(pos.shape)} need negatives of the same shape or of "
            f"{(*pos.shape, 'N')} with N at least 1, got {tuple(neg.shape)}"
        )
    return pos.unsqueeze(-1), neg
