"""Relative attention biases: by the distance of two events in positions and in time."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..._bounds import check_number, check_whole

SECONDS = {"seconds": 1.0, "minutes": 60.0}


class TimeBuckets:
    """Bucket numbers of time spans: min(⌊f(seconds / unit) / divisor⌋, n).

    f is √x or ln max(x, 1); both resolve short spans finely and long ones coarsely.

    Args:
        n: The last bucket.
        fn: "sqrt" or "log".
        divisor: Divides f; a larger divisor makes wider buckets.
        unit: "minutes" or "seconds".

    Raises:
        ValueError: `fn` or `unit` has another value, or `divisor` is not above 0.

    Example:
        >>> TimeBuckets(n=127)(torch.tensor([0, 59, 60, 3600, 86400])).tolist()
        [0, 0, 1, 7, 37]
    """

    def __init__(
        self, n: int, fn: str = "sqrt", divisor: float = 1.0, unit: str = "minutes"
    ) -> None:
        check_whole(1, n=n)
        check_number("(0, inf)", divisor=divisor)
        if fn not in ("sqrt", "log"):
            raise ValueError(f"time_bucket_fn must be 'sqrt' or 'log', got {fn!r}")
        if unit not in SECONDS:
            raise ValueError(f"time_bucket_unit must be 'minutes' or 'seconds', got {unit!r}")
        self.n, self.fn, self.divisor, self.unit = n, fn, divisor, unit

    def __call__(self, seconds: Tensor) -> Tensor:
        """Return the bucket of each span, int32; negative spans count as 0."""
        x = seconds.clamp(min=0).float() / SECONDS[self.unit]
        x = x.sqrt() if self.fn == "sqrt" else x.clamp(min=1).log()
        return (x / self.divisor).floor().clamp(max=self.n).int()


class TimeSpans:
    """The time span of each event: since the previous event, or until the next request.

    "previous": Δ_t = |s_t − s_{t−1}|, 0 for the first event.
    "request": Δ_t = |s_t − s_{t+1}|; for the last event |s_t|, the time until the request at which
    the times are 0. The next request after an event is at the time of the next event.

    Neither depends on later events, so that a step of a long sequence has the same span as the last
    step of the sequence truncated there.

    Args:
        reference: "previous" or "request".

    Shape:
        times: (B, L), the time s of each event: for "previous" relative to any origin, for
        "request" relative to the last request; valid: (B, L), false at padding, at either end;
        returns (B, L), undefined at padding.

    Raises:
        ValueError: `reference` has another value.

    Example:
        >>> times = torch.tensor([[0, 90, 60, 20]])
        >>> valid = torch.tensor([[False, True, True, True]])
        >>> TimeSpans()(times, valid), TimeSpans("request")(times, valid)
        (tensor([[ 0,  0, 30, 40]]), tensor([[90, 30, 40, 20]]))
    """

    def __init__(self, reference: str = "previous") -> None:
        if reference not in ("previous", "request"):
            raise ValueError(f"time_reference must be 'previous' or 'request', got {reference!r}")
        self.reference = reference

    def __call__(self, times: Tensor, valid: Tensor) -> Tensor:
        """Return the span of each event."""
        if self.reference == "previous":
            other = torch.where(F.pad(valid[:, :-1], (1, 0)), F.pad(times[:, :-1], (1, 0)), times)
        else:
            other = F.pad(times[:, 1:], (0, 1)) * F.pad(valid[:, 1:], (0, 1))
        return (times - other).abs()


class RelPosBias(nn.Module):
    """A bias for each head and distance: b_{h,i,j} = w_{min(⌊|i−j|·(n−1)/N⌋, n−1), h}.

    Args:
        n_heads: Number of heads H.
        max_seq_len: N, the distance from which all pairs share the last bucket.
        num_buckets: Number n of distance buckets.

    Shape:
        Returns (1, H, L, L).

    Example:
        >>> RelPosBias(n_heads=2, max_seq_len=50)(seq_len=10).shape
        torch.Size([1, 2, 10, 10])

    Reference:
        Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text
        Transformer, JMLR 2020, arXiv 1910.10683.
    """

    def __init__(self, n_heads: int, max_seq_len: int, num_buckets: int = 32) -> None:
        check_whole(1, n_heads=n_heads, max_seq_len=max_seq_len, num_buckets=num_buckets)
        super().__init__()
        self.n_heads, self.max_seq_len, self.num_buckets = n_heads, max_seq_len, num_buckets
        self.rel_pos_bias_table = nn.Parameter(torch.randn(num_buckets, n_heads) * 0.02)

    def forward(self, seq_len: int) -> Tensor:
        """Return the biases of all pairs of `seq_len` positions."""
        i = torch.arange(seq_len, device=self.rel_pos_bias_table.device)
        distance = (i[:, None] - i[None, :]).abs().clamp(max=self.max_seq_len)
        bucket = distance * (self.num_buckets - 1) // self.max_seq_len
        return self.rel_pos_bias_table[bucket].permute(2, 0, 1).unsqueeze(0)


class RelativeBucketedTimeAndPositionBias(nn.Module):
    """The bias rab^{p,t} of HSTU: b_{h,i,j} = p_{j−i, h} + t_{bucket(|t_i − t_j|), h}.

    Args:
        n_heads: Number of heads H.
        max_seq_len: The longest sequence.
        num_time_buckets: The last time bucket, shared by all longer spans.
        time_bucket_fn: "sqrt" or "log"; see `TimeBuckets`.
        time_bucket_divisor: Divides √ or ln of the time span; a larger divisor makes wider buckets.
        time_bucket_unit: "minutes" or "seconds". Times themselves are in seconds.

    Shape:
        time_diffs: (B, L), the time of each event, relative to any origin; returns (B, H, L, L), or
        (1, H, L, L) without times.

    Raises:
        ValueError: Neither `time_diffs` nor `seq_len` is given, or the sequence is too long.

    Example:
        >>> rab = RelativeBucketedTimeAndPositionBias(n_heads=2, max_seq_len=50)
        >>> rab(torch.tensor([[0, 60, 3600]])).shape
        torch.Size([1, 2, 3, 3])

    Reference:
        Zhai et al., Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
        Generative Recommendations, ICML 2024, arXiv 2402.17152.
    """

    def __init__(
        self,
        n_heads: int,
        max_seq_len: int,
        num_time_buckets: int = 128,
        time_bucket_fn: str = "sqrt",
        time_bucket_divisor: float = 1.0,
        time_bucket_unit: str = "minutes",
    ) -> None:
        check_whole(1, n_heads=n_heads, max_seq_len=max_seq_len, num_time_buckets=num_time_buckets)
        check_number("(0, inf)", time_bucket_divisor=time_bucket_divisor)
        super().__init__()
        self.n_heads, self.max_seq_len = n_heads, max_seq_len
        self.bucket = TimeBuckets(
            num_time_buckets, time_bucket_fn, time_bucket_divisor, time_bucket_unit
        )
        self.pos_w = nn.Parameter(torch.randn(2 * max_seq_len - 1, n_heads) * 0.02)
        self.ts_w = nn.Parameter(torch.randn(num_time_buckets + 1, n_heads) * 0.02)

    def buckets(self, time_diffs: Tensor) -> Tensor:
        """Return the bucket (B, L, L) of the time between each pair of events."""
        return self.bucket((time_diffs.unsqueeze(2) - time_diffs.unsqueeze(1)).abs())

    def forward(
        self,
        time_diffs: Tensor | None = None,
        seq_len: int | None = None,
        *,
        buckets: Tensor | None = None,
    ) -> Tensor:
        """Return the biases of all pairs.

        Args:
            time_diffs: Times (B, L) in seconds; None omits the time bias.
            seq_len: L, if `time_diffs` is None.
            buckets: The result of `buckets` for the times, to share it between layers.
        """
        if buckets is None and time_diffs is not None:
            buckets = self.buckets(time_diffs)
        if buckets is not None:
            seq_len = buckets.shape[-1]
        if seq_len is None:
            raise ValueError("give time_diffs (B, L), or seq_len where there are no times")
        check_length(seq_len, self.max_seq_len)
        i = torch.arange(seq_len, device=self.pos_w.device)
        p = self.pos_w[i[None, :] - i[:, None] + self.max_seq_len - 1].permute(2, 0, 1)
        if buckets is None:
            return p.unsqueeze(0)
        # gathered sequence by sequence: the backward then sums the gradient in several threads
        shape = (buckets.shape[0], self.n_heads, -1)
        pairs = buckets.long().flatten(1).unsqueeze(1).expand(shape)
        t = self.ts_w.t().unsqueeze(0).expand(shape).gather(2, pairs)
        bias: Tensor = t.unflatten(2, (seq_len, seq_len)) + p
        return bias


def check_length(seq_len: int, max_seq_len: int) -> None:
    """Refuse sequences longer than `max_seq_len`.

    Raises:
        ValueError: The sequence is too long; the message names both lengths.
    """
    if seq_len > max_seq_len:
        raise ValueError(
            f"the sequences have {seq_len} positions, but max_seq_len={max_seq_len}: keep the last "
            f"{max_seq_len} of each, or make the model with a larger max_seq_len"
        )
