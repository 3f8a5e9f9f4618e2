"""Softmax over the items of a batch, block by block, so that no (B, B) matrix is kept."""

from typing import Any

import torch
from torch import Tensor

BLOCK_NUMBERS = 2**19  # scores of a block of rows: 2 MB, which stay in a cache


def in_batch_softmax_loss(
    user: Tensor,
    item: Tensor,
    same: tuple[Tensor, Tensor] | None = None,
    log_q: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of each row's item against all items of the batch.

    L = −Σ_i a_i ln( exp s_ii / Σ_j exp s_ij ) / Σ_i a_i,  s_ij = ⟨u_i, v_j⟩ − ln q_j

    Its gradients, with P the softmax of s, are (P − I) v and (P − I)ᵀ u, weighted; they are
    accumulated with the loss, from one block of rows after another. Memory: B · D, not B².

    Args:
        user: u (B, D).
        item: v (B, D).
        same: Pairs of different rows (i, j), sorted by i, whose items are the same: s_ij is left
            out of the sum. As `repeated_items` finds them.
        log_q: ln q (B,); None means 0.
        weight: a (B,), at least 0 and not all 0; None means 1.

    Returns:
        A scalar; it can be differentiated once.

    Example:
        >>> in_batch_softmax_loss(torch.eye(2), 2 * torch.eye(2))  # ln(1 + e⁻²)
        tensor(0.1269)

    Reference:
        Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations,
        RecSys 2019.
    """
    with torch.autocast(user.device.type, enabled=False):
        loss: Tensor = _InBatchSoftmax.apply(user.float(), item.float(), same, log_q, weight)
    return loss


class _InBatchSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        user: Tensor,
        item: Tensor,
        same: tuple[Tensor, Tensor] | None,
        log_q: Tensor | None,
        weight: Tensor | None,
    ) -> Tensor:
        n, rows = len(user), max(1, BLOCK_NUMBERS // max(1, len(item)))
        a = user.new_full((n,), 1 / n) if weight is None else weight / weight.sum()
        d_user, d_item = torch.empty_like(user), torch.zeros_like(item)
        loss = user.new_zeros(())
        bounds = [] if same is None else _bounds(same[0], n, rows)
        for block, first in enumerate(range(0, n, rows)):
            part = slice(first, min(first + rows, n))
            s = user[part] @ item.T
            if log_q is not None:
                s -= log_q
            if same is not None:
                pairs = slice(bounds[block], bounds[block + 1])
                s[same[0][pairs] - first, same[1][pairs]] = -torch.inf
            top = s.amax(dim=1)
            own = s.diagonal(first) - top
            p = s.sub_(top.unsqueeze(1)).exp_()
            total = p.sum(dim=1)
            loss += ((total.log() - own) * a[part]).sum()
            p.mul_((a[part] / total).unsqueeze(1))
            p.diagonal(first).sub_(a[part])
            torch.mm(p, item, out=d_user[part])
            d_item.addmm_(p.T, user[part])
        ctx.save_for_backward(d_user, d_item)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        d_user, d_item = ctx.saved_tensors
        return d_user * grad, d_item * grad, None, None, None


def _bounds(row: Tensor, n: int, rows: int) -> list[int]:
    """Where the pairs of each block of rows begin, and where the last one's end."""
    starts = torch.arange(0, n + rows, rows, device=row.device)
    return torch.searchsorted(row, starts).tolist()
