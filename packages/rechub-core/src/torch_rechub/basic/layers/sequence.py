"""Where the steps of a padded sequence are: their positions, the last one, all at the front."""

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
    found = x[torch.arange(x.shape[0], device=x.device), last]
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
    # keys that differ, so that no stable sort is needed, which ONNX has none of
    steps = torch.arange(mask.shape[1], device=mask.device)
    order = (steps - 2**31 * mask.bool().long()).argsort(dim=1)
    front = mask.bool().gather(1, order)
    moved = x.gather(1, order.unsqueeze(-1).expand_as(x))
    return moved.masked_fill(~front.unsqueeze(-1), 0), front


def positions(mask: Tensor, max_len: int) -> Tensor:
    """The number of each valid step in its sequence, from 0, wherever padding lies.

    Args:
        mask: Where a step is no padding, shape (B, L).
        max_len: The number of positions there are.

    Returns:
        Shape (B, L); at padding, any position below `max_len`.

    Raises:
        ValueError: A sequence has more valid steps than there are positions.

    Example:
        >>> positions(torch.tensor([[False, True, True], [True, False, True]]), max_len=2)
        tensor([[0, 0, 1],
                [0, 0, 1]])
    """
    check_length(mask, max_len)
    return mask.bool().cumsum(dim=1).sub(1).clamp(min=0)  # of a longer one: not in the table either


def check_length(mask: Tensor, max_len: int) -> None:
    """Refuse sequences with more than `max_len` valid steps in mask, (B, L).

    Raises:
        ValueError: There is one.
    """
    if mask.shape[1] > max_len and int(mask.sum(dim=1).max()) > max_len:
        raise ValueError(
            f"a history has {int(mask.sum(dim=1).max())} items, more than the {max_len} that the "
            f"model was made for: cut histories to their last {max_len} items, or make the model "
            "for longer ones"
        )
