"""xDeepFM."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ...basic.features import Feature, fields_of, flat_width
from ...basic.layers import CIN, MLP, EmbeddingLayer, FirstOrder
from ..arguments import RecordsArguments


class XDeepFM(RecordsArguments, nn.Module):
    """A compressed interaction network and a deep network over the same embeddings.

    ŷ = σ( b + Σ_i w_i x_i + CIN(v_1, …, v_F) + MLP([v_1; …; v_F; dense]) )

    Complexity: O(F D Σ_k H_k H_{k−1} + |MLP|), H_0 = F.

    Args:
        features: Sparse and pooled sequence features of one width, and dense features, which do not
            enter the interaction network.
        mlp_params: Arguments of `MLP`: dims, dropout, activation.
        cin_size: Number H_k of feature maps of each layer of `CIN`.
        split_half: Whether each map goes either to the next layer or to the output; see `CIN`.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There is no field, widths differ, or `cin_size` leaves a layer empty.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> fields = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 9, embed_dim=4)]
        >>> model = XDeepFM(fields, {"dims": [8]}, cin_size=[6, 6])
        >>> model({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}).shape
        torch.Size([2])

    Reference:
        Lian et al., xDeepFM: Combining Explicit and Implicit Feature Interactions for Recommender
        Systems, KDD 2018, arXiv 1803.05170.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        mlp_params: Mapping[str, Any],
        cin_size: Sequence[int] = (128, 128),
        split_half: bool = True,
    ) -> None:
        super().__init__()
        self.features = list(features)
        self.fields, _ = fields_of("features", features)
        self.linear = FirstOrder(features)
        self.embedding = EmbeddingLayer(features)
        self.cin = CIN(len(self.fields), cin_size, split_half)
        self.mlp = MLP(flat_width(features), **{**mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        fields, flat = self.embedding.fields_and_flat(x, self.fields, self.features)
        y: Tensor = self.linear(x) + self.cin(fields) + self.mlp(flat)
        return y.squeeze(1)
