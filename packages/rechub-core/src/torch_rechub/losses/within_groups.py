"""Losses of the order of rows within their group, such as the items shown to one user.

A group counts where its labels differ: elsewhere there is no order to learn. Rows of one group must
be in one batch: `DataGenerator.generate_dataloader(group_column=…)` sees to that.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._bounds import check_number, check_whole
from .group_rows import GroupRows
from .reduction import known_reduction, reduce_losses


class GroupLoss(nn.Module):
    """A loss of scores within groups: the mean of its terms, each of a pair or of a group.

    Args:
        reduction: "mean" or "sum" over terms, or "none".

    Raises:
        ValueError: `reduction` has another value.
    """

    kind = "ranking"

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = known_reduction(reduction)

    def forward(
        self, scores: Tensor, labels: Tensor, groups: Tensor, weights: Tensor | None = None
    ) -> Tensor:
        """Return the loss of a batch.

        Args:
            scores: s (B,).
            labels: y (B,); larger ones should score higher.
            groups: Numbers that are equal for the rows of a group, (B,), in any order.
            weights: w (B,), at least 0; None weighs rows by 1.

        Returns:
            A scalar, 0 where there is no term; or the terms (n,) without reduction.
        """
        terms, weight = self.terms(scores, labels, groups, weights)
        if self.reduction == "mean":
            return (weight * terms).sum() / weight.sum().clamp(min=torch.finfo(terms.dtype).tiny)
        return reduce_losses(weight * terms, self.reduction)

    def terms(
        self, scores: Tensor, labels: Tensor, groups: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The terms (n,) of a batch, and how much each weighs (n,)."""
        raise NotImplementedError


class RankNet(GroupLoss):
    """L_ij = ln(1 + exp(−σ (s_i − s_j))) for each pair of a group with y_i > y_j.

    A pair weighs w_i w_j, so that a row of weight 2 counts as two rows.

    Args:
        sigma: σ, how steep the loss is.
        reduction: "mean" or "sum" over pairs, or "none".

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> scores, labels = torch.tensor([0.0, 0.0, 5.0]), torch.tensor([2.0, 1.0, 0.0])
        >>> RankNet()(scores, labels, torch.tensor([7, 7, 8]))
        tensor(0.6931)

    Reference:
        Burges et al., Learning to Rank using Gradient Descent, ICML 2005.
    """

    def __init__(self, sigma: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        check_number("(0, inf)", sigma=sigma)
        self.sigma = sigma

    def terms(
        self, scores: Tensor, labels: Tensor, groups: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A term for each pair."""
        i, j = GroupRows(groups).pairs(labels)
        weight = torch.ones_like(scores[i]) if weights is None else (weights[i] * weights[j])
        return F.softplus(-self.sigma * (scores[i] - scores[j])), weight.to(scores.dtype)


class GroupBPR(RankNet):
    """L_ij = −ln σ(s_i − s_j) for each positive i (y_i > 0) and negative j (y_j ≤ 0) of a group.

    Where labels are 0 and 1 it is `RankNet`; of graded labels, it does not order the positives.

    Args:
        reduction: "mean" or "sum" over pairs, or "none".

    Raises:
        ValueError: `reduction` has another value.

    Example:
        >>> GroupBPR()(torch.zeros(3), torch.tensor([5.0, 3.0, 0.0]), torch.tensor([7, 7, 7]))
        tensor(0.6931)

    Reference:
        Rendle et al., BPR: Bayesian Personalized Ranking from Implicit Feedback, UAI 2009,
        arXiv 1205.2618.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)

    def terms(
        self, scores: Tensor, labels: Tensor, groups: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A term for each pair of a positive and a negative."""
        return super().terms(scores, (labels > 0).to(labels.dtype), groups, weights)


class LambdaRank(GroupLoss):
    """L_g = Σ_{y_i > y_j} |ΔNDCG_ij| ln(1 + exp(−σ (s_i − s_j))) for each group g.

    |ΔNDCG_ij| = (2^{y_i} − 2^{y_j}) |d(r_i) − d(r_j)| / IDCG_g, d(r) = 1 / log₂(1 + r), is the
    change of the group's NDCG when i and j swap their ranks r; beyond rank k, d(r) = 0. No gradient
    flows through it, so the gradients are the lambdas of the paper.

    Args:
        sigma: σ, how steep the loss is.
        k: The ranks that count; None counts all.
        reduction: "mean" or "sum" over groups, or "none".

    Raises:
        ValueError: An argument is out of range; there are weights of rows, or labels that are
            negative or above 30: gains are 2^y − 1.

    Example:
        >>> scores, labels = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
        >>> LambdaRank()(scores, labels, torch.tensor([7, 7]))
        tensor(0.4847)

    Reference:
        Burges, From RankNet to LambdaRank to LambdaMART: An Overview, MSR-TR-2010-82.
    """

    least_label, largest_label = 0.0, 30.0

    def __init__(
        self, sigma: float = 1.0, k: int | None = None, *, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        check_number("(0, inf)", sigma=sigma)
        check_whole(1, k=k)
        self.sigma, self.k = sigma, k

    def terms(
        self, scores: Tensor, labels: Tensor, groups: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A term for each group whose labels differ."""
        if weights is not None:
            raise ValueError(
                "LambdaRank takes no weights of rows, since NDCG has none: train with RankNet or "
                "ListNet, or leave out the weights"
            )
        rows = GroupRows(groups)
        i, j = rows.pairs(labels)
        gain = torch.exp2(labels.to(scores.dtype))
        discount = self._discounts(rows.ranks(scores.detach()))
        ideal = rows.sums((gain - 1) * self._discounts(rows.ranks(labels)))
        delta = (gain[i] - gain[j]) * (discount[i] - discount[j]).abs()
        delta = delta / ideal[rows.of_row[i]]
        pairs = delta * F.softplus(-self.sigma * (scores[i] - scores[j]))
        of_group = torch.zeros_like(ideal).index_add(0, rows.of_row[i], pairs)
        terms = of_group[rows.of_row[i].unique()]
        return terms, torch.ones_like(terms)

    def _discounts(self, ranks: Tensor) -> Tensor:
        discounts = 1 / torch.log2(1 + ranks)
        return discounts if self.k is None else discounts * (ranks <= self.k)


class ListNet(GroupLoss):
    """L_g = −Σ_{i ∈ g} P_i ln Q_i for each group g, with P = softmax(y) and Q = softmax(s).

    P_i and Q_i are the chances that i is at the top by its label and by its score. Row i enters
    both as w_i exp(·), so that a row of weight 2 counts as two rows.

    Args:
        reduction: "mean" or "sum" over groups, or "none".

    Raises:
        ValueError: `reduction` has another value.

    Example:
        >>> ListNet()(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0]), torch.tensor([7, 7]))
        tensor(0.6931)

    Reference:
        Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, ICML 2007.
    """

    def terms(
        self, scores: Tensor, labels: Tensor, groups: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A term for each group whose labels differ."""
        if weights is None:
            rows, log_w = GroupRows(groups), torch.zeros_like(scores)
        else:
            present = weights > 0
            scores, labels, weights = scores[present], labels[present], weights[present]
            rows, log_w = GroupRows(groups[present]), weights.to(scores.dtype).log()
        p = rows.log_softmax(labels.to(scores.dtype) + log_w).exp()
        log_q = rows.log_softmax(scores + log_w) - log_w
        terms = -rows.sums(p * log_q)[rows.differ(labels)]
        return terms, torch.ones_like(terms)
