"""HLLM: a transformer over item embeddings from a language model."""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from ...basic.layers.attention import MultiHeadSelfAttention
from ...basic.layers.precision import unit_length
from ...basic.layers.relative_bias import RelPosBias, TimeBuckets, TimeSpans, check_length
from ...basic.layers.values import check_column
from ...data.embeddings import read_embeddings
from ...types import FilePath
from ..arguments import RecordsArguments

_NAMES_OF_0_9 = {"W_Q": "w_q", "W_K": "w_k", "W_V": "w_v", "W_O": "w_o"}


class HLLMTransformerBlock(nn.Module):
    """Causal self-attention and a point-wise feed-forward network, with pre-norm and residuals.

    x ← x + Dropout(Attention(LN(x)) W^O),  x ← x + FFN(LN(x)),  FFN(x) = ReLU(x W_1) W_2

    Attention weights are softmax(Q Kᵀ / √d + b + M): b is a relative bias, and M is −∞ for later
    steps and for padding. W_1 is four times as wide as x.

    Args:
        d_model: Width D of x; a multiple of `n_heads`.
        n_heads: Number of heads H.
        dropout: Share of activations and of attention weights dropped while training.

    Shape:
        x: (B, L, D); rel_pos_bias: (1, H, L, L); padding_mask: (B, L), true for events and false
        for padding; returns (B, L, D).

    Raises:
        ValueError: `d_model` is not a multiple of `n_heads`.

    Example:
        >>> HLLMTransformerBlock(d_model=16, n_heads=2)(torch.randn(3, 5, 16)).shape
        torch.Size([3, 5, 16])
    """

    def __init__(self, d_model: int = 512, n_heads: int = 8, dropout: float = 0.1) -> None:
        check_whole(1, d_model=d_model, n_heads=n_heads)
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = MultiHeadSelfAttention(d_model, n_heads, dropout)
        self.dropout = nn.Dropout(dropout)
        self.ffn = nn.Sequential(
            nn.Linear(d_model, 4 * d_model),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4 * d_model, d_model),
            nn.Dropout(dropout),
        )

    def forward(
        self, x: Tensor, rel_pos_bias: Tensor | None = None, *, padding_mask: Tensor | None = None
    ) -> Tensor:
        """Return (B, L, D)."""
        if padding_mask is None:
            padding_mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        x = x + self.dropout(self.attention(self.norm1(x), padding_mask, rel_pos_bias))
        y: Tensor = x + self.ffn(self.norm2(x))
        return y

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        for old, new in _NAMES_OF_0_9.items():
            for part in ("weight", "bias"):
                if f"{prefix}{old}.{part}" in state_dict:
                    moved = state_dict.pop(f"{prefix}{old}.{part}")
                    state_dict[f"{prefix}attention.{new}.{part}"] = moved
        super()._load_from_state_dict(state_dict, prefix, *args)


