"""Scores of candidates that differ from row to row."""

from typing import Any

import torch
from torch import Tensor

BLOCK_NUMBERS = 2**21  # values of candidate vectors in memory at a time: 8 MB


def candidate_scores(hidden: Tensor, vectors: Tensor, candidates: Tensor) -> Tensor:
    """Return the inner product of each row with each of its candidates: s_nk = ⟨h_n, v_{c(n,k)}⟩.

    The vectors of the candidates, N · K · D values, are gathered block by block in the forward and
    the backward pass and not stored. Computed in float32, or in float64 if h is.

    Args:
        hidden: h (N, D).
        vectors: v (V, D).
        candidates: c (N, K), each from 0 to V − 1.

    Returns:
        Shape (N, K); it can be differentiated once.

    Example:
        >>> candidate_scores(torch.eye(2), torch.eye(2), torch.tensor([[0, 1, 0], [0, 0, 1]]))
        tensor([[1., 0., 1.],
                [0., 0., 1.]])
    """
    with torch.autocast(hidden.device.type, enabled=False):
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        scores: Tensor = _CandidateScores.apply(hidden.to(dtype), vectors.to(dtype), candidates)
    return scores


class _CandidateScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, v: Tensor, candidates: Tensor) -> Tensor:
        ctx.save_for_backward(h, v, candidates)
        scores = h.new_empty(candidates.shape)
        for part in _blocks(h, candidates):
            scores[part] = torch.bmm(v[candidates[part]], h[part].unsqueeze(2)).squeeze(2)
        return scores

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        h, v, candidates = ctx.saved_tensors
        d_h, d_v = torch.empty_like(h), torch.zeros_like(v)
        for part in _blocks(h, candidates):
            c, g = candidates[part], grad[part]
            torch.bmm(g.unsqueeze(1), v[c], out=d_h[part].unsqueeze(1))
            d_v.index_add_(0, c.reshape(-1), (g.unsqueeze(2) * h[part].unsqueeze(1)).flatten(0, 1))
        return d_h, d_v, None


def _blocks(h: Tensor, candidates: Tensor) -> list[slice]:
    """Iterate over blocks of rows."""
    rows = max(1, BLOCK_NUMBERS // max(1, candidates.shape[1] * h.shape[1]))
    return [slice(first, first + rows) for first in range(0, len(h), rows)]
