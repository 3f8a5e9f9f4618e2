"""Reduction of losses: mean, sum, or none."""

import torch
from torch import Tensor


def known_reduction(reduction: str) -> str:
    """Return the reduction after checking it.

    Raises:
        ValueError: It is not one of "none", "mean" and "sum".
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
    return reduction


def reduce_losses(losses: Tensor, reduction: str) -> Tensor:
    """Return the mean or the sum of losses, or the losses themselves for "none"."""
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses


def mean_of_rows(losses: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean of the losses of rows, Σ_i w_i ℓ_i / Σ_i w_i; 0 where all weights are 0.

    Args:
        losses: ℓ (B,).
        weights: w (B,), at least 0; None counts all rows alike.
    """
    if weights is None:
        return losses.mean()
    w = weights.to(losses.dtype)
    return ratio((w * losses).sum(), w.sum())


def ratio(total: Tensor, weight: Tensor) -> Tensor:
    """A weighted sum over the sum of its weights; 0 where that is 0."""
    return total / torch.where(weight > 0, weight, torch.ones_like(weight))
