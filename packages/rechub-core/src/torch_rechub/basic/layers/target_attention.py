"""Attention of a target to the steps of a history, padding left out."""

import torch
from torch import Tensor


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the valid steps; 0 at padding, and everywhere where there is nothing else.

    Args:
        scores: Shape (B, L) or (B, L, K); the softmax is over L.
        mask: Where a step is no padding, shape (B, L) or (B, L, 1).

    Returns:
        Weights, of the shape of `scores`.

    Example:
        >>> masked_softmax(torch.zeros(2, 2), torch.tensor([[True, True], [False, False]]))
        tensor([[0.5000, 0.5000],
                [0.0000, 0.0000]])
    """
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(dim=1).masked_fill(~mask, 0.0)
