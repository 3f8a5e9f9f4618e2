"""Deep learning recommendation model."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import DenseFeature, Feature, fields_of, flat_width
from ...basic.layers import MLP, EmbeddingLayer, PairProducts
from ..arguments import RecordsArguments


class DLRM(RecordsArguments, nn.Module):
    """Inner products of all pairs of fields; the dense features form one field.

    v_0 = MLP_bottom(dense),  p = [⟨v_i, v_j⟩]_{i<j},  ŷ = σ( MLP_top([v_0; p]) )

    The bottom network ends in an activated layer of the fields' width D.

    Complexity: O(F² D + |MLP|).

    Args:
        features: Dense features, and sparse and pooled sequence features of one width.
        bottom_params: Arguments of the `MLP` of the dense features; a layer of width D is added.
        top_params: Arguments of the `MLP` that ends in the logit.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There is no dense feature, no field, or widths differ.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> features = [DenseFeature("age"), SparseFeature("user", 10, embed_dim=4)]
        >>> model = DLRM(features, {"dims": [8]}, {"dims": [8]})
        >>> model({"user": torch.tensor([1, 2]), "age": torch.rand(2)}).shape
        torch.Size([2])

    Reference:
        Naumov et al., Deep Learning Recommendation Model for Personalization and Recommendation
        Systems, 2019, arXiv 1906.00091.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        bottom_params: Mapping[str, Any],
        top_params: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.fields, dim = fields_of("features", features)
        self.dense_features = [f for f in features if isinstance(f, DenseFeature)]
        if not self.dense_features:
            raise ValueError("features holds no DenseFeature; DLRM makes a field of them")
        self.embedding = EmbeddingLayer(features)
        dims = [*bottom_params.get("dims", ()), dim]
        bottom = {**bottom_params, "dims": dims, "output_layer": False}
        self.bottom = MLP(flat_width(self.dense_features), **bottom)
        n = len(self.fields) + 1
        self.pairs = PairProducts(n)
        self.top = MLP(dim + n * (n - 1) // 2, **{**top_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        v_0 = self.bottom(torch.cat(self.embedding.dense(x, self.dense_features), dim=1))
        fields = torch.cat([v_0.unsqueeze(1), self.embedding.fields(x, self.fields)], dim=1)
        y: Tensor = self.top(torch.cat([v_0, self.pairs(fields).sum(dim=2)], dim=1))
        return y.squeeze(1)
