"""Factorization machine."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ...basic.features import Feature, fields_of
from ...basic.layers import FM as PairSum
from ...basic.layers import EmbeddingLayer, FirstOrder
from ..arguments import RecordsArguments


class FM(RecordsArguments, nn.Module):
    """Factorization machine: a weight for each id, and inner products of the embeddings of fields.

    ŷ = σ( b + Σ_i w_i x_i + Σ_{i<j} ⟨v_i, v_j⟩ x_i x_j )

    Complexity: O(F D).

    Args:
        features: Sparse and pooled sequence features of one width. A dense feature enters the
            first-order term alone.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There is no field, or widths differ.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> fields = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 9, embed_dim=4)]
        >>> FM(fields)({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}).shape
        torch.Size([2])

    Reference:
        Rendle, Factorization Machines, ICDM 2010.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        self.fields, _ = fields_of("features", features)
        self.linear = FirstOrder(features)
        self.embedding = EmbeddingLayer(self.fields)
        self.fm = PairSum()

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        y: Tensor = self.linear(x) + self.fm(self.embedding.fields(x, self.fields))
        return y.squeeze(1)
