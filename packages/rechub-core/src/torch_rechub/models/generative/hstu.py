"""HSTU."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from ...basic.layers.hstu import HSTUBlock
from ...basic.layers.precision import unit_length
from ...basic.layers.relative_bias import TimeBuckets, TimeSpans, check_length
from ...basic.layers.values import check_column
from ..arguments import RecordsArguments


class HSTUModel(RecordsArguments, nn.Module):
    """Scores all items as the next one, at each position of a sequence.

    x_t = E[token_t] + P[position_t] + T[bucket(Δ_t)]
    h = HSTUBlock(Dropout(x))
    ŷ_t = (E h_t + b) / τ

    Δ_t is the time since the previous event, 0 for the first, so that no step depends on later
    ones. Token 0 is padding, at either end: it is masked, its hidden state is 0, and a position is
    the number of tokens before it, so that padding does not shift positions. The score of token 0
    is undefined; exclude it from rankings, as `SeqTrainer` does.

    Complexity: O(N L H (dqk + dv) (D + L) + L D V).

    Args:
        vocab_size: Number V of tokens, padding included.
        d_model: Width D of the embeddings.
        n_heads: Number H of heads.
        n_layers: Number N of units.
        dqk: Width of a head's queries and keys.
        dv: Width of a head's values.
        max_seq_len: The longest sequence.
        dropout: Share of activations dropped while training.
        use_time_embedding: Whether x has the term T. Without it, times still enter the attention.
        num_time_buckets: Number of rows of T, and the last bucket in attention.
        time_bucket_fn: "sqrt" or "log"; see `TimeBuckets`.
        time_bucket_divisor: Divides √ or ln of the time span; a larger divisor makes wider buckets.
        time_bucket_unit: "minutes" or "seconds".
        tie_embeddings: Whether the output layer shares E; otherwise it has its own matrix.
        score_norm: "l2" scores by cosines, (cos(E, h_t) + b) / τ; "none" by inner products.
        temperature: τ.
        use_output_bias: Whether the output has the bias b.
        scale_input_embedding: Whether E[token] is multiplied by √D at the input.
        l2_norm_eps: Lower bound of the norms that "l2" divides by.
        time_reference: The other end of Δ_t; see `TimeSpans`. "previous": the previous event.
            "request": the request after the event; `time_diffs` are then relative to the time of
            the last request, in training and in serving.

    Shape:
        x: (B, L) tokens; time_diffs: (B, L), seconds from each event to a common
        reference of the sequence, such as its last event; returns logits (B, L, V).

    Raises:
        ValueError: L is above `max_seq_len`, or an argument is out of range.
        IndexError: A token is outside the vocabulary (on a CPU; on a GPU a device assertion fails).

    Example:
        >>> model = HSTUModel(vocab_size=50, d_model=16, n_heads=2, n_layers=2, dqk=8, dv=8)
        >>> model(torch.tensor([[3, 7, 0]]), torch.tensor([[86400, 60, 0]])).shape
        torch.Size([1, 3, 50])

    Reference:
        Zhai et al., Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
        Generative Recommendations, ICML 2024, arXiv 2402.17152.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int = 512,
        n_heads: int = 8,
        n_layers: int = 4,
        dqk: int = 64,
        dv: int = 64,
        max_seq_len: int = 256,
        dropout: float = 0.1,
        use_time_embedding: bool = True,
        num_time_buckets: int = 128,
        time_bucket_fn: str = "sqrt",
        time_bucket_divisor: float = 1.0,
        time_bucket_unit: str = "minutes",
        tie_embeddings: bool = True,
        score_norm: str = "none",
        temperature: float = 1.0,
        use_output_bias: bool = True,
        scale_input_embedding: bool = False,
        l2_norm_eps: float = 1e-6,
        *,
        time_reference: str = "previous",
    ) -> None:
        check_whole(
            1,
            vocab_size=vocab_size,
            d_model=d_model,
            max_seq_len=max_seq_len,
            num_time_buckets=num_time_buckets,
        )
        check_number("(0, inf)", time_bucket_divisor=time_bucket_divisor, l2_norm_eps=l2_norm_eps)
        super().__init__()
        if score_norm not in ("none", "l2"):
            raise ValueError(f"score_norm must be 'none' or 'l2', got {score_norm!r}")
        check_number("(0, inf)", temperature=temperature)
        self.vocab_size, self.max_seq_len = vocab_size, max_seq_len
        self.score_norm, self.temperature, self.l2_norm_eps = score_norm, temperature, l2_norm_eps
        self.input_scale = math.sqrt(d_model) if scale_input_embedding else 1.0
        self.token_embedding = nn.Embedding(vocab_size, d_model, padding_idx=0)
        self.position_embedding = nn.Embedding(max_seq_len, d_model)
        self.time_embedding = (
            nn.Embedding(num_time_buckets, d_model) if use_time_embedding else None
        )
        times = (time_bucket_fn, time_bucket_divisor, time_bucket_unit)
        self.spans = TimeSpans(time_reference)
        self.bucket = TimeBuckets(num_time_buckets - 1, *times)
        sizes = (d_model, n_heads, n_layers, dqk, dv)
        self.hstu_block = HSTUBlock(*sizes, dropout, max_seq_len, num_time_buckets, *times)
        self.dropout = nn.Dropout(dropout)
        self.output_projection = None
        self.output_bias = None
        if not tie_embeddings:
            self.output_projection = nn.Linear(d_model, vocab_size, bias=use_output_bias)
        elif use_output_bias:
            self.output_bias = nn.Parameter(torch.zeros(vocab_size))
        self._initialize()

    def _initialize(self) -> None:
        for table in (self.token_embedding, self.position_embedding, self.time_embedding):
            if table is not None:
                nn.init.normal_(table.weight, std=0.02)
        with torch.no_grad():
            self.token_embedding.weight[0].zero_()
        if self.output_projection is not None:
            nn.init.normal_(self.output_projection.weight, std=0.02)
            if self.output_projection.bias is not None:
                nn.init.zeros_(self.output_projection.bias)

    def forward(self, x: Tensor, time_diffs: Tensor | None = None) -> Tensor:
        """Return logits (B, L, V)."""
        return self.score(self.encode(x, time_diffs))

    def encode(self, x: Tensor, time_diffs: Tensor | None = None) -> Tensor:
        """Return the hidden state h (B, L, D) of each position."""
        check_length(x.shape[1], self.max_seq_len)
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            check_column(x, "tokens", self.vocab_size)
        valid = x != 0
        position = (valid.cumsum(dim=1) - 1).clamp(min=0)
        h = self.token_embedding(x) * self.input_scale + self.position_embedding(position)
        if self.time_embedding is not None:
            if time_diffs is None:
                time_diffs = torch.zeros_like(x)
            h = h + self.time_embedding(self.bucket(self.spans(time_diffs, valid)))
        h = self.dropout(h) * valid.unsqueeze(-1)
        y: Tensor = self.hstu_block(h, valid, time_diffs)
        return y

    def score(self, h: Tensor) -> Tensor:
        """Return the logits (…, V) of hidden states (…, D)."""
        return F.linear(*self.score_terms(h))

    def score_terms(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return h, W (V, D) and b (V,) of the logits W h + b of hidden states (…, D)."""
        output = self.output_projection
        weight = self.token_embedding.weight if output is None else output.weight
        bias: Tensor | None = self.output_bias if output is None else output.bias
        if self.score_norm == "l2":
            h = unit_length(h, eps=self.l2_norm_eps)
            weight = unit_length(weight, eps=self.l2_norm_eps)
        if self.temperature != 1:
            h = h / self.temperature
            bias = None if bias is None else bias / self.temperature
        return h, weight, bias
