"""Wide & Deep."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ...basic.features import Feature, flat_width
from ...basic.layers import MLP, EmbeddingLayer, FirstOrder
from ..arguments import RecordsArguments


class WideDeep(RecordsArguments, nn.Module):
    """Joint training of a linear model, for memorization, and a deep network, for generalization.

    ŷ = σ( w_wideᵀ x_wide + b + MLP([v_1; …; v_F; dense]) )

    The wide part has one weight for each id of its sparse features and for each dense value.
    Provide crossed features as columns of their own.

    Complexity: O(F + |MLP|).

    Args:
        wide_features: Inputs of the wide part, of any kind.
        deep_features: Inputs of the deep part, of any kind and width.
        mlp_params: Arguments of `MLP`: dims, dropout, activation.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import DenseFeature, SparseFeature
        >>> model = WideDeep([DenseFeature("age")], [SparseFeature("user", 10)], {"dims": [8]})
        >>> model({"age": torch.rand(2), "user": torch.tensor([1, 2])}).shape
        torch.Size([2])

    Reference:
        Cheng et al., Wide & Deep Learning for Recommender Systems, DLRS 2016, arXiv 1606.07792.
    """

    def __init__(
        self,
        wide_features: Sequence[Feature],
        deep_features: Sequence[Feature],
        mlp_params: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.wide_features = list(wide_features)
        self.deep_features = list(deep_features)
        self.linear = FirstOrder(wide_features)
        self.embedding = EmbeddingLayer(deep_features)
        self.mlp = MLP(flat_width(deep_features), **{**mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        deep = self.mlp(self.embedding(x, self.deep_features, squeeze_dim=True))
        y: Tensor = self.linear(x) + deep
        return y.squeeze(1)
