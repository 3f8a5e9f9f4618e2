"""Floating types: which one a device gets, and what the smaller ones need.

float16 ends at 65504, and below 6e-8 it has only 0; some devices, such as MPS, have no float64.
"""

from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def is_double(model: nn.Module) -> bool:
    """Whether a model computes in double precision: it has a weight or buffer of float64.

    Example:
        >>> is_double(nn.Linear(2, 1)), is_double(nn.Linear(2, 1).double())
        (False, True)
    """
    return any(t.dtype == torch.float64 for t in chain(model.parameters(), model.buffers()))


def for_device(x: Tensor, double: bool = False) -> Tensor:
    """Return x as a device takes it: float64 becomes float32, unless `double` says otherwise.

    To be called before x is moved, as the device may have no float64.
    """
    return x if double or x.dtype != torch.float64 else x.float()


def in_double(x: Tensor) -> Tensor:
    """Return x in double precision: on its device, or on the CPU where the device has none."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def widened(x: Tensor) -> Tensor:
    """Return x in single precision at least, for what a smaller type cannot hold.

    Example:
        >>> widened(torch.ones(1, dtype=torch.float16)).dtype, widened(torch.ones(1).double()).dtype
        (torch.float32, torch.float64)
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def unit_length(x: Tensor, dim: int = -1, eps: float = 1e-12) -> Tensor:
    """X / max(‖x‖, ε) along a dimension, in the type of x.

    In float16 the norm could be infinite and ε would be 0, so both are wider. The gradient at a
    vector of length 0, 1 / ε, would be infinite there; it is 0.

    Example:
        >>> unit_length(torch.tensor([[0, 0], [3e4, 4e4]], dtype=torch.float16))
        tensor([[0.0000, 0.0000],
                [0.6001, 0.7998]], dtype=torch.float16)
    """
    y = F.normalize(widened(x), dim=dim, eps=eps)
    if x.dtype == torch.float16:
        y = y.masked_fill((x == 0).all(dim=dim, keepdim=True), 0.0)  # which stops the gradient
    return y.to(x.dtype)


def lowest_score(dtype: torch.dtype) -> float:
    """A score so low that its item is no candidate: −10⁹, or the lowest that the type has."""
    return max(-1e9, torch.finfo(dtype).min)


def leave_out(scores: Tensor, excluded: Tensor) -> Tensor:
    """Give excluded items the lowest score.

    Args:
        scores: Of any shape and floating type.
        excluded: Where an item is left out, of a shape that fits.

    Example:
        >>> leave_out(torch.ones(2, dtype=torch.float16), torch.tensor([False, True]))
        tensor([ 1.0000e+00, -6.5504e+04], dtype=torch.float16)
    """
    return scores.masked_fill(excluded, lowest_score(scores.dtype))
