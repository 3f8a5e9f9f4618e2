"""The recurrent unit of DIEN: a GRU whose update gate is scaled by attention."""

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from .target_attention import masked_softmax


class AUGRU_Cell(nn.Module):
    """One time step of a GRU whose update gate is scaled by attention.

    u = σ(x W_u + h U_u + b_u),  r = σ(x W_r + h U_r + b_r),
    h̃ = tanh(x W_h + r ⊙ (h U_h) + b_h),  ũ = a u,  h' = (1 − ũ) ⊙ h + ũ ⊙ h̃

    Args:
        embed_dim: Width D of a step and of the state.

    Shape:
        x, h_1: (B, D); a: (B, 1); returns (B, D).

    Reference:
        Zhou et al., Deep Interest Evolution Network for Click-Through Rate Prediction, AAAI 2019,
        arXiv 1809.03672.
    """

    def __init__(self, embed_dim: int) -> None:
        check_whole(1, embed_dim=embed_dim)
        super().__init__()
        self.Wu, self.Uu, self.bu = _gate(embed_dim)
        self.Wr, self.Ur, self.br = _gate(embed_dim)
        self.Wh, self.Uh, self.bh = _gate(embed_dim)

    def forward(self, x: Tensor, h_1: Tensor, a: Tensor) -> Tensor:
        """Return the next state (B, D)."""
        u = torch.sigmoid(x @ self.Wu + h_1 @ self.Uu + self.bu)
        r = torch.sigmoid(x @ self.Wr + h_1 @ self.Ur + self.br)
        h = torch.tanh(x @ self.Wh + r * (h_1 @ self.Uh) + self.bh)
        return torch.lerp(h_1, h, a * u)


class AUGRU(nn.Module):
    """GRU with attentional update gate: an `AUGRU_Cell` over the steps, with initial state 0.

    a_t = softmax_t(h_tᵀ W e),  e the target and h_t the steps; a_t is 0 at padding, which leaves
    the state unchanged.

    Args:
        embed_dim: Width D of a step, of the target and of the state.

    Shape:
        x: (B, L, D); item: (B, D); mask: (B, L), true where a step is not padding, None for all;
        returns the states (B, L, D) and the last one (B, D).

    Example:
        >>> states, last = AUGRU(8)(torch.rand(3, 5, 8), torch.rand(3, 8))
        >>> states.shape, last.shape
        (torch.Size([3, 5, 8]), torch.Size([3, 8]))

    Reference:
        Zhou et al., Deep Interest Evolution Network for Click-Through Rate Prediction, AAAI 2019,
        arXiv 1809.03672.
    """

    def __init__(self, embed_dim: int) -> None:
        check_whole(1, embed_dim=embed_dim)
        super().__init__()
        self.Wa = nn.Parameter(nn.init.xavier_normal_(torch.empty(embed_dim, embed_dim)))
        self.augru_cell = AUGRU_Cell(embed_dim)

    def forward(self, x: Tensor, item: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (B, L, D) and (B, D)."""
        a = self.attention(x, item, mask)
        h, states = torch.zeros_like(item), []
        for step in range(x.shape[1]):
            h = self.augru_cell(x[:, step], h, a[:, step, None])
            states.append(h)
        return (torch.stack(states, dim=1) if states else x), h

    def attention(self, x: Tensor, item: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return a (B, L)."""
        valid = torch.ones_like(x[..., 0], dtype=torch.bool) if mask is None else mask.bool()
        scores = torch.einsum("bld,de,be->bl", x, self.Wa, item)
        return masked_softmax(scores, valid)


def _gate(dim: int) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter]:
    """Parameters W (D, D), U (D, D) and b (1, D) of one gate."""
    w, u = (nn.Parameter(nn.init.xavier_normal_(torch.empty(dim, dim))) for _ in range(2))
    return w, u, nn.Parameter(torch.zeros(1, dim))
