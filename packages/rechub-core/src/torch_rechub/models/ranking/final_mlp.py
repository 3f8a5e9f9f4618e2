"""FinalMLP."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import Feature, flat_width
from ...basic.layers import MLP, BilinearFusion, EmbeddingLayer, GateNU
from ..arguments import RecordsArguments


class FinalMLP(RecordsArguments, nn.Module):
    """Two-stream MLP: two deep networks with feature selection, fused by bilinear products.

    e = [v_1; …; v_F; dense],  o_k = MLP_k(gate_k ⊙ e),
    ŷ = σ( b + w_1ᵀ o_1 + w_2ᵀ o_2 + Σ_h o_1hᵀ W_h o_2h )

    gate_k = `GateNU` of the context of stream k; without context, 2 σ(a_k) of a learned vector a_k.

    Complexity: O(d² + |o_1| |o_2| / H + |MLP|).

    Args:
        features: Inputs, of any kind and width.
        context_1: Context features of the first gate, such as those of the user.
        context_2: Context features of the second gate, such as those of the item.
        mlp_params_1: Arguments of the first `MLP`, which has no output layer.
        mlp_params_2: Arguments of the second `MLP`.
        num_heads: Number H of heads of the bilinear fusion.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: `num_heads` does not divide the widths of both streams.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> user, item = SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 9, 4)
        >>> model = FinalMLP([user, item], [user], [item], {"dims": [8]}, {"dims": [6]}, 2)
        >>> model({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}).shape
        torch.Size([2])

    Reference:
        Mao et al., FinalMLP: An Enhanced Two-Stream MLP Model for CTR Prediction, AAAI 2023,
        arXiv 2304.00902.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        context_1: Sequence[Feature],
        context_2: Sequence[Feature],
        mlp_params_1: Mapping[str, Any],
        mlp_params_2: Mapping[str, Any],
        num_heads: int = 1,
    ) -> None:
        super().__init__()
        self.features, self.contexts = list(features), (list(context_1), list(context_2))
        dim = flat_width(features)
        self.embedding = EmbeddingLayer([*features, *context_1, *context_2])
        self.gates = nn.ModuleList(_Selection(flat_width(c), dim) for c in self.contexts)
        networks = [
            MLP(dim, **{**params, "output_layer": False}) for params in (mlp_params_1, mlp_params_2)
        ]
        self.mlps = nn.ModuleList(networks)
        first, second = (network.output_dim for network in networks)
        self.fusion = BilinearFusion(first, second, num_heads)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        e = self.embedding(x, self.features, squeeze_dim=True)
        contexts = [self.embedding(x, c, squeeze_dim=True) if c else None for c in self.contexts]
        first, second = (
            mlp(gate(context) * e)
            for mlp, gate, context in zip(self.mlps, self.gates, contexts, strict=True)
        )
        y: Tensor = self.fusion(first, second)
        return y.squeeze(1)


class _Selection(nn.Module):
    """The gate of a stream, computed from its context (B, context_dim) or learned without one."""

    def __init__(self, context_dim: int, dim: int) -> None:
        super().__init__()
        self.gate = GateNU(context_dim, dim) if context_dim else None
        self.a = None if context_dim else nn.Parameter(torch.zeros(dim))

    def forward(self, context: Tensor | None) -> Tensor:
        if self.a is not None:
            return 2 * self.a.sigmoid()
        assert self.gate is not None
        selected: Tensor = self.gate(context)
        return selected
