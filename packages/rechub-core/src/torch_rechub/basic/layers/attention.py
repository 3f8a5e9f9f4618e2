"""Self-attention over sequences and over fields, and the position-wise feed-forward network."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..._bounds import check_number, check_whole


class MultiHeadSelfAttention(nn.Module):
    """Multi-head self-attention over the valid positions of a sequence.

    head_h = softmax( (X W_h^Q)(X W_h^K)ᵀ / √d + b_h + M ) X W_h^V,  Y = [head_1; …; head_H] W^O

    b is an optional bias per pair of positions. M is 0 where position i may attend to position j,
    and −∞ elsewhere: j must not be padding and, if causal, not come after i. Every position attends
    to itself, so that the softmax of padding is finite; no other position attends to padding.

    Args:
        dim: Width D of a step; a multiple of `num_heads`, d = D / H.
        num_heads: Number H of heads.
        dropout: Share of attention weights dropped while training.
        causal: Whether a position attends only to itself and earlier positions.

    Shape:
        x: (B, L, D); mask: (B, L), true where a step is not padding; bias: (1 or B, H, L, L);
        returns (B, L, D).

    Raises:
        ValueError: `dim` is not a multiple of `num_heads`.

    Example:
        >>> layer = MultiHeadSelfAttention(8, num_heads=2)
        >>> layer(torch.rand(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)).shape
        torch.Size([3, 5, 8])

    Reference:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017, arXiv 1706.03762.
    """

    def __init__(
        self, dim: int, num_heads: int = 1, dropout: float = 0.0, causal: bool = True
    ) -> None:
        check_whole(1, dim=dim, num_heads=num_heads)
        check_number("[0, 1]", dropout=dropout)
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"the width {dim} must be a multiple of num_heads={num_heads}")
        self.num_heads, self.dropout, self.causal = num_heads, dropout, causal
        self.w_q, self.w_k, self.w_v, self.w_o = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return (B, L, D)."""
        q, k, v = (_heads(w(x), self.num_heads) for w in (self.w_q, self.w_k, self.w_v))
        dropout = self.dropout if self.training else 0.0
        allowed = self._allowed(mask)
        m = allowed if bias is None else bias.masked_fill(~allowed, -torch.inf)
        y = F.scaled_dot_product_attention(q, k, v, m, dropout)
        out: Tensor = self.w_o(y.transpose(1, 2).flatten(2))
        return out

    def _allowed(self, mask: Tensor) -> Tensor:
        """The attention mask, true where i may attend to j: (B, 1, L, L)."""
        step = torch.arange(mask.shape[1], device=mask.device)
        allowed: Tensor = mask.bool()[:, None, None, :]
        if self.causal:
            allowed = allowed & (step[:, None] >= step)
        allowed = allowed | (step[:, None] == step)
        return allowed


class PointWiseFeedForward(nn.Module):
    """Position-wise feed-forward network: FFN(x) = ReLU(x W_1 + b_1) W_2 + b_2.

    Dropout follows each layer. The residual connection is left to the block:
    x + FFN(LayerNorm(x)).

    Args:
        hidden_units: Width D of a step, and of the hidden layer.
        dropout_rate: Share of values dropped while training.

    Shape:
        inputs: (..., D); returns the same shape.

    Example:
        >>> PointWiseFeedForward(8, dropout_rate=0.1)(torch.rand(3, 5, 8)).shape
        torch.Size([3, 5, 8])

    Reference:
        Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018, arXiv 1808.09781.
    """

    def __init__(self, hidden_units: int, dropout_rate: float) -> None:
        check_whole(1, hidden_units=hidden_units)
        check_number("[0, 1]", dropout_rate=dropout_rate)
        super().__init__()
        self.w_1 = nn.Linear(hidden_units, hidden_units)
        self.w_2 = nn.Linear(hidden_units, hidden_units)
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the shape of `inputs`."""
        hidden = self.dropout(self.w_1(inputs).relu())
        y: Tensor = self.dropout(self.w_2(hidden))
        return y


class InteractingLayer(nn.Module):
    """Self-attention over the fields of a row: each field reads all fields.

    α_{m,k} = softmax_k(⟨W_Q e_m, W_K e_k⟩ / √d) in each head, of width d,
    e'_m = ReLU( [Σ_k α_{m,k} W_V e_k]_heads + W_Res e_m )

    The paper omits √d, which W_Q can absorb.

    Args:
        embed_dim: Width D of a field; a multiple of `num_heads`.
        num_heads: Number of heads.
        dropout: Share of attention weights dropped while training.
        residual: Whether W_Res e_m is added.

    Shape:
        x: (B, F, D); returns (B, F, D).

    Raises:
        ValueError: `embed_dim` is not a multiple of `num_heads`.

    Example:
        >>> InteractingLayer(8, num_heads=2)(torch.rand(3, 5, 8)).shape
        torch.Size([3, 5, 8])

    Reference:
        Song et al., AutoInt: Automatic Feature Interaction Learning via Self-Attentive Neural
        Networks, CIKM 2019, arXiv 1810.11921.
    """

    def __init__(
        self, embed_dim: int, num_heads: int = 2, dropout: float = 0.0, residual: bool = True
    ) -> None:
        check_whole(1, embed_dim=embed_dim, num_heads=num_heads)
        check_number("[0, 1]", dropout=dropout)
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"the width {embed_dim} must be a multiple of num_heads={num_heads}")
        self.num_heads, self.dropout = num_heads, dropout
        self.W_Q, self.W_K, self.W_V = (
            nn.Linear(embed_dim, embed_dim, bias=False) for _ in range(3)
        )
        self.W_Res = nn.Linear(embed_dim, embed_dim, bias=False) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, F, D)."""
        q, k, v = (_heads(w(x), self.num_heads) for w in (self.W_Q, self.W_K, self.W_V))
        dropout = self.dropout if self.training else 0.0
        read = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        y: Tensor = read.transpose(1, 2).flatten(2)
        return (y if self.W_Res is None else y + self.W_Res(x)).relu()


def _heads(x: Tensor, num_heads: int) -> Tensor:
    """(B, L, D) to (B, H, L, D / H)."""
    heads: Tensor = x.unflatten(2, (num_heads, -1)).transpose(1, 2)
    return heads
