"""Operations on padded sequences: positions, last valid step, padding moved to the end."""

import torch
from torch import Tensor


def last_valid(x: Tensor, mask: Tensor) -> Tensor:
    """The last valid step of each sequence; 0 for an empty sequence.

    Args:
        x: Steps, shape (B, L, D) or (B, L).
        mask: True for valid steps, shape (B, L); padding may be anywhere.

    Returns:
        Shape (B, D), or (B,).

    Example:
        >>> ids = torch.tensor([[5, 7, 0], [0, 3, 9], [0, 0, 0]])
        >>> last_valid(ids, ids != 0)
        tensor([7, 9, 0])
    """
    if mask.shape[1] == 0:  # every history in the batch is empty
        return x.new_zeros(x.shape[:1] + x.shape[2:])
    mask = mask.bool()
    steps = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    last = (mask * steps).argmax(dim=1)
    found = x[torch.arange(x.shape[0], device=x.device), last]
    empty = ~mask.any(dim=1)
    return found.masked_fill(empty.reshape(-1, *[1] * (found.dim() - 1)), 0)


def to_front(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Move the valid steps of each sequence to the front, in order; padding becomes 0.

    A recurrent layer then reads no padding before the last valid step.

    Args:
        x: Steps, shape (B, L, D).
        mask: True for valid steps, shape (B, L); padding may be anywhere.

    Returns:
        The steps, shape (B, L, D), and their mask, shape (B, L).

    Example:
        >>> x = torch.tensor([[[0.0], [3.0], [9.0]]])
        >>> to_front(x, x[..., 0] != 0)[0].flatten()
        tensor([3., 9., 0.])
    """
    # distinct sort keys, because ONNX has no stable sort
    steps = torch.arange(mask.shape[1], device=mask.device)
    order = (steps - 2**31 * mask.bool().long()).argsort(dim=1)
    front = mask.bool().gather(1, order)
    moved = x.gather(1, order.unsqueeze(-1).expand_as(x))
    return moved.masked_fill(~front.unsqueeze(-1), 0), front


def positions(mask: Tensor, max_len: int) -> Tensor:
    """The position of each valid step among the valid steps of its sequence, from 0.

    Args:
        mask: True for valid steps, shape (B, L).
        max_len: Number of positions.

    Returns:
        Shape (B, L); at padding, any position below `max_len`.

    Raises:
        ValueError: A sequence has more than `max_len` valid steps.

    Example:
        >>> positions(torch.tensor([[False, True, True], [True, False, True]]), max_len=2)
        tensor([[0, 0, 1],
                [0, 0, 1]])
    """
    check_length(mask, max_len)
    # not clamped to max_len: an exported graph lacks check_length, so its lookup must fail
    return mask.bool().cumsum(dim=1).sub(1).clamp(min=0)


def check_length(mask: Tensor, max_len: int) -> None:
    """Refuse sequences with more than `max_len` valid steps in mask, (B, L).

    Raises:
        ValueError: A sequence is too long.
    """
    if mask.shape[1] > max_len and int(mask.sum(dim=1).max()) > max_len:
        raise ValueError(
            f"a history has {int(mask.sum(dim=1).max())} items, more than the {max_len} that the "
            f"model was made for: cut histories to their last {max_len} items, or make the model "
            "for longer ones"
        )
