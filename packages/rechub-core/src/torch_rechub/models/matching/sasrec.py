"""SASRec: causal self-attention over a history, which scores the next item at every step."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from ..._bounds import check_number, check_whole
from ...basic.features import Feature, SequenceFeature, check_sequences
from ...basic.layers import EmbeddingLayer
from ...basic.layers.attention import MultiHeadSelfAttention, PointWiseFeedForward
from ...basic.layers.inputs import column
from ...basic.layers.sequence import last_valid, positions
from ...losses.in_batch import group_rows
from ...losses.reduction import reduce_losses
from .two_tower import TwoTower, share_tables


class SASRec(TwoTower):
    """Causal self-attention over a history; the output at each step scores the next item.

    x_t = Dropout(√D e_t + p_t);  in each block  x ← x + Dropout(g(LayerNorm(x)))  for g causal
    self-attention, then g a point-wise network;  h = LayerNorm(x);  ŷ_{t,i} = ⟨h_t, e_i⟩

    Padding, on either side, is masked, and positions p number the items of a history from the
    first.

    Complexity: O(N (L D² + L² D)).

    Args:
        features: The sequence features, pooling "concat", of the history, of the next item at each
            step and of a negative at each step, in this order. The latter two
            share the table of the first unless they name another.
        max_len: The longest history, in items.
        dropout_rate: Share of values dropped while training.
        num_blocks: Number N of blocks.
        num_heads: Heads of the self-attention.
        item_feature: The item's id for `item_tower`, which shares the table of the history unless
            it names another; None reads the last item of the second feature.

    Shape:
        x[name]: (B, L) for each of `features`; returns (ŷ⁺, ŷ⁻), the logits of the next items and
        of the negatives, (B, L) each, 0 where the history is padded; or in mode "user" the last
        h_t of each user, in mode "item" e_i: (B, D).

    Raises:
        ValueError: There are not three sequence features of one width, or `num_heads` does not
            divide it; in `forward`, a history has more than `max_len` items.

    Example:
        >>> import torch
        >>> names = ("seq", "pos", "neg")
        >>> features = [SequenceFeature(n, 20, embed_dim=8, pooling="concat") for n in names]
        >>> model = SASRec(features, max_len=5)
        >>> x = {"seq": [[0, 3, 7]], "pos": [[0, 7, 2]], "neg": [[0, 9, 9]]}
        >>> pos, neg = model({name: torch.tensor(ids) for name, ids in x.items()})
        >>> pos.shape, neg.shape
        (torch.Size([1, 3]), torch.Size([1, 3]))

    Reference:
        Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018, arXiv 1808.09781.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        max_len: int = 50,
        dropout_rate: float = 0.5,
        num_blocks: int = 2,
        num_heads: int = 1,
        item_feature: Feature | None = None,
    ) -> None:
        check_whole(1, max_len=max_len)
        check_whole(0, num_blocks=num_blocks)
        check_number("[0, 1]", dropout_rate=dropout_rate)
        if len(features) != 3:
            raise ValueError(f"features must be those of seq, pos and neg, got {len(features)}")
        owner = features[0]
        self_and_others = share_tables([owner, owner, owner], features)
        seq, pos, neg = check_sequences("features", self_and_others)
        items = share_tables([owner], [item_feature]) if item_feature is not None else []
        super().__init__([seq], items or [pos])
        self.features, self.max_len = [seq, pos, neg], max_len
        self.score_inputs, self.longest_history = self.features, max_len
        self.item_feature = items[0] if items else None
        self.item_emb = EmbeddingLayer([*self.features, *items])
        dim = seq.embed_dim or 0
        self.position_emb = nn.Embedding(max_len, dim)
        nn.init.normal_(self.position_emb.weight, std=0.02)
        self.dropout = nn.Dropout(dropout_rate)
        self.blocks = nn.ModuleList(_Block(dim, num_heads, dropout_rate) for _ in range(num_blocks))
        self.last_layernorm = nn.LayerNorm(dim)
        self.pair_loss = _NextItemLoss()

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the output at each user's last item (B, D), 0 for an empty history."""
        return last_valid(self._outputs(x), self._valid(x, self.features[0]))

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the items' embeddings (B, D)."""
        if self.item_feature is not None:
            e: Tensor = self.item_emb(x, [self.item_feature], squeeze_dim=True)
            return e
        pos = self.features[1]
        return last_valid(self.item_emb.lookup(x, [pos])[0], self._valid(x, pos))

    def score(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the logits of the next items and of the negatives, (B, L) each."""
        h = self._outputs(x)
        pos, neg = self.item_emb.lookup(x, self.features[1:])
        return (h * pos).sum(dim=-1), (h * neg).sum(dim=-1)

    def valid_pairs(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the mask of the steps with an item and a next item: (B, L)."""
        seq, pos, _ = self.features
        return self._valid(x, seq) & self._valid(x, pos)

    def item_groups(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return numbers (B,) that are equal for rows with the same item."""
        if self.item_feature is not None:
            return super().item_groups(x)
        pos = self.features[1]
        return group_rows([last_valid(column(x, pos), self._valid(x, pos))])

    def seq_forward(self, x: Mapping[str, Tensor], embed_x_feature: Tensor) -> Tensor:
        """Return the outputs h of histories.

        Args:
            x: The columns; the one of the first feature determines the padding.
            embed_x_feature: The embeddings of the histories' items, shape (B, L, D).

        Returns:
            Shape (B, L, D), 0 at padding.
        """
        mask = self._valid(x, self.features[0])
        position = positions(mask, self.max_len)
        h = embed_x_feature * embed_x_feature.shape[-1] ** 0.5 + self.position_emb(position)
        h = self.dropout(h)
        for block in self.blocks:
            h = block(h, mask)
        y: Tensor = self.last_layernorm(h)
        return y.masked_fill(~mask.unsqueeze(-1), 0)

    def _outputs(self, x: Mapping[str, Tensor]) -> Tensor:
        return self.seq_forward(x, self.item_emb.lookup(x, self.features[:1])[0])

    @staticmethod
    def _valid(x: Mapping[str, Tensor], feature: SequenceFeature) -> Tensor:
        return column(x, feature) != feature.padding_id

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if f"{prefix}attention_layernorms.0.weight" in state_dict:
            error_msgs: list[str] = args[-1]
            error_msgs.append(
                "this checkpoint is of torch-rechub 0.x, whose blocks added the normalized input "
                "instead of the input; its attention must be trained anew. The embeddings can be "
                "kept: load the keys that start with 'item_emb.' with strict=False."
            )


class _Block(nn.Module):
    """x ← x + Dropout(g(LayerNorm(x))), for g self-attention, then a point-wise network."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = MultiHeadSelfAttention(dim, num_heads, dropout)
        self.dropout = nn.Dropout(dropout)
        self.forward_layer = PointWiseFeedForward(dim, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        y: Tensor = x + self.forward_layer(self.forward_norm(x))
        return y


class _NextItemLoss(nn.Module):
    """The paper's loss of a pair, L = −ln σ(ŷ⁺) − ln(1 − σ(ŷ⁻)), averaged over pairs."""

    reduction = "mean"

    def forward(self, pos: Tensor, neg: Tensor) -> Tensor:
        return reduce_losses(F.softplus(-pos) + F.softplus(neg), self.reduction)
