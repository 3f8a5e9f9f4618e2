"""Deep Interest Network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import Feature, flat_width
from ...basic.layers import MLP, ActivationUnit, EmbeddingLayer
from ..arguments import RecordsArguments
from .behavior import pair_features, valid_steps

__all__ = ["DIN", "ActivationUnit"]


class DIN(RecordsArguments, nn.Module):
    """Target attention over a user's history: each step is weighted by its relevance to the target.

    v_k = Σ_j a_k(e_kj, v_Ak) e_kj (`ActivationUnit`) for each history k and its target feature,
    ŷ = σ( MLP([v_1; …; v_K; v_A1; …; v_AM; profile]) )

    Complexity: O(K L |ActivationUnit| + |MLP|).

    Args:
        features: The user profile: inputs of any kind and width; may be empty.
        history_features: Sequence features with pooling "concat", such as the items and the
            categories clicked; padding may be on either side.
        target_features: The candidate: M ≥ K features. The first K belong to the K histories, in
            the same order; the others, such as `features` again, only enter the MLP.
        mlp_params: Arguments of `MLP`: dims, dropout, activation (Dice unless given).
        attention_mlp_params: Arguments of `ActivationUnit`: dims, activation (Dice unless given),
            dropout, use_softmax.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Raises:
        ValueError: A history has no target of its width.

    Example:
        >>> from torch_rechub.basic.features import SequenceFeature, SparseFeature
        >>> item = SparseFeature("item", 20, embed_dim=8)
        >>> history = SequenceFeature("history", 20, 8, pooling="concat", shared_with="item")
        >>> model = DIN([], [history], [item], {"dims": [16]}, {"dims": [8]})
        >>> model({"item": torch.tensor([3]), "history": torch.tensor([[5, 7, 0]])}).shape
        torch.Size([1])

    Reference:
        Zhou et al., Deep Interest Network for Click-Through Rate Prediction, KDD 2018,
        arXiv 1706.06978.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        history_features: Sequence[Feature],
        target_features: Sequence[Feature],
        mlp_params: Mapping[str, Any],
        attention_mlp_params: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.features = list(features)
        self.history_features, self.target_features, self.other_targets = pair_features(
            history_features, target_features
        )
        self.embedding = EmbeddingLayer([*features, *history_features, *target_features])
        attention = {k: v for k, v in attention_mlp_params.items() if k != "output_layer"}
        self.attention_layers = nn.ModuleList(
            ActivationUnit(f.embed_dim or 0, **attention) for f in self.target_features
        )
        dim = flat_width([*self.target_features, *target_features, *features])
        self.mlp = MLP(dim, **{"activation": "dice", **mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        histories = self.embedding.lookup(x, self.history_features)
        targets = self.embedding.lookup(x, self.target_features)
        masks = [valid_steps(x, f) for f in self.history_features]
        interests = [
            unit(e, v, mask)
            for unit, e, v, mask in zip(self.attention_layers, histories, targets, masks)
        ]
        profile = [
            self.embedding(x, part, squeeze_dim=True)
            for part in (self.other_targets, self.features)
            if part
        ]
        y: Tensor = self.mlp(torch.cat([*interests, *targets, *profile], dim=1))
        return y.squeeze(1)
