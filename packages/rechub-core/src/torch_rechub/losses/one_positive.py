"""Losses of one positive against several sampled negatives.

p is the score of a positive and q_k are those of its K negatives. Negatives with score −∞ are
ignored: they do not contribute to the loss and get no gradient.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._bounds import check_number, check_whole
from ..basic.layers.precision import widened
from .reduction import known_reduction, reduce_losses


class SampledSoftmaxLoss(nn.Module):
    """Softmax over a positive and its negatives: L = −ln( exp p / (exp p + Σ_k exp(q_k − c_k)) ).

    c_k = ln(K π_k) corrects negatives that are drawn with probability π_k, with replacement (logQ).
    The sum of the negatives then has the sum over all other items as its expectation, so that L
    tends to the softmax over the catalog as K grows, whose scores estimate ln P(item | user);
    without c they estimate ln P − ln π, in which the popularity that π has cancels out. Draws that
    hit the positive are no negatives (−∞) and still count in K.

    Args:
        reduction: "mean" or "sum" over positives, or "none".

    Raises:
        ValueError: `reduction` has another value; in `forward`, shapes do not match.

    Example:
        >>> loss = SampledSoftmaxLoss()
        >>> loss(torch.tensor([2.0]), torch.tensor([[1.0, -torch.inf]]))  # ln(1 + e⁻¹)
        tensor(0.3133)

    Reference:
        Bengio and Senécal, Adaptive Importance Sampling to Accelerate Training of a Neural
        Probabilistic Language Model, IEEE Transactions on Neural Networks 2008;
        Jean et al., On Using Very Large Target Vocabulary for Neural Machine Translation,
        ACL 2015, arXiv 1412.2007.
    """

    kind = "pairs"

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = known_reduction(reduction)

    def forward(self, pos: Tensor, neg: Tensor, correction: Tensor | None = None) -> Tensor:
        """Return the loss of a batch.

        Args:
            pos: A score for each positive, (N,).
            neg: The scores of its negatives, (N, K); or (N,), one each.
            correction: c, in the shape of `neg` or (K,); None means 0.

        Returns:
            The loss: a scalar, or (N,) without reduction.
        """
        p, q = _checked(pos, neg)
        q = q if correction is None else q - correction
        scores = torch.cat([p.unsqueeze(-1), q], dim=-1)
        return reduce_losses(scores.logsumexp(dim=-1) - p, self.reduction)


class NegativesBCELoss(nn.Module):
    """Binary cross-entropy: L = −(1/(n + 1)) ( β ln σ(p) + Σ_k ln(1 − σ(q_k)) ), β = 1.

    n is the number of negatives that are any. With one negative it is half the loss of SASRec.

    Args:
        reduction: "mean" or "sum" over positives, or "none".

    Raises:
        ValueError: `reduction` has another value; in `forward`, shapes do not match.

    Example:
        >>> NegativesBCELoss()(torch.tensor([0.0]), torch.tensor([[0.0, 0.0]]))  # ln 2
        tensor(0.6931)

    Reference:
        Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018, arXiv 1808.09781.
    """

    kind = "pairs"

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = known_reduction(reduction)

    def beta(self, n_negatives: int) -> float:
        """Return the exponent β of the positive's probability for K negatives."""
        return 1.0

    def forward(self, pos: Tensor, neg: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            pos: A score for each positive, (N,).
            neg: The scores of its negatives, (N, K); or (N,), one each.

        Returns:
            The loss: a scalar, or (N,) without reduction.
        """
        p, q = _checked(pos, neg)
        terms = self.beta(q.shape[-1]) * F.softplus(-p) + F.softplus(q).sum(dim=-1)
        return reduce_losses(terms / (1 + (~q.isneginf()).sum(dim=-1)), self.reduction)


class GBCELoss(NegativesBCELoss):
    """`NegativesBCELoss` with β = α (t (1 − 1/α) + 1/α), where α = K / (V − 1).

    With K of V − 1 negatives, positives look more frequent than they are, so that a model of
    binary cross-entropy is too sure of the items that rank first. β below 1 counters it: at t = 1,
    σ(p) is calibrated as if all V − 1 negatives had been used; at t = 0, β = 1 and nothing is
    corrected. Values of the loss are not comparable between different K or t.

    Args:
        num_items: V, the number of items of the catalog, without padding.
        t: The calibration, from 0 to 1; the paper recommends 0.75 with 128 negatives or more.
        reduction: "mean" or "sum" over positives, or "none".

    Raises:
        ValueError: An argument is out of range; in `forward`, shapes do not match,
            or there are more than V − 1 negatives.

    Example:
        >>> loss = GBCELoss(num_items=101, t=0.5)
        >>> loss.beta(10)  # α = 0.1
        0.55

    Reference:
        Petrov and Macdonald, gSASRec: Reducing Overconfidence in Sequential Recommendation Trained
        with Negative Sampling, RecSys 2023, arXiv 2308.07192.
    """

    def __init__(self, num_items: int, t: float = 0.75, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        check_whole(2, num_items=num_items)
        check_number("[0, 1]", t=t)
        self.num_items, self.t = num_items, t

    def beta(self, n_negatives: int) -> float:
        """Return the exponent β of the positive's probability for K negatives."""
        if n_negatives > self.num_items - 1:
            raise ValueError(
                f"gBCE needs at most {self.num_items - 1} negatives, one for each other item of a "
                f"catalog of num_items={self.num_items}, got {n_negatives}"
            )
        alpha = n_negatives / (self.num_items - 1)
        return alpha * self.t - self.t + 1  # the same, without a division by α


class BPRMaxLoss(nn.Module):
    """A positive should beat the best negatives: L = −ln Σ_k s_k σ(p − q_k) + λ Σ_k s_k q_k².

    s is the softmax of the negatives' scores q, so that those of high score count, and the
    gradient does not fade with the number of negatives as that of BPR does. The penalty holds the
    scores of negatives near 0.

    Args:
        regularization: λ.
        reduction: "mean" or "sum" over positives, or "none". A positive without negatives has
            loss 0.

    Raises:
        ValueError: An argument is out of range; in `forward`, shapes do not match.

    Example:
        >>> BPRMaxLoss()(torch.tensor([0.0]), torch.tensor([[0.0, 0.0]]))  # ln 2
        tensor(0.6931)

    Reference:
        Hidasi and Karatzoglou, Recurrent Neural Networks with Top-k Gains for Session-based
        Recommendations, CIKM 2018, arXiv 1706.03847.
    """

    kind = "pairs"

    def __init__(self, regularization: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__()
        check_number("[0, inf)", regularization=regularization)
        self.regularization, self.reduction = regularization, known_reduction(reduction)

    def forward(self, pos: Tensor, neg: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            pos: A score for each positive, (N,).
            neg: The scores of its negatives, (N, K); or (N,), one each.

        Returns:
            The loss: a scalar, or (N,) without reduction.
        """
        p, q = _checked(pos, neg)
        none = q.isneginf()
        q = q.masked_fill(none, 0.0)  # their share is 0, and no infinite number gets a gradient
        shares = q.masked_fill(none, torch.finfo(q.dtype).min).log_softmax(dim=-1)
        chance = (shares + F.logsigmoid(p.unsqueeze(-1) - q)).logsumexp(dim=-1)
        size = (shares.exp() * q.square()).sum(dim=-1)
        losses = (self.regularization * size - chance).masked_fill(none.all(dim=-1), 0.0)
        return reduce_losses(losses, self.reduction)


class OverCandidates(nn.Module):
    """A loss of positives and negatives on scores (N, C), the positive in column `target`.

    It takes the place of `nn.CrossEntropyLoss` where all other candidates of a row are negatives.

    Args:
        loss: Maps positives (N,) and negatives (N, C − 1) to a loss of each row, (N,); its own
            reduction must be "none".
        reduction: "mean" or "sum" over rows, or "none".

    Example:
        >>> loss = OverCandidates(NegativesBCELoss(reduction="none"))
        >>> loss(torch.zeros(2, 3), torch.tensor([2, 0]))
        tensor(0.6931)
    """

    kind = "candidates"

    def __init__(self, loss: nn.Module, reduction: str = "mean") -> None:
        super().__init__()
        self.loss, self.reduction = loss, known_reduction(reduction)

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch, 0 without rows; a scalar, or (N,) without reduction."""
        column = target.unsqueeze(1)
        others = torch.ones_like(scores, dtype=torch.bool).scatter_(1, column, False)
        negatives = scores[others].view(len(scores), scores.shape[1] - 1)
        losses = self.loss(scores.gather(1, column).squeeze(1), negatives)
        if len(losses) == 0 and self.reduction == "mean":
            return scores.sum()
        return reduce_losses(losses, self.reduction)


def _softmax() -> nn.Module:
    loss = nn.CrossEntropyLoss()
    loss.kind = "candidates"  # type: ignore[assignment]
    return loss


def _gbce(num_items: int, t: float = 0.75) -> nn.Module:
    return OverCandidates(GBCELoss(num_items, t, reduction="none"))


def _bpr_max(regularization: float = 1.0) -> nn.Module:
    return OverCandidates(BPRMaxLoss(regularization, reduction="none"))


def _bce() -> nn.Module:
    return OverCandidates(NegativesBCELoss(reduction="none"))


CANDIDATES: dict[str, Callable[..., nn.Module]] = {
    "sampled_softmax": _softmax,
    "gbce": _gbce,
    "bpr_max": _bpr_max,
    "bce": _bce,
}
"""The losses of scores (N, C), column `target` the positive, by name."""


def _checked(pos: Tensor, neg: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (…) and (…, K) in single precision at least."""
    if neg.shape == pos.shape:
        neg = neg.unsqueeze(-1)
    if neg.shape[:-1] != pos.shape:
        raise ValueError(
            f"positives of shape {tuple(pos.shape)} need negatives of the same shape or of "
            f"{(*pos.shape, 'K')}, got {tuple(neg.shape)}"
        )
    return widened(pos), widened(neg)
