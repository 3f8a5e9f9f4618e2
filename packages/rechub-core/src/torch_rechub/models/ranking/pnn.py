"""Product-based neural network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import DenseFeature, Feature, fields_of, flat_width
from ...basic.layers import MLP, EmbeddingLayer, OuterProduct, PairProducts
from ..arguments import RecordsArguments


class PNN(RecordsArguments, nn.Module):
    """A deep network over the fields and their products.

    ŷ = σ( MLP([v_1; …; v_F; p; dense]) ),
    p = [⟨v_i, v_j⟩]_{i<j}  "inner" (IPNN),  s sᵀ, s = Σ_i v_i  "outer" (OPNN),  [both]  "both"

    s sᵀ is the sum of the outer products of all pairs of fields.

    Complexity: O(F² D + |MLP|); "outer": O(F D + D² + |MLP|); "both": O(F² D + D² + |MLP|).

    Args:
        features: Two or more sparse and pooled sequence features of one width, and dense features.
        mlp_params: Arguments of `MLP`: dims, dropout, activation.
        product: "inner", "outer" or "both".

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There are fewer than two fields, widths differ, or `product` has another value.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> fields = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 9, embed_dim=4)]
        >>> model = PNN(fields, {"dims": [8]}, product="both")
        >>> model({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}).shape
        torch.Size([2])

    Reference:
        Qu et al., Product-based Neural Networks for User Response Prediction, ICDM 2016,
        arXiv 1611.00144.
    """

    def __init__(
        self, features: Sequence[Feature], mlp_params: Mapping[str, Any], product: str = "inner"
    ) -> None:
        super().__init__()
        if product not in ("inner", "outer", "both"):
            raise ValueError(f"product must be 'inner', 'outer' or 'both', got {product!r}")
        self.fields, dim = fields_of("features", features)
        n = len(self.fields)
        if n < 2:
            raise ValueError(f"features must hold at least two fields, got {n}")
        self.dense_features = [f for f in features if isinstance(f, DenseFeature)]
        self.embedding = EmbeddingLayer(features)
        self.inner = PairProducts(n) if product != "outer" else None
        self.outer = OuterProduct() if product != "inner" else None
        width = flat_width(features) + (n * (n - 1) // 2 if self.inner else 0)
        width += dim * dim if self.outer else 0
        self.mlp = MLP(width, **{**mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        v = self.embedding.fields(x, self.fields)
        parts = [v.flatten(1)]
        if self.inner is not None:
            parts.append(self.inner(v).sum(dim=2))
        if self.outer is not None:
            parts.append(self.outer(v))
        parts += self.embedding.dense(x, self.dense_features)
        y: Tensor = self.mlp(torch.cat(parts, dim=1))
        return y.squeeze(1)
