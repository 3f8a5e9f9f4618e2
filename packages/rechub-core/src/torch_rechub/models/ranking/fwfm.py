"""Field-weighted factorization machine."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...basic.features import Feature, fields_of
from ...basic.layers import EmbeddingLayer, FirstOrder, PairProducts
from ..arguments import RecordsArguments


class FwFM(RecordsArguments, nn.Module):
    """Factorization machine with a weight for each pair of fields.

    ŷ = σ( b + Σ_i w_i x_i + Σ_{i<j} r_ij ⟨v_i, v_j⟩ x_i x_j )

    r is initialized to 1, so that the model starts as an `FM`. Each id has one weight w.

    Complexity: O(F² D).

    Args:
        features: Two or more sparse and pooled sequence features of one width. A dense feature
            enters the first-order term alone.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There are fewer than two fields, or widths differ.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> fields = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 9, embed_dim=4)]
        >>> FwFM(fields)({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}).shape
        torch.Size([2])

    Reference:
        Pan et al., Field-weighted Factorization Machines for Click-Through Rate Prediction in
        Display Advertising, WWW 2018, arXiv 1806.03514.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        self.fields, _ = fields_of("features", features)
        n = len(self.fields)
        if n < 2:
            raise ValueError(f"features must hold at least two fields, got {n}")
        self.linear = FirstOrder(features)
        self.embedding = EmbeddingLayer(self.fields)
        self.pairs = PairProducts(n)
        self.r = nn.Parameter(torch.ones(n * (n - 1) // 2))

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        products = self.pairs(self.embedding.fields(x, self.fields)).sum(dim=2)
        # r as a matrix: onnxruntime 1.32 computes the product of the transpose and a vector wrongly
        y: Tensor = (self.linear(x) + products @ self.r.unsqueeze(1)).squeeze(1)
        return y
