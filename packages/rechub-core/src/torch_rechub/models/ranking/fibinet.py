"""FiBiNET."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import DenseFeature, Feature, fields_of, flat_width
from ...basic.layers import MLP, BiLinearInteractionLayer, EmbeddingLayer, FirstOrder, SENETLayer
from ..arguments import RecordsArguments
from .unused import warn_of_unused


class FiBiNet(RecordsArguments, nn.Module):
    """Bilinear products of the fields, and of the fields after squeeze-and-excitation.

    p = [(v_i W) ⊙ v_j]_{i<j},  q = [(ṽ_i W) ⊙ ṽ_j]_{i<j} with ṽ = SENET(v),
    ŷ = σ( b + Σ_i w_i x_i + MLP([p; q; dense]) )

    Complexity: O(F² D² + |MLP|); "field_all": O(F D² + F² D + |MLP|).

    Args:
        features: Two or more sparse and pooled sequence features of one width, and dense features.
        mlp_params: Arguments of `MLP`: dims, dropout, activation.
        reduction_ratio: r of `SENETLayer`.
        bilinear_type: "field_all", "field_each" or "field_interaction": one W for all pairs, for
            each first field, or for each pair.
        **kwargs: Ignored with a warning; scripts for torch-rechub 0.9 may pass some.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There are fewer than two fields, widths differ, or `bilinear_type` has another
            value.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> fields = [SparseFeature(name, 10, embed_dim=4) for name in ("user", "item", "city")]
        >>> x = {f.name: torch.tensor([1, 2]) for f in fields}
        >>> FiBiNet(fields, {"dims": [8]})(x).shape
        torch.Size([2])

    Reference:
        Huang et al., FiBiNET: Combining Feature Importance and Bilinear feature Interaction for
        Click-Through Rate Prediction, RecSys 2019, arXiv 1905.09433.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        mlp_params: Mapping[str, Any],
        reduction_ratio: int = 3,
        bilinear_type: str = "field_interaction",
        **kwargs: Any,
    ) -> None:
        super().__init__()
        warn_of_unused(self, kwargs)
        self.features, dim = fields_of("features", features)
        self.dense_features = [f for f in features if isinstance(f, DenseFeature)]
        n = len(self.features)
        if n < 2:
            raise ValueError(f"features must hold at least two fields, got {n}")
        self.linear = FirstOrder(features)
        self.embedding = EmbeddingLayer(features)
        self.senet_layer = SENETLayer(n, reduction_ratio)
        self.bilinear_interaction = BiLinearInteractionLayer(dim, n, bilinear_type)
        width = n * (n - 1) * dim + flat_width(self.dense_features)
        self.mlp = MLP(width, **{**mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        v = self.embedding.fields(x, self.features)
        p, q = self.bilinear_interaction(v), self.bilinear_interaction(self.senet_layer(v))
        dense = self.embedding.dense(x, self.dense_features)
        deep = self.mlp(torch.cat([p.flatten(1), q.flatten(1), *dense], dim=1))
        y: Tensor = self.linear(x) + deep
        return y.squeeze(1)
