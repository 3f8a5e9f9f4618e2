"""BERT4Rec: bidirectional attention over a history, trained by masked-item prediction."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..._bounds import check_number, check_whole
from ...basic.features import Feature
from ...basic.layers.attention import MultiHeadSelfAttention
from ...basic.layers.inputs import column
from ...basic.layers.precision import leave_out
from ...basic.layers.sequence import check_length, positions
from ...losses.blockwise_softmax import softmax_loss
from .session import SessionModel


class BERT4Rec(SessionModel):
    """Bidirectional transformer over a history, trained to predict masked items.

    x_t = Dropout(e_t + p_t);  in each block  x ← LayerNorm(x + Dropout(attention(x))),
    x ← LayerNorm(x + Dropout(W_2 GELU(W_1 x)));  u_t = GELU(W x_t + b),  ŷ_{t,i} = ⟨u_t, e_i⟩ + b_i

    The next item is predicted at a [mask] after the last item. Training, by `MatchTrainer` mode 2
    with the next item's id as label, or with `item_feature` and `in_batch_neg=True`, adds two mean
    losses: that of the next item, and, with each item of a history replaced by [mask] with
    probability ρ, −ln softmax(ŷ_t)[item_t] at masked t over all items (`auxiliary_loss`).
    It needs more epochs than a model that predicts an item at each step.

    Padding, on either side, is masked, and positions p number the items from the first. The bias is
    the last coordinate of the item embedding, and 1 that of the user embedding, so that their inner
    product is the score.

    Complexity: O(N (L D² + L² D) + V D) for N blocks; item_feature: O(N (L D² + L² D)).

    Args:
        item_history_feature: The history's items, a sequence feature with pooling "concat".
        max_len: The longest history, in items.
        dropout_rate: Share of values dropped while training.
        num_blocks: Number of blocks.
        num_heads: Heads of the attention.
        mask_rate: ρ, above 0 and below 1.
        item_feature: The item to score, which shares the table of the history unless it names
            another; None scores all items of the vocabulary.

    Shape:
        x[history]: (B, L); returns logits (B, V), that of padding −10⁹; with `item_feature` scores
        (B,) of x[item]; in mode "user" [u, 1], in mode "item", with `item_feature`, [e_i, b_i]:
        (B, D + 1).

    Raises:
        ValueError: The history is pooled, `num_heads` does not divide its width, or `mask_rate` is
            out of range; in `forward`, a history has more than `max_len` items.

    Example:
        >>> from torch_rechub.basic.features import SequenceFeature
        >>> history = SequenceFeature("history", 20, embed_dim=8, pooling="concat")
        >>> model = BERT4Rec(history, max_len=3)
        >>> model({"history": torch.tensor([[1, 2, 0], [3, 4, 5]])}).shape
        torch.Size([2, 20])

    Reference:
        Sun et al., BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations
        from Transformer, CIKM 2019, arXiv 1904.06690.
    """

    def __init__(
        self,
        item_history_feature: Feature,
        max_len: int = 50,
        dropout_rate: float = 0.1,
        num_blocks: int = 2,
        num_heads: int = 2,
        mask_rate: float = 0.2,
        item_feature: Feature | None = None,
    ) -> None:
        check_whole(1, max_len=max_len)
        check_whole(0, num_blocks=num_blocks)
        check_number("[0, 1]", dropout_rate=dropout_rate)
        check_number("(0, 1)", mask_rate=mask_rate)
        super().__init__(item_history_feature, item_feature)
        self.max_len, self.mask_rate, dim = max_len, mask_rate, self.dim
        self.longest_history = max_len
        self.mask_emb = nn.Parameter(torch.empty(dim))
        # one more position for the [mask] after the history
        self.position_emb = nn.Embedding(max_len + 1, dim)
        self.dropout = nn.Dropout(dropout_rate)
        self.blocks = nn.ModuleList(_Block(dim, num_heads, dropout_rate) for _ in range(num_blocks))
        self.output = nn.Sequential(nn.Linear(dim, dim), nn.GELU())
        self.item_bias = nn.Parameter(torch.zeros(self.item_history_feature.vocab_size))
        linear = [m for m in self.modules() if isinstance(m, nn.Linear)]
        for weight in (self.mask_emb, self.position_emb.weight, *(m.weight for m in linear)):
            nn.init.trunc_normal_(weight, std=0.02, a=-0.02, b=0.02)
        # with the usual initialization, biases would dominate embeddings, which are as small
        for m in linear:
            nn.init.zeros_(m.bias)

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return [u, 1] at the [mask] after each history (B, D + 1)."""
        e, valid = self.session(x)
        e = torch.cat([e, self.mask_emb.expand(e.shape[0], 1, -1)], dim=1)
        u: Tensor = self.output(self.encode(e, F.pad(valid, (0, 1), value=True))[:, -1])
        return torch.cat([u, torch.ones_like(u[:, :1])], dim=1)

    def session(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the embeddings of the history's items (B, L, D) and the padding mask."""
        e, valid = super().session(x)
        check_length(valid, self.max_len)
        return e, valid

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the items' [e_i, b_i] (B, D + 1)."""
        e = super().item_tower(x)
        bias = self.item_bias[column(x, self.item_features[0])]
        return torch.cat([e, bias.unsqueeze(1)], dim=1)

    def all_items(self) -> Tensor:
        """Return [e_i, b_i] of the vocabulary's items (V, D + 1)."""
        return torch.cat([super().all_items(), self.item_bias.unsqueeze(1)], dim=1)

    def auxiliary_loss(
        self,
        x: Mapping[str, Tensor],
        predictions: None = None,
        y: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss of randomly masked items; 0 if no item is masked.

        With weights of rows (B,), all above 0, each item has the weight of its row.
        """
        e, valid = self.session(x)
        gaps = valid & (torch.rand(valid.shape, device=valid.device) < self.mask_rate)
        read = torch.where(gaps.unsqueeze(2), self.mask_emb.to(e.dtype), e)
        u = self.output(self.encode(read, valid)[gaps])
        items = torch.arange(len(self.item_bias), device=valid.device)
        padding = items == self.item_history_feature.padding_id
        bias = leave_out(self.item_bias, padding)
        target = column(x, self.item_history_feature)[gaps]
        weight = None if weights is None else weights[gaps.nonzero()[:, 0]]
        return softmax_loss(u, super().all_items(), target, bias, weight)

    def encode(self, e: Tensor, valid: Tensor) -> Tensor:
        """Return the outputs x of the last block (B, L, D), of embeddings e of the same shape."""
        h: Tensor = self.dropout(e + self.position_emb(positions(valid, self.max_len + 1)))
        for block in self.blocks:
            h = block(h, valid)
        return h


class _Block(nn.Module):
    """x ← LayerNorm(x + Dropout(g(x))), for g self-attention, then W_2 GELU(W_1 x)."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadSelfAttention(dim, num_heads, dropout, causal=False)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )
        self.attention_norm, self.forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x, valid)))
        y: Tensor = self.forward_norm(x + self.dropout(self.feed_forward(x)))
        return y
