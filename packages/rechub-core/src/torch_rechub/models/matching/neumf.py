"""NeuMF: generalized matrix factorization and an MLP."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import SparseFeature
from ...basic.layers import MLP, EmbeddingLayer
from ..arguments import RecordsArguments


class NeuMF(RecordsArguments, nn.Module):
    """Neural collaborative filtering: a weighted product (GMF) and an MLP with separate vectors.

    ŷ_ui = σ( hᵀ [p_u ⊙ q_i; MLP([p'_u; q'_i])] )

    Train it on positive and negative items with `MatchTrainer(mode=0)`. The network reads user and
    item together, so there are no towers and no embeddings to retrieve by: items are ranked by
    scoring the candidates of a user. The paper's pre-training of GMF and MLP is not implemented.

    Complexity: O(D + |MLP|).

    Args:
        user_feature: The user's id; its embed_dim is the width of p.
        item_feature: The item's id, of the same width.
        mlp_params: Arguments of `MLP`: dims, which the paper halves from layer to layer, dropout,
            activation; an `output_layer` is ignored.
        mlp_embed_dim: Width of p' and q'; None means the width of p.

    Shape:
        x[name]: (B,); returns probabilities (B,).

    Attributes:
        mode: Always None.

    Raises:
        ValueError: The features differ in width, or `mode` is set to that of a tower.

    Example:
        >>> user, item = SparseFeature("user", 10, 8), SparseFeature("item", 20, 8)
        >>> model = NeuMF(user, item, {"dims": [16, 8]})
        >>> movies = torch.arange(20)
        >>> model({"user": torch.full((20,), 3), "item": movies}).argsort(descending=True).shape
        torch.Size([20])

    Reference:
        He et al., Neural Collaborative Filtering, WWW 2017, arXiv 1708.05031.
    """

    def __init__(
        self,
        user_feature: SparseFeature,
        item_feature: SparseFeature,
        mlp_params: Mapping[str, Any],
        mlp_embed_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.inputs = [user_feature, item_feature]
        if user_feature.embed_dim != item_feature.embed_dim:
            raise ValueError(
                "the features of users and items must be of one embed_dim, got "
                f"{ {f.name: f.embed_dim for f in self.inputs} }"
            )
        dim = user_feature.embed_dim or 0
        self.gmf_embedding = EmbeddingLayer(self.inputs)
        width = dim if mlp_embed_dim is None else mlp_embed_dim
        self.mlp_embedding = EmbeddingLayer(
            [dataclasses.replace(f, embed_dim=width) for f in self.inputs]
        )
        self.mlp = MLP(2 * width, **{**mlp_params, "output_layer": False})
        self.fusion = nn.Linear(dim + self.mlp.output_dim, 1, bias=False)

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return hᵀ [p_u ⊙ q_i; MLP([p'_u; q'_i])], (B,)."""
        p, q = self.gmf_embedding.fields(x, self.inputs).unbind(dim=1)
        deep = self.mlp(self.mlp_embedding.flat(x, self.inputs))
        h: Tensor = self.fusion(torch.cat([p * q, deep], dim=1))
        return h.squeeze(1)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    @property
    def mode(self) -> str | None:
        """None, because the model has no towers."""
        return None

    @mode.setter
    def mode(self, mode: str | None) -> None:
        if mode is not None:
            raise ValueError(
                f"NeuMF has no {mode} tower: its network reads user and item together, so there "
                "are no embeddings to retrieve by. Score a user's candidate items instead: "
                "MatchTrainer.predict with a row for each, and rank them by what it returns"
            )
