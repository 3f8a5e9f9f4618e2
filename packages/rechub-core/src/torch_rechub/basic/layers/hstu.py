"""Hierarchical sequential transduction units: attention without softmax, gated."""

import torch.nn.functional as F
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from .relative_bias import RelativeBucketedTimeAndPositionBias


class HSTULayer(nn.Module):
    """One HSTU layer, without the residual connection, which `HSTUBlock` adds.

    Q, K, U, V = split(SiLU(f₁(LN(X))))
    A = SiLU(Q Kᵀ / √d_qk + rab^{p,t}) / N for j ≤ i, else 0
    Y = f₂(LN(A V) ⊙ U)

    f₁ and f₂ are linear, and the heads are concatenated. N is `max_seq_len`, so that a weight does
    not depend on the padded length of the batch. Padding is masked, and is 0 in Y.

    Args:
        d_model: Width D of X and Y.
        n_heads: Number of heads H.
        dqk: Width of a head's queries and keys.
        dv: Width of a head's values.
        dropout: Share of LN(A V) ⊙ U dropped while training.
        max_seq_len: The longest sequence N.
        num_time_buckets: The last bucket of time.
        time_bucket_fn: "sqrt" or "log"; see `TimeBuckets`.
        time_bucket_divisor: Divides √ or ln of the time span; a larger divisor makes wider buckets.
        time_bucket_unit: "minutes" or "seconds".

    Shape:
        x: (B, L, D); padding_mask: (B, L), true for events and false for padding; time_diffs:
        (B, L) in seconds; returns (B, L, D).

    Raises:
        ValueError: L is above `max_seq_len`.

    Example:
        >>> import torch
        >>> layer = HSTULayer(d_model=16, n_heads=2, dqk=8, dv=8, max_seq_len=10)
        >>> layer(torch.randn(3, 5, 16), time_diffs=torch.zeros(3, 5)).shape
        torch.Size([3, 5, 16])

    Reference:
        Zhai et al., Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
        Generative Recommendations, ICML 2024, arXiv 2402.17152.
    """

    def __init__(
        self,
        d_model: int = 512,
        n_heads: int = 8,
        dqk: int = 64,
        dv: int = 64,
        dropout: float = 0.1,
        max_seq_len: int = 200,
        num_time_buckets: int = 128,
        time_bucket_fn: str = "sqrt",
        time_bucket_divisor: float = 1.0,
        time_bucket_unit: str = "minutes",
    ) -> None:
        check_whole(
            1,
            d_model=d_model,
            n_heads=n_heads,
            dqk=dqk,
            dv=dv,
            max_seq_len=max_seq_len,
            num_time_buckets=num_time_buckets,
        )
        check_number("[0, 1]", dropout=dropout)
        check_number("(0, inf)", time_bucket_divisor=time_bucket_divisor)
        super().__init__()
        self.n_heads, self.dqk, self.dv, self.max_seq_len = n_heads, dqk, dv, max_seq_len
        self.norm_in = nn.LayerNorm(d_model)
        self.proj1 = nn.Linear(d_model, 2 * n_heads * (dqk + dv))
        self.rab = RelativeBucketedTimeAndPositionBias(
            n_heads,
            max_seq_len,
            num_time_buckets,
            time_bucket_fn,
            time_bucket_divisor,
            time_bucket_unit,
        )
        self.norm_attn = nn.LayerNorm(n_heads * dv)
        self.proj2 = nn.Linear(n_heads * dv, d_model)
        self.dropout = nn.Dropout(dropout)
        for projection in (self.proj1, self.proj2):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(
        self,
        x: Tensor,
        padding_mask: Tensor | None = None,
        time_diffs: Tensor | None = None,
        *,
        time_buckets: Tensor | None = None,
    ) -> Tensor:
        """Return Y (B, L, D); `time_buckets` are those of `time_diffs`, if computed already."""
        wide, narrow = self.n_heads * self.dv, self.n_heads * self.dqk
        parts = F.silu(self.proj1(self.norm_in(x)))
        q, k, u, v = parts.split([narrow, narrow, wide, wide], dim=-1)
        # without a softmax, a key whose value is 0 does not contribute
        if padding_mask is not None:
            valid = padding_mask.bool().unsqueeze(-1)
            v = v * valid
        q, k, v = (heads.unflatten(2, (self.n_heads, -1)).transpose(1, 2) for heads in (q, k, v))
        rab = self.rab(time_diffs, x.shape[1], buckets=time_buckets)
        a = F.silu((q * self.dqk**-0.5) @ k.transpose(-1, -2) + rab).tril()
        av = (a @ v).transpose(1, 2).flatten(2) / self.max_seq_len
        y: Tensor = self.proj2(self.dropout(self.norm_attn(av) * u))
        return y if padding_mask is None else y * valid


class HSTUBlock(nn.Module):
    """A stack of units, each added to its input: X ← X + HSTULayer(X).

    Args:
        d_model: Width D of X.
        n_heads: Number of heads.
        n_layers: Number of units.
        dqk: Width of a head's queries and keys.
        dv: Width of a head's values.
        dropout: Share of activations dropped while training.
        max_seq_len: The longest sequence.
        num_time_buckets: The last bucket of time.
        time_bucket_fn: "sqrt" or "log"; see `TimeBuckets`.
        time_bucket_divisor: Divides √ or ln of the time span; a larger divisor makes wider buckets.
        time_bucket_unit: "minutes" or "seconds".

    Shape:
        As `HSTULayer`; the residual leaves padded positions unchanged.

    Example:
        >>> import torch
        >>> block = HSTUBlock(d_model=16, n_heads=2, n_layers=3, dqk=8, dv=8, max_seq_len=10)
        >>> block(torch.randn(3, 5, 16), torch.ones(3, 5)).shape
        torch.Size([3, 5, 16])
    """

    def __init__(
        self,
        d_model: int = 512,
        n_heads: int = 8,
        n_layers: int = 4,
        dqk: int = 64,
        dv: int = 64,
        dropout: float = 0.1,
        max_seq_len: int = 200,
        num_time_buckets: int = 128,
        time_bucket_fn: str = "sqrt",
        time_bucket_divisor: float = 1.0,
        time_bucket_unit: str = "minutes",
    ) -> None:
        check_whole(
            1,
            d_model=d_model,
            n_heads=n_heads,
            dqk=dqk,
            dv=dv,
            max_seq_len=max_seq_len,
            num_time_buckets=num_time_buckets,
        )
        check_whole(0, n_layers=n_layers)
        check_number("[0, 1]", dropout=dropout)
        check_number("(0, inf)", time_bucket_divisor=time_bucket_divisor)
        super().__init__()
        self.layers = nn.ModuleList(
            HSTULayer(
                d_model,
                n_heads,
                dqk,
                dv,
                dropout,
                max_seq_len,
                num_time_buckets,
                time_bucket_fn,
                time_bucket_divisor,
                time_bucket_unit,
            )
            for _ in range(n_layers)
        )

    def forward(
        self, x: Tensor, padding_mask: Tensor | None = None, time_diffs: Tensor | None = None
    ) -> Tensor:
        """Return X (B, L, D) after the last unit."""
        buckets = None
        if time_diffs is not None and len(self.layers):  # the same in every layer
            buckets = self.layers[0].rab.buckets(time_diffs)  # type: ignore[union-attr, operator]
        for layer in self.layers:
            x = x + layer(x, padding_mask, time_buckets=buckets)
        return x
