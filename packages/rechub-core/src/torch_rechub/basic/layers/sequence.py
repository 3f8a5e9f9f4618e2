"""Where a padded sequence ends: its last valid step, and its valid steps moved to the front."""

import torch
from torch import Tensor


def last_valid(x: Tensor, mask: Tensor) -> Tensor:
    """The last step of each sequence that is no padding; 0 where there is none.

    Args:
        x: Steps, shape (B, L, D), or (B, L), such as ids.
        mask: Where a step is no padding, shape (B, L); padding may lie anywhere.

    Returns:
        Shape (B, D), or (B,).

    Example:
        >>> ids = torch.tensor([[5, 7, 0], [0, 3, 9], [0, 0, 0]])
        >>> last_valid(ids, ids != 0)
        tensor([7, 9, 0])
    """
    if mask.shape[1] == 0:  # nobody in the batch has a history
        return x.new_zeros(x.shape[:1] + x.shape[2:])
    mask = mask.bool()
    steps = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    last = (mask * steps).argmax(dim=1)
    found = x[torch.arange(len(x), device=x.device), last]
    empty = ~mask.any(dim=1)
    return found.masked_fill(empty.reshape(-1, *[1] * (found.dim() - 1)), 0)


def to_front(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The valid steps of each sequence first, in their order, then its padding, as 0.

    A recurrent layer that reads the result sees no padding before the last valid step.

    Args:
        x: Steps, shape (B, L, D).
        mask: Where a step is no padding, shape (B, L); padding may lie anywhere.

    Returns:
        The steps, shape (B, L, D), and where they are valid, shape (B, L).

    Example:
        >>> x = torch.tensor([[[0.0], [3.0], [9.0]]])
        >>> to_front(x, x[..., 0] != 0)[0].flatten()
        tensor([3., 9., 0.])
    """
    order = (~mask.bool()).to(torch.uint8).argsort(dim=1, stable=True)
    front = mask.bool().gather(1, order)
    moved = x.gather(1, order.unsqueeze(-1).expand_as(x))
    return moved.masked_fill(~front.unsqueeze(-1), 0), front
