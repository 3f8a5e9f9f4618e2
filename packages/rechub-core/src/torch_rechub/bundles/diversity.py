"""Re-ranking of candidates for diversity, by maximal marginal relevance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .._bounds import check_number, check_whole, refuse_none


@dataclass(frozen=True)
class Diversity:
    """Re-ranking of a `Pipeline` by `maximal_marginal_relevance`.

    Args:
        trade_off: λ: 1 ranks by relevance alone, 0 by diversity alone.
        columns: The columns of items whose values make two of them similar: similarity is the share
            of equal ones. Without columns it is the cosine of the embeddings of the first stage.

    Raises:
        ValueError: `trade_off` is out of range.

    Example:
        >>> Diversity(0.5, columns=["category"])
        Diversity(trade_off=0.5, columns=['category'])
    """

    trade_off: float = 0.7
    columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        refuse_none(trade_off=self.trade_off)
        check_number("[0, 1]", trade_off=self.trade_off)
        if isinstance(self.columns, str):
            raise TypeError(f"columns must be a list, such as [{self.columns!r}]")


def maximal_marginal_relevance(
    relevance: Any, vectors: Any, k: int, *, trade_off: float = 0.7, categorical: bool = False
) -> Tensor:
    """Return the positions of k diverse candidates for each user, in the order of their selection.

    next = argmax_{i ∉ S} [λ r_i − (1 − λ) max_{j ∈ S} s(v_i, v_j)],  S: those selected before

    s is the cosine, or of categories the share of equal ones.

    Without a selection the second term is 0, so that the most relevant candidate comes first. Ties
    are broken by the lower position. Relevance and cosine should have the same scale: λ has its
    meaning for relevances in [0, 1].

    Complexity: O(U k C D) for C candidates of each user.

    Args:
        relevance: r of each user's candidates, (U, C); −inf marks the absence of a candidate.
        vectors: v of the candidates, (U, C, D). The cosine with a vector of zeros is 0.
        k: Number of candidates to select.
        trade_off: λ: 1 ranks by relevance alone, 0 by diversity alone.
        categorical: Whether the vectors hold the numbers of categories.

    Returns:
        Positions (U, min(k, C)), int64; −1 where a user has fewer candidates.

    Raises:
        ValueError: The shapes do not match, a relevance is NaN or inf, a vector is not finite, or
            an argument is out of range.

    Example:
        >>> relevance = torch.tensor([[0.9, 0.8, 0.5]])
        >>> vectors = torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]])
        >>> maximal_marginal_relevance(relevance, vectors, 2, trade_off=0.5)
        tensor([[0, 2]])

    Reference:
        Carbonell and Goldstein, The Use of MMR, Diversity-Based Reranking for Reordering Documents
        and Producing Summaries, SIGIR 1998.
    """
    refuse_none(k=k, trade_off=trade_off)
    check_whole(1, k=k)
    check_number("[0, 1]", trade_off=trade_off)
    r, v = _checked(relevance, vectors, categorical)
    absent = r.isneginf()
    relevant = trade_off * r.masked_fill(absent, 0)
    nearest = torch.zeros_like(relevant)
    selected = torch.empty(len(r), min(k, r.shape[1]), dtype=torch.long, device=r.device)
    rows = torch.arange(len(r), device=r.device)
    for step in range(selected.shape[1]):
        marginal = (relevant - (1 - trade_off) * nearest).masked_fill(absent, -torch.inf)
        best = marginal.argmax(dim=1)
        selected[:, step] = best.masked_fill(absent[rows, best], -1)
        similar = _similarities(v, v[rows, best], categorical)
        nearest = similar if step == 0 else torch.maximum(nearest, similar)
        absent[rows, best] = True
    return selected


def unit_interval(scores: Tensor) -> Tensor:
    """Scale the scores (U, C) of each user linearly to [0, 1]; equal scores become 1.

    −inf, which marks the absence of a candidate, stays.

    Example:
        >>> unit_interval(torch.tensor([[4.0, 2.0, 3.0], [7.0, 7.0, -torch.inf]]))
        tensor([[1.0000, 0.0000, 0.5000],
                [1.0000, 1.0000,   -inf]])
    """
    absent = scores.isneginf()
    low = scores.masked_fill(absent, torch.inf).amin(dim=1, keepdim=True)
    span = scores.amax(dim=1, keepdim=True) - low
    scaled = torch.where(span > 0, (scores - low) / span.where(span > 0, 1), 1.0)
    return scaled.to(scores.dtype).masked_fill(absent, -torch.inf)


def _similarities(v: Tensor, one: Tensor, categorical: bool) -> Tensor:
    """Return the similarity (U, C) of candidates (U, C, D) to one of each user, (U, D)."""
    if categorical:
        return (v == one.unsqueeze(1)).float().mean(dim=2)
    return (v @ one.unsqueeze(2)).squeeze(2)


def _checked(relevance: Any, vectors: Any, categorical: bool) -> tuple[Tensor, Tensor]:
    """Return relevances (U, C), and vectors (U, C, D), of unit length unless categorical."""
    r, v = (x if isinstance(x, Tensor) else torch.tensor(x) for x in (relevance, vectors))
    if r.dim() != 2 or v.dim() != 3 or v.shape[:2] != r.shape:
        raise ValueError(
            "relevance must have the shape (users, candidates) and vectors (users, candidates, "
            f"width), got {tuple(r.shape)} and {tuple(v.shape)}"
        )
    if r.isnan().any() or r.isposinf().any():
        raise ValueError(
            "relevance holds NaN or inf: every candidate needs a finite one, or −inf where there "
            "is no candidate"
        )
    if not v.isfinite().all():
        raise ValueError("vectors hold values that are not finite")
    r = r if r.is_floating_point() else r.float()
    return r, v if categorical else F.normalize(v.to(r), dim=2)
