"""AutoInt and AutoInt+."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from ...basic.features import DenseFeature, Feature, fields_of
from ...basic.layers import LR, MLP, EmbeddingLayer, InteractingLayer
from ..arguments import RecordsArguments


class AutoInt(RecordsArguments, nn.Module):
    """Self-attention over the fields; with `mlp_params`, in parallel with a deep network.

    e_f = v_f of an id, Σ_k x_fk v_fk of a dense feature;  E_{l+1} = InteractingLayer(E_l),
    ŷ = σ( wᵀ E_L + uᵀ E_0 + b [+ MLP(E_0)] )

    The linear term uᵀ E_0 of the embeddings is not in the paper.

    Complexity: O(L (F D² + F² D) + |MLP|).

    Args:
        sparse_features: Sparse and pooled sequence features of one width D.
        dense_features: Dense features; each becomes a field.
        num_layers: Number L of layers.
        num_heads: Number of heads; must divide D.
        dropout: Share of attention weights dropped while training.
        mlp_params: Arguments of `MLP`: dims, dropout, activation; None means no deep network.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There is no sparse feature, widths differ, or `num_heads` does not divide D.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> model = AutoInt([SparseFeature("user", 10, embed_dim=8)], [DenseFeature("age")])
        >>> model({"user": torch.tensor([1, 2]), "age": torch.rand(2)}).shape
        torch.Size([2])

    Reference:
        Song et al., AutoInt: Automatic Feature Interaction Learning via Self-Attentive Neural
        Networks, CIKM 2019, arXiv 1810.11921.
    """

    def __init__(
        self,
        sparse_features: Sequence[Feature],
        dense_features: Sequence[DenseFeature] | None,
        num_layers: int = 3,
        num_heads: int = 2,
        dropout: float = 0.0,
        mlp_params: Mapping[str, Any] | None = None,
    ) -> None:
        check_whole(0, num_layers=num_layers)
        super().__init__()
        self.sparse_features, dim = fields_of("sparse_features", sparse_features)
        self.dense_features = list(dense_features or ())
        self.sparse_embedding = EmbeddingLayer([*self.sparse_features, *self.dense_features])
        self.dense_embeddings = nn.ModuleDict(
            {f.name: nn.Linear(f.embed_dim, dim, bias=False) for f in self.dense_features}
        )
        self.interacting_layers = nn.ModuleList(
            InteractingLayer(dim, num_heads, dropout) for _ in range(num_layers)
        )
        width = dim * (len(self.sparse_features) + len(self.dense_features))
        self.linear = LR(width)
        self.attn_linear = nn.Linear(width, 1)
        self.mlp: MLP | None = None
        if mlp_params is not None:
            self.mlp = MLP(width, **{**mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        values = zip(
            self.dense_features, self.sparse_embedding.dense(x, self.dense_features), strict=True
        )
        dense = [self.dense_embeddings[f.name](v) for f, v in values]
        ids = self.sparse_embedding.fields(x, self.sparse_features)
        e_0 = e = torch.cat([ids, *(field.unsqueeze(1) for field in dense)], dim=1)
        for layer in self.interacting_layers:
            e = layer(e)
        y: Tensor = self.attn_linear(e.flatten(1)) + self.linear(e_0.flatten(1))
        if self.mlp is not None:
            y = y + self.mlp(e_0.flatten(1))
        return y.squeeze(1)
