"""Neural factorization machine."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_number
from ...basic.activation import BatchNorm
from ...basic.features import DenseFeature, Feature, fields_of, flat_width
from ...basic.layers import FM, MLP, EmbeddingLayer, FirstOrder
from ..arguments import RecordsArguments


class NFM(RecordsArguments, nn.Module):
    """A deep network over the sum of the products of all pairs of fields.

    f_BI = Σ_{i<j} v_i ⊙ v_j,  ŷ = σ( b + Σ_i w_i x_i + MLP([dropout(BN(f_BI)); dense]) )

    BN is batch normalization: products of small embeddings are tiny, and without normalization the
    deep network would hardly learn from them.

    Complexity: O(F D + |MLP|).

    Args:
        features: Sparse and pooled sequence features of one width, and dense features.
        mlp_params: Arguments of `MLP`: dims, dropout, activation.
        dropout: Dropout of f_BI.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There is no field, or widths differ.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> fields = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 9, embed_dim=4)]
        >>> model = NFM(fields, {"dims": [8]})
        >>> model({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}).shape
        torch.Size([2])

    Reference:
        He and Chua, Neural Factorization Machines for Sparse Predictive Analytics, SIGIR 2017,
        arXiv 1708.05027.
    """

    def __init__(
        self, features: Sequence[Feature], mlp_params: Mapping[str, Any], dropout: float = 0.0
    ) -> None:
        check_number("[0, 1]", dropout=dropout)
        super().__init__()
        self.fields, dim = fields_of("features", features)
        self.dense_features = [f for f in features if isinstance(f, DenseFeature)]
        self.linear = FirstOrder(features)
        self.embedding = EmbeddingLayer(features)
        self.bi_interaction = FM(reduce_sum=False)
        self.norm, self.dropout = BatchNorm(dim), nn.Dropout(dropout)
        width = dim + flat_width(self.dense_features)
        self.mlp = MLP(width, **{**mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        f_bi = self.bi_interaction(self.embedding.fields(x, self.fields))
        dense = self.embedding.dense(x, self.dense_features)
        inputs = torch.cat([self.dropout(self.norm(f_bi)), *dense], dim=1)
        y: Tensor = self.linear(x) + self.mlp(inputs)
        return y.squeeze(1)
