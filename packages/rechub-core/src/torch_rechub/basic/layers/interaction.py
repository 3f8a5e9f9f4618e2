"""Interactions of all fields: the pairwise sum of the factorization machine, CIN."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_whole


class _PairSum(torch.autograd.Function):
    """½ ((Σ v)² − Σ v²) with its gradient Σ v − v_i in closed form: half of autograd's passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, reduce_sum: bool) -> Tensor:
        ctx.save_for_backward(x)
        total = x.sum(dim=1)
        if reduce_sum:
            flat = x.flatten(1)
            squares = torch.linalg.vecdot(flat, flat)  # in one pass, without a copy of x
            pairs: Tensor = 0.5 * (torch.linalg.vecdot(total, total) - squares)
            return pairs.unsqueeze(1)
        return 0.5 * (total.square() - x.square().sum(dim=1))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        x: Tensor = ctx.saved_tensors[0]
        return (x.sum(dim=1, keepdim=True) - x) * grad.unsqueeze(1), None


class FM(nn.Module):
    """Second-order interactions of F fields: Σ_{i<j} v_i ⊙ v_j = ½ ((Σ v)² − Σ v²).

    Args:
        reduce_sum: Whether to sum over the embedding dimension, giving Σ_{i<j} ⟨v_i, v_j⟩.

    Shape:
        x: (B, F, D); returns (B, 1), or (B, D) without the sum.

    Example:
        >>> FM()(torch.ones(1, 3, 4)).item()  # three pairs of width 4
        12.0

    Reference:
        Rendle, Factorization Machines, ICDM 2010.
    """

    def __init__(self, reduce_sum: bool = True) -> None:
        super().__init__()
        self.reduce_sum = reduce_sum

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 1) or (B, D)."""
        pairs: Tensor = _PairSum.apply(x, self.reduce_sum)
        return pairs


class CIN(nn.Module):
    """Compressed interaction network of xDeepFM: vector-wise interactions of increasing order.

    X^k_h = ReLU( Σ_i Σ_j W^{k,h}_ij (X^0_i ⊙ X^{k−1}_j) + b^{k,h} ),  y = wᵀ [p^1; …; p^L] + b

    p^k are the sums of X^k over the embedding dimension. With `split_half`, the first ⌈H_k / 2⌉
    maps of each layer but the last go into y, and the other ⌊H_k / 2⌋ to the next layer.

    Args:
        input_dim: Number F of fields.
        cin_size: Number H_k of feature maps of each layer.
        split_half: Whether each map goes either into y or to the next layer, instead of to both.

    Shape:
        x: (B, F, D); returns (B, 1).

    Raises:
        ValueError: `cin_size` is empty, or a layer leaves no maps to the next one.

    Example:
        >>> CIN(input_dim=3, cin_size=[5, 4])(torch.ones(2, 3, 8)).shape
        torch.Size([2, 1])

    Reference:
        Lian et al., xDeepFM: Combining Explicit and Implicit Feature Interactions for Recommender
        Systems, KDD 2018, arXiv 1803.05170.
    """

    def __init__(self, input_dim: int, cin_size: Sequence[int], split_half: bool = True) -> None:
        check_whole(1, input_dim=input_dim)
        super().__init__()
        *inner, last = cin_size or [0]
        passed = [h // 2 if split_half else h for h in inner]
        if last < 1 or any(n < 1 for n in passed):
            least = "2 maps in each layer but the last, and 1 there" if split_half else "1 map"
            raise ValueError(f"cin_size needs {least}, got {list(cin_size)}")
        kept = [h - h // 2 if split_half else h for h in inner] + [last]
        self.sizes = list(zip(kept, [*passed, 0]))
        self.split_half = split_half
        self.conv_layers = nn.ModuleList(
            nn.Conv1d(input_dim * before, h, kernel_size=1)
            for before, h in zip([input_dim, *passed], cin_size)
        )
        self.fc = nn.Linear(sum(kept), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 1)."""
        x_k, kept = x, []
        for conv, sizes in zip(self.conv_layers, self.sizes, strict=True):
            pairs = x.unsqueeze(2) * x_k.unsqueeze(1)  # (B, F, H, D)
            x_k = out = conv(pairs.flatten(1, 2)).relu()
            if self.split_half:
                out, x_k = x_k.split(sizes, dim=1)
            kept.append(out.sum(dim=2))
        y: Tensor = self.fc(torch.cat(kept, dim=1))
        return y
