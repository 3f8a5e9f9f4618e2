"""DeepFM."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ...basic.features import Feature, fields_of, flat_width
from ...basic.layers import FM, MLP, EmbeddingLayer, FirstOrder
from ..arguments import RecordsArguments


class DeepFM(RecordsArguments, nn.Module):
    """A factorization machine and a deep network over the same embeddings.

    ŷ = σ( b + Σ_i w_i x_i + Σ_{i<j} ⟨v_i, v_j⟩ x_i x_j + MLP([v_1; …; v_F; dense]) )

    The first-order term has one weight for each id.

    Complexity: O(F D + |MLP|).

    Args:
        deep_features: Inputs of the deep part, of any kind and width.
        fm_features: Inputs of the factorization machine: sparse and pooled sequence features of one
            width. A dense feature here enters the first-order term alone.
        mlp_params: Arguments of `MLP`: dims, dropout, activation.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Raises:
        ValueError: The factorization machine has no field, or widths differ.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import DenseFeature, SparseFeature
        >>> fields = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 9, embed_dim=4)]
        >>> model = DeepFM([DenseFeature("age"), *fields], fields, {"dims": [16, 8]})
        >>> x = {"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4]), "age": torch.rand(2)}
        >>> model(x).shape
        torch.Size([2])

    Reference:
        Guo et al., DeepFM: A Factorization-Machine based Neural Network for CTR Prediction,
        IJCAI 2017, arXiv 1703.04247.
    """

    def __init__(
        self,
        deep_features: Sequence[Feature],
        fm_features: Sequence[Feature],
        mlp_params: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.deep_features = list(deep_features)
        self.fm_features, _ = fields_of("fm_features", fm_features)
        self.linear = FirstOrder(fm_features)
        self.fm = FM()
        self.embedding = EmbeddingLayer([*deep_features, *fm_features])
        self.mlp = MLP(flat_width(deep_features), **{**mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        first_order = self.linear(x)
        fields, flat = self.embedding.fields_and_flat(x, self.fm_features, self.deep_features)
        y: Tensor = first_order + self.fm(fields) + self.mlp(flat)
        return y.squeeze(1)
