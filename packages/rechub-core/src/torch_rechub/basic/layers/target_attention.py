"""Target attention: attention of a target over the valid steps of a history."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from .experts import mix
from .mlp import MLP


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the valid steps; 0 at padding, and 0 everywhere for an empty history.

    Args:
        scores: Shape (B, L) or (B, L, K); the softmax is over L.
        mask: True for valid steps, shape (B, L) or (B, L, 1).

    Returns:
        Weights, in the shape of `scores`.

    Example:
        >>> masked_softmax(torch.zeros(2, 2), torch.tensor([[True, True], [False, False]]))
        tensor([[0.5000, 0.5000],
                [0.0000, 0.0000]])
    """
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(dim=1).masked_fill(~mask, 0.0)


class ActivationUnit(nn.Module):
    """Local activation unit of DIN: sums a history with weights that depend on the target.

    v_U = Σ_j a(e_j, v_A) e_j,  a(e, v) = MLP([v; e; v − e; v ⊙ e])

    Padding is excluded, also from the batch normalization of the `MLP`. As in the paper, weights
    are not normalized, so that their sum expresses the intensity of the interest.

    Args:
        emb_dim: Width D of a step.
        dims: Hidden widths of the `MLP`; None means [36].
        activation: Activation of the `MLP`.
        use_softmax: Whether to normalize the weights of a history to sum to 1.
        dropout: Share of activations of the `MLP` dropped while training.

    Shape:
        history: (B, L, D); target: (B, D); mask: (B, L), true where a step is not padding, None for
        all; returns (B, D), 0 for a history without a step.

    Example:
        >>> ActivationUnit(8)(torch.rand(3, 5, 8), torch.rand(3, 8)).shape
        torch.Size([3, 8])

    Reference:
        Zhou et al., Deep Interest Network for Click-Through Rate Prediction, KDD 2018,
        arXiv 1706.06978.
    """

    def __init__(
        self,
        emb_dim: int,
        dims: Sequence[int] | None = None,
        activation: str | type[nn.Module] = "dice",
        use_softmax: bool = False,
        *,
        dropout: float = 0.0,
    ) -> None:
        check_whole(1, emb_dim=emb_dim)
        check_number("[0, 1]", dropout=dropout)
        super().__init__()
        dims = [36] if dims is None else dims
        self.use_softmax = use_softmax
        self.attention = MLP(4 * emb_dim, dims=dims, dropout=dropout, activation=activation)

    def forward(self, history: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, D)."""
        valid = history.new_ones(history.shape[:2]) if mask is None else mask
        valid = valid.bool()
        a = self.activations(history[valid], target.unsqueeze(1).expand_as(history)[valid])
        a = torch.zeros_like(history[..., 0], dtype=a.dtype).masked_scatter(valid, a)
        return self.weighted_sum(a, valid, history)

    def activations(self, e: Tensor, v: Tensor) -> Tensor:
        """Return a(e, v) of steps and targets, (N, D) each: (N,)."""
        a: Tensor = self.attention(torch.cat([v, e, v - e, v * e], dim=1))
        return a.squeeze(1)

    def weighted_sum(self, a: Tensor, valid: Tensor, history: Tensor) -> Tensor:
        """Return v_U (B, D) from the activations a (B, L) of the steps, which are 0 at padding."""
        return mix(masked_softmax(a, valid) if self.use_softmax else a, history)
