"""Losses and penalties."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._bounds import check_number, check_whole
from .regularization import RegularizationLoss

__all__ = ["BPRLoss", "HingeLoss", "InBatchNCELoss", "NCELoss", "RegularizationLoss"]


class HingeLoss(nn.Module):
    """A positive should beat its hardest negative by a margin: L = w · max(0, m − p + max_n q_n).

    p is the score of a positive and q_n those of its N negatives. With `num_items`, the weight
    w = ln(1 + V · M / N) grows with the rank of the positive among all V items, estimated by the M
    negatives within the margin (m − p + q_n > 0); without, w = 1. No gradient flows through w.

    Args:
        margin: m.
        num_items: V, the size of the catalogue.
        reduction: "mean" or "sum" over positives, or "none".

    Raises:
        ValueError: If `num_items` is below 1 or `reduction` is none of the three.

    Example:
        >>> HingeLoss(margin=1)(torch.tensor([2.0, 0.5]), torch.tensor([[1.5, 0.0], [0.0, 0.1]]))
        tensor(0.5500)

    Reference:
        Hsieh et al., "Collaborative Metric Learning", WWW 2017;
        Weston et al., "WSABIE: Scaling Up To Large Vocabulary Image Annotation", IJCAI 2011.
    """

    def __init__(
        self, margin: float = 2, num_items: int | None = None, *, reduction: str = "mean"
    ) -> None:
        super().__init__()
        check_number("(-inf, inf)", margin=margin)
        check_whole(1, num_items=num_items)
        self.margin, self.num_items = margin, num_items
        self.reduction = _known_reduction(reduction)

    def forward(self, pos_score: Tensor, neg_score: Tensor, in_batch_neg: bool = False) -> Tensor:
        """The loss of a batch.

        Args:
            pos_score: A score for each positive, shape (B,) or (B, 1).
            neg_score: The scores of its negatives, shape (B, N); or (B,), one each.
            in_batch_neg: Whether the negatives are other rows' items. Where they come from does
                not change the loss: (B, N) are the negatives of each row, its own item not among
                them.

        Returns:
            The loss: a scalar, or (B,) without reduction.

        Raises:
            ValueError: If the shapes do not fit each other.
        """
        p, q = _positives_and_negatives(pos_score, neg_score)
        gaps = self.margin - p + q
        loss = gaps.amax(dim=-1).relu()
        if self.num_items is not None:
            share = (gaps > 0).to(loss.dtype).mean(dim=-1)
            loss = loss * torch.log1p(self.num_items * share)
        return _reduce(loss, self.reduction)


class BPRLoss(nn.Module):
    """A positive should score above its negatives: L = −(1/N) Σ_n ln σ(p − q_n).

    Args:
        reduction: "mean" or "sum" over positives, or "none".

    Raises:
        ValueError: If `reduction` is none of the three.

    Example:
        >>> BPRLoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]))
        tensor(0.6931)

    Reference:
        Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009,
        arXiv:1205.2618.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = _known_reduction(reduction)

    def forward(self, pos_score: Tensor, neg_score: Tensor, in_batch_neg: bool = False) -> Tensor:
        """The loss of a batch; arguments, result and errors are those of `HingeLoss`."""
        p, q = _positives_and_negatives(pos_score, neg_score)
        return _reduce(-F.logsigmoid(p - q).mean(dim=-1), self.reduction)


class NCELoss(nn.Module):
    """Softmax cross-entropy over all candidates: L = −ln(exp(z_t / τ) / Σ_v exp(z_v / τ)).

    z are the logits of the V candidates and t is the target. In spite of the name, which scripts
    know, nothing is sampled: every candidate but the target is a negative.

    Args:
        temperature: τ.
        ignore_index: The target of rows that do not count, such as padding. Give -100 where 0 is
            a candidate like any other.
        reduction: "mean" over the rows that count, "sum", or "none", where ignored rows have 0.
            Where no row counts, mean and sum are 0.

    Raises:
        ValueError: If `temperature` is not above 0 or `reduction` is none of the three.

    Example:
        >>> logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 1.0, 3.0]])
        >>> NCELoss(reduction="none")(logits, torch.tensor([1, 0]))
        tensor([0.4076, 0.0000])

    Reference:
        van den Oord et al., "Representation Learning with Contrastive Predictive Coding",
        arXiv:1807.03748.
    """

    def __init__(
        self, temperature: float = 1.0, ignore_index: int = 0, reduction: str = "mean"
    ) -> None:
        super().__init__()
        check_number("(0, inf)", temperature=temperature)
        self.temperature, self.ignore_index = temperature, ignore_index
        self.reduction = _known_reduction(reduction)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            logits: A score for each candidate, shape (B, V) or (B, L, V).
            targets: The right candidates, whole numbers, shape (B,) or (B, L).

        Returns:
            The loss: a scalar, or the shape of `targets` without reduction.

        Raises:
            ValueError: If the shapes do not fit each other, or targets are not whole numbers.
        """
        if logits.shape[:-1] != targets.shape or targets.is_floating_point():
            raise ValueError(
                f"logits of shape {tuple(logits.shape)} need whole-number targets of shape "
                f"{tuple(logits.shape[:-1])}, got {targets.dtype} of {tuple(targets.shape)}"
            )
        losses = F.cross_entropy(
            logits.reshape(-1, logits.shape[-1]) / self.temperature,
            targets.reshape(-1).long(),
            ignore_index=self.ignore_index,
            reduction="none",
        ).view(targets.shape)
        if self.reduction == "mean":
            return losses.sum() / (targets != self.ignore_index).sum().clamp(min=1)
        return _reduce(losses, self.reduction)


class InBatchNCELoss(NCELoss):
    """`NCELoss` on the inner products of embeddings and items: z_v = ⟨e, i_v⟩.

    Every row of the item embeddings is a candidate. For in-batch negatives give the batch's items,
    their row numbers as targets and `ignore_index=-100`, as row 0 is then one of them. Normalise
    both sides for cosines.

    Args:
        temperature: τ.
        ignore_index: The target of rows that do not count.
        reduction: "mean" over the rows that count, "sum", or "none", where ignored rows have 0.

    Raises:
        ValueError: If `temperature` is not above 0 or `reduction` is none of the three.

    Example:
        >>> items = torch.eye(3)
        >>> InBatchNCELoss(temperature=0.5)(items[1:], items, torch.tensor([1, 2]))
        tensor(0.2395)
    """

    def __init__(
        self, temperature: float = 0.1, ignore_index: int = 0, reduction: str = "mean"
    ) -> None:
        super().__init__(temperature, ignore_index, reduction)

    def forward(  # type: ignore[override]
        self, embeddings: Tensor, item_embeddings: Tensor, targets: Tensor
    ) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: Users or queries, shape (B, D) or (B, L, D).
            item_embeddings: Candidates, shape (V, D).
            targets: Rows of `item_embeddings`, shape (B,) or (B, L).

        Returns:
            The loss: a scalar, or the shape of `targets` without reduction.

        Raises:
            ValueError: If the shapes do not fit each other, or targets are not whole numbers.
        """
        if item_embeddings.dim() != 2 or embeddings.shape[-1] != item_embeddings.shape[-1]:
            raise ValueError(
                f"embeddings of shape {tuple(embeddings.shape)} need items of shape "
                f"(V, {embeddings.shape[-1]}), got {tuple(item_embeddings.shape)}"
            )
        return super().forward(embeddings @ item_embeddings.T, targets)


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


def _known_reduction(reduction: str) -> str:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
    return reduction


def _reduce(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses
