"""Softmax cross-entropy over many candidates, block by block: no matrix of scores is kept."""

from typing import Any

import torch
from torch import Tensor

# scores of a block: 8 MB, where matrix products are fastest and the memory is small
BLOCK_NUMBERS = 2**21
MIN_ROWS = 64  # rows of a block, also for many candidates

Pairs = tuple[Tensor, Tensor]


def softmax_loss(
    hidden: Tensor,
    candidates: Tensor,
    target: Tensor,
    bias: Tensor | None = None,
    weight: Tensor | None = None,
    excluded: Pairs | None = None,
) -> Tensor:
    """Return the mean cross-entropy of each row's target among all candidates.

    L = −Σ_i a_i ln( exp s_{i,t(i)} / Σ_j exp s_ij ) / Σ_i a_i,  s_ij = ⟨h_i, v_j⟩ + b_j

    With P the softmax of s and T the one-hot targets, the gradients are the weighted (P − T) v and
    (P − T)ᵀ h. They are computed in the forward pass, block by block, while the scores of a block
    are in memory, in float32, or in float64 if h is. So memory is that of the inputs and one block,
    not of N · M scores.

    Args:
        hidden: h (N, D).
        candidates: v (M, D).
        target: t (N,), each from 0 to M − 1.
        bias: b (M,); None means 0.
        weight: a (N,), at least 0 and not all 0; None means 1.
        excluded: Pairs (i, j), sorted by i, of candidates that row i leaves out of its sum.

    Returns:
        A scalar, 0 for no rows; it can be differentiated once.

    Example:
        >>> h, v = torch.eye(2), 2 * torch.eye(2)
        >>> softmax_loss(h, v, torch.tensor([0, 1]))  # ln(1 + e⁻²)
        tensor(0.1269)
    """
    with torch.autocast(hidden.device.type, enabled=False):
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        b = None if bias is None else bias.to(dtype)
        inputs = (hidden.to(dtype), candidates.to(dtype), b, target, weight, excluded)
        loss: Tensor = _BlockSoftmax.apply(*inputs)
    return loss


class _BlockSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        v: Tensor,
        bias: Tensor | None,
        target: Tensor,
        weight: Tensor | None,
        excluded: Pairs | None,
    ) -> Tensor:
        n, rows = len(h), max(MIN_ROWS, BLOCK_NUMBERS // max(1, len(v)))
        a = h.new_full((n,), 1 / max(n, 1)) if weight is None else (weight / weight.sum()).to(h)
        d_h, d_v = torch.empty_like(h), torch.zeros_like(v)
        d_bias = None if bias is None else torch.zeros_like(bias)
        loss = h.new_zeros(())
        scores = h.new_empty(min(rows, n), len(v))
        bounds = [] if excluded is None else _bounds(excluded[0], n, rows)
        for block, first in enumerate(range(0, n, rows)):
            part = slice(first, min(first + rows, n))
            s = scores[: part.stop - first]
            if bias is None:
                torch.mm(h[part], v.T, out=s)
            else:
                torch.addmm(bias, h[part], v.T, out=s)
            if excluded is not None:
                pairs = slice(bounds[block], bounds[block + 1])
                s[excluded[0][pairs] - first, excluded[1][pairs]] = -torch.inf
            t = target[part].unsqueeze(1)
            top = s.amax(dim=1, keepdim=True)
            own = s.gather(1, t) - top
            # in place: the scores of a block become its probabilities, then its gradient
            p = s.sub_(top).exp_()
            total = p.sum(dim=1, keepdim=True)
            share = a[part].unsqueeze(1)
            loss += ((total.log() - own) * share).sum()
            p.mul_(share / total).scatter_add_(1, t, -share)
            torch.mm(p, v, out=d_h[part])
            d_v.addmm_(p.T, h[part])
            if d_bias is not None:
                d_bias += p.sum(dim=0)
        ctx.gradients = (d_h, d_v, d_bias)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        d_h, d_v, d_bias = ctx.gradients
        return d_h * grad, d_v * grad, None if d_bias is None else d_bias * grad, None, None, None


def _bounds(row: Tensor, n: int, rows: int) -> list[int]:
    """Return the positions at which the pairs of each block begin, and the end of the last."""
    starts = torch.arange(0, n + rows, rows, device=row.device)
    return torch.searchsorted(row, starts).tolist()
