"""Deep & Cross Network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from ...basic.features import Feature, flat_width
from ...basic.layers import LR, MLP, CrossNetwork, EmbeddingLayer
from ..arguments import RecordsArguments


class DCN(RecordsArguments, nn.Module):
    """A cross network in parallel with a deep network.

    x_0 = [v_1; …; v_F; dense],  x_{l+1} = x_0 (x_lᵀ w_l) + b_l + x_l,
    ŷ = σ( wᵀ [x_L; MLP(x_0)] + b )

    Complexity: O(L d + |MLP|).

    Args:
        features: Inputs, of any kind and width.
        n_cross_layers: Number L of crosses.
        mlp_params: Arguments of `MLP`: dims, dropout, activation (an `output_layer` is ignored:
            the deep part ends in its last hidden layer).

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> model = DCN([SparseFeature("user", 10)], n_cross_layers=2, mlp_params={"dims": [8]})
        >>> model({"user": torch.tensor([1, 2])}).shape
        torch.Size([2])

    Reference:
        Wang et al., Deep & Cross Network for Ad Click Predictions, ADKDD 2017, arXiv 1708.05123.
    """

    def __init__(
        self, features: Sequence[Feature], n_cross_layers: int, mlp_params: Mapping[str, Any]
    ) -> None:
        check_whole(0, n_cross_layers=n_cross_layers)
        super().__init__()
        self.features = list(features)
        dim = flat_width(features)
        self.embedding = EmbeddingLayer(features)
        self.cn = CrossNetwork(dim, n_cross_layers)
        self.mlp = MLP(dim, **{**mlp_params, "output_layer": False})
        self.linear = LR(dim + self.mlp.output_dim)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        x_0 = self.embedding(x, self.features, squeeze_dim=True)
        y: Tensor = self.linear(torch.cat([self.cn(x_0), self.mlp(x_0)], dim=1))
        return y.squeeze(1)