class HLLMModel(RecordsArguments, nn.Module):
    """Scores all items as the next one, at each position, by embeddings of the items' texts.

    x_t = ē[item_t] + P[position_t] + T[bucket(Δ_t)],  ē = e / ‖e‖
    h = Block_n(… Block_1(Dropout(x)))
    ŷ_{t,i} = cos(h_t, e_i) / τ

    Δ_t is the time since the previous event, 0 for the first, so that no step depends on later
    ones.

    This is the user model of the paper. The embeddings e are computed beforehand by its item model,
    a language model that reads the text of an item; they are not trained. Token 0 is padding, at
    either end: no event attends to it, and a position is the number of tokens before it. The score
    of token 0 is undefined; exclude it from rankings, as `SeqTrainer` does.

    Complexity: O(N (L D² + L² D) + L D V).

    Args:
        item_embeddings: e, shape (V, D), with row i for token i; or a file that `EmbDataset`
            accepts.
        vocab_size: Number V of tokens, padding included.
        d_model: Width D.
        n_heads: Number of heads.
        n_layers: Number N of blocks.
        max_seq_len: The longest sequence.
        dropout: Share of activations dropped while training.
        use_rel_pos_bias: Whether attention has a relative position bias, shared by the blocks.
        use_time_embedding: Whether x has the term T.
        num_time_buckets: The last bucket of T.
        time_bucket_fn: "sqrt" or "log" of minutes; see `TimeBuckets`.
        temperature: τ.
        time_reference: The other end of Δ_t; see `TimeSpans`. "previous": the previous event.
            "request": the request after the event; `time_diffs` are then relative to the time of
            the last request, in training and in serving.

    Shape:
        seq_tokens: (B, L); time_diffs: (B, L), seconds from each event to a common
        reference of the sequence, such as its last event; returns logits (B, L, V).

    Raises:
        ValueError: The embeddings are not (V, D), L is above `max_seq_len`, or an argument is out
            of range.
        IndexError: A token is outside the vocabulary (on a CPU; on a GPU a device assertion fails).

    Example:
        >>> model = HLLMModel(torch.randn(50, 16), 50, d_model=16, n_heads=2, n_layers=2)
        >>> model(torch.tensor([[3, 7, 0]]), torch.tensor([[86400, 60, 0]])).shape
        torch.Size([1, 3, 50])

    Reference:
        Chen et al., HLLM: Enhancing Sequential Recommendations via Hierarchical Large Language
        Models for Item and User Modeling, 2024, arXiv 2409.12740.
    """

    held_arguments: ClassVar = {"item_embeddings": "item_embeddings"}

    item_embeddings: Tensor

    def __init__(
        self,
        item_embeddings: Tensor | FilePath,
        vocab_size: int,
        d_model: int = 512,
        n_heads: int = 8,
        n_layers: int = 4,
        max_seq_len: int = 256,
        dropout: float = 0.1,
        use_rel_pos_bias: bool = True,
        use_time_embedding: bool = True,
        num_time_buckets: int = 2048,
        time_bucket_fn: str = "sqrt",
        temperature: float = 0.07,
        *,
        time_reference: str = "previous",
    ) -> None:
        check_whole(1, n_heads=n_heads, max_seq_len=max_seq_len, num_time_buckets=num_time_buckets)
        check_whole(0, n_layers=n_layers)
        super().__init__()
        if not isinstance(item_embeddings, Tensor):
            item_embeddings = read_embeddings(item_embeddings)
        if item_embeddings.shape != (vocab_size, d_model):
            raise ValueError(
                "item_embeddings must have a row for each token, that of padding first, shape "
                f"(vocab_size, d_model) = ({vocab_size}, {d_model}), got "
                f"{tuple(item_embeddings.shape)}"
            )
        check_number("(0, inf)", temperature=temperature)
        self.vocab_size, self.max_seq_len, self.temperature = vocab_size, max_seq_len, temperature
        e = item_embeddings.to(torch.get_default_dtype())
        self.register_buffer("item_embeddings", unit_length(e))
        self.position_embedding = nn.Embedding(max_seq_len, d_model)
        self.time_embedding = (
            nn.Embedding(num_time_buckets + 1, d_model) if use_time_embedding else None
        )
        self.spans = TimeSpans(time_reference)
        self.bucket = TimeBuckets(num_time_buckets, time_bucket_fn)
        self.transformer_blocks = nn.ModuleList(
            HLLMTransformerBlock(d_model, n_heads, dropout) for _ in range(n_layers)
        )
        self.rel_pos_bias = RelPosBias(n_heads, max_seq_len) if use_rel_pos_bias else None
        self.dropout = nn.Dropout(dropout)
        for table in (self.position_embedding, self.time_embedding):
            if table is not None:
                nn.init.normal_(table.weight, std=0.02)

    def forward(self, seq_tokens: Tensor, time_diffs: Tensor | None = None) -> Tensor:
        """Return logits (B, L, V)."""
        return self.score(self.encode(seq_tokens, time_diffs))

    def encode(self, seq_tokens: Tensor, time_diffs: Tensor | None = None) -> Tensor:
        """Return the hidden state h (B, L, D) of each position, 0 at padding."""
        length = seq_tokens.shape[1]
        check_length(length, self.max_seq_len)
        if seq_tokens.device.type == "cpu" and not torch.compiler.is_compiling():
            check_column(seq_tokens, "tokens", self.vocab_size)
        valid = seq_tokens != 0
        position = (valid.cumsum(dim=1) - 1).clamp(min=0)
        h = self.item_embeddings[seq_tokens.long()] + self.position_embedding(position)
        if self.time_embedding is not None:
            if time_diffs is None:
                time_diffs = torch.zeros_like(seq_tokens)
            h = h + self.time_embedding(self.bucket(self.spans(time_diffs, valid)))
        h = self.dropout(h)
        bias = None if self.rel_pos_bias is None else self.rel_pos_bias(length)
        for block in self.transformer_blocks:
            h = block(h, bias, padding_mask=valid)
        y: Tensor = h * valid.unsqueeze(-1)
        return y

    def score(self, h: Tensor) -> Tensor:
        """Return the logits (…, V) of hidden states (…, D)."""
        return F.linear(unit_length(h) / self.temperature, self.item_embeddings)
