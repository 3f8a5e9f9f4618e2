"""The base class of session models."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...basic.features import Feature, SparseFeature, check_sequences
from ...basic.layers import EmbeddingLayer
from ...basic.layers.precision import leave_out
from .two_tower import TwoTower, history_steps, share_tables


class SessionModel(TwoTower):
    """Scores the next item of a session: ŷ_i = ⟨u, e_i⟩, for all items i or for one per row.

    A subclass computes u, the vector of the session, in `user_tower`.

    Args:
        item_history_feature: The session's items, a sequence feature with pooling "concat".
        item_feature: The item to score, which shares the table of the history unless it names
            another; None scores all items of the vocabulary.

    Shape:
        x[history]: (B, L); `forward` returns logits (B, V), that of padding −10⁹; with
        `item_feature` and x[item]: (B,), scores (B,).

    Raises:
        ValueError: The history is pooled, or `item_feature` is not a `SparseFeature`.
    """

    def __init__(self, item_history_feature: Feature, item_feature: Feature | None) -> None:
        (history,) = check_sequences("item_history_feature", [item_history_feature])
        if item_feature is not None and not isinstance(item_feature, SparseFeature):
            raise ValueError(f"item_feature must be a SparseFeature, got {item_feature}")
        items = [] if item_feature is None else share_tables([history], [item_feature])
        if history.shared_with is not None and item_feature is not None:
            items = [item_feature]
        super().__init__([history], items)
        self.item_history_feature, self.item_features = history, items
        self.score_inputs = [history, *items]
        self.item_emb = EmbeddingLayer(self.score_inputs)
        self.dim = history.embed_dim or 0

    def forward(self, input_dict: Mapping[str, Tensor]) -> Any:
        """Return scores; in mode "user" or "item", embeddings (B, D)."""
        return super().forward(input_dict)

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the items' embeddings (B, D)."""
        if not self.item_features:
            raise ValueError(
                f"{type(self).__name__} was made without item_feature, so it has no column of "
                "items to embed: give it one, as item_feature=SparseFeature(...)"
            )
        return self.item_emb.forward(x, self.item_features, squeeze_dim=True)

    def score(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, V), or scores (B,) of the items in x."""
        user = self.user_tower(x)
        if self.item_features:
            return (user * self.item_tower(x)).sum(dim=1)
        logits = user @ self.all_items().T
        padding = logits.new_zeros(logits.shape[1], dtype=torch.bool)
        padding[self.item_history_feature.padding_id] = True
        return leave_out(logits, padding)

    def all_items(self) -> Tensor:
        """Return the embeddings of the vocabulary's items (V, D)."""
        return self.item_emb.table(self.item_history_feature.name)

    def session(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the embeddings of the session's items (B, L, D) and the padding mask."""
        return history_steps(self.item_emb, x, [self.item_history_feature])
