"""How a loss of several rows is reduced: to their mean, their sum, or not at all."""

from torch import Tensor


def known_reduction(reduction: str) -> str:
    """The reduction, if there is such a one.

    Raises:
        ValueError: It is none of "none", "mean" and "sum".
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
    return reduction


def reduce_losses(losses: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of losses, or the losses themselves for "none"."""
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses
