"""Floating-point precision: dtypes that a device supports, and operations that overflow in float16.

The largest float16 is 65504, and numbers below 6e-8 round to 0; some devices, such as MPS, have no
float64.
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
    """Cast float64 to float32, unless the model computes in `double` precision.

    Call it before x is moved to the device, which may not support float64.
    """
    return x if double or x.dtype != torch.float64 else x.float()


def in_double(x: Tensor) -> Tensor:
    """Return x in double precision: on its device, or on the CPU if the device has no float64."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def widened(x: Tensor) -> Tensor:
    """Return x in single precision at least, for values that overflow smaller types.

    Example:
        >>> widened(torch.ones(1, dtype=torch.float16)).dtype, widened(torch.ones(1).double()).dtype
        (torch.float32, torch.float64)
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def unit_length(x: Tensor, dim: int = -1, eps: float = 1e-12) -> Tensor:
    """X / max(‖x‖, ε) along a dimension, in the type of x.

    Norm and ε are computed in float32 at least: in float16 the norm may overflow and ε underflows.
    The gradient at a zero vector, 1 / ε, would overflow and is set to 0.

    Example:
        >>> unit_length(torch.tensor([[0, 0], [3e4, 4e4]], dtype=torch.float16))
        tensor([[0.0000, 0.0000],
                [0.6001, 0.7998]], dtype=torch.float16)
    """
    y = F.normalize(widened(x), dim=dim, eps=eps)
    if x.dtype == torch.float16:
        y = y.masked_fill((x == 0).all(dim=dim, keepdim=True), 0.0)  # its gradient is 0
    return y.to(x.dtype)


def lowest_score(dtype: torch.dtype) -> float:
    """The score of excluded items: −10⁹, or the lowest finite value of the dtype."""
    return max(-1e9, torch.finfo(dtype).min)


def leave_out(scores: Tensor, excluded: Tensor) -> Tensor:
    """Set the scores of excluded items to `lowest_score`.

    Args:
        scores: Scores of any shape and floating-point dtype.
        excluded: Mask, true for excluded items; broadcast to the shape of `scores`.

    Example:
        >>> leave_out(torch.ones(2, dtype=torch.float16), torch.tensor([False, True]))
        tensor([ 1.0000e+00, -6.5504e+04], dtype=torch.float16)
    """
    return scores.masked_fill(excluded, lowest_score(scores.dtype))
