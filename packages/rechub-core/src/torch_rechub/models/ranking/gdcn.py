"""Gated deep cross network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from ...basic.features import Feature, flat_width
from ...basic.layers import LR, MLP, EmbeddingLayer, GatedCrossNetwork
from ..arguments import RecordsArguments


class GDCN(RecordsArguments, nn.Module):
    """A gated cross network in parallel with a deep network, or below it.

    c_0 = [v_1; …; v_F; dense],  c_{l+1} = c_0 ⊙ (W_l c_l + b_l) ⊙ σ(V_l c_l) + c_l,
    ŷ = σ( wᵀ [c_L; MLP(c_0)] + b )  in parallel,  σ( wᵀ MLP(c_L) + b )  stacked

    Complexity: O(L d² + |MLP|).

    Args:
        features: Inputs, of any kind and width.
        n_cross_layers: Number L of crosses.
        mlp_params: Arguments of `MLP`: dims, dropout, activation (an `output_layer` is ignored:
            the deep part ends in its last hidden layer).
        structure: "parallel" or "stacked".

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Raises:
        ValueError: `structure` has another value.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> model = GDCN([SparseFeature("user", 10)], n_cross_layers=2, mlp_params={"dims": [8]})
        >>> model({"user": torch.tensor([1, 2])}).shape
        torch.Size([2])

    Reference:
        Wang et al., Towards Deeper, Lighter and Interpretable Cross Network for CTR Prediction,
        CIKM 2023, arXiv 2311.04635.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        n_cross_layers: int,
        mlp_params: Mapping[str, Any],
        structure: str = "parallel",
    ) -> None:
        check_whole(0, n_cross_layers=n_cross_layers)
        super().__init__()
        if structure not in ("parallel", "stacked"):
            raise ValueError(f"structure must be 'parallel' or 'stacked', got {structure!r}")
        self.features, self.structure = list(features), structure
        dim = flat_width(features)
        self.embedding = EmbeddingLayer(features)
        self.cross = GatedCrossNetwork(dim, n_cross_layers)
        self.mlp = MLP(dim, **{**mlp_params, "output_layer": False})
        self.linear = LR(self.mlp.output_dim + (dim if structure == "parallel" else 0))

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        c_0 = self.embedding(x, self.features, squeeze_dim=True)
        crossed = self.cross(c_0)
        if self.structure == "parallel":
            out = torch.cat([crossed, self.mlp(c_0)], dim=1)
        else:
            out = self.mlp(crossed)
        y: Tensor = self.linear(out)
        return y.squeeze(1)
