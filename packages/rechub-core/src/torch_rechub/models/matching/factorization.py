"""The base class of factorization models, which are trained on pairs of items."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from ...basic.features import Feature, SparseFeature
from ...basic.layers import EmbeddingLayer
from .two_tower import TwoTower, share_tables


class Factorization(TwoTower):
    """A vector for each user and item, trained to score positive items above negative ones.

    ŷ_ui = ⟨p_u, q_i⟩,  L = −ln σ(ŷ_ui − ŷ_uj)  for a negative item j of user u

    A subclass computes p and q in `vectors`.

    Args:
        user_feature: The user's id, of width D.
        item_feature: The positive item's id, of the same width.
        neg_item_feature: The negative item's id; it shares the table of `item_feature` unless it
            names another.

    Shape:
        x[name]: (B,); returns (ŷ_ui, ŷ_uj), (B,) each.

    Raises:
        ValueError: The features differ in width, or the negatives have another table.
    """

    def __init__(
        self,
        user_feature: SparseFeature,
        item_feature: SparseFeature,
        neg_item_feature: SparseFeature,
    ) -> None:
        super().__init__([user_feature], [item_feature])
        self.negatives = share_tables([item_feature], [neg_item_feature])
        features = [user_feature, item_feature, *self.negatives]
        if len({f.embed_dim for f in features}) != 1:
            raise ValueError(
                "the features of users, items and negatives must be of one embed_dim, got "
                f"{ {f.name: f.embed_dim for f in features} }"
            )
        self.embedding = EmbeddingLayer(features)
        item, neg = item_feature, neg_item_feature
        if self.embedding.slice_of(neg.name) != self.embedding.slice_of(item.name):
            raise ValueError(
                f"{neg.name!r} must look into the table of {item.name!r}: give it the vocab_size "
                f"{item.vocab_size} (it has {neg.vocab_size}), and no other shared_with"
            )

    def vectors(self, x: Mapping[str, Tensor], features: Sequence[Feature]) -> list[Tensor]:
        """Return p or q, (B, D), for the ids of each of the features."""
        raise NotImplementedError

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return p_u (B, D)."""
        return self.vectors(x, self.user_inputs)[0]

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return q_i (B, D) of the positive items."""
        return self.vectors(x, self.item_inputs)[0]

    def score(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the scores of the positives and of the negatives, (B,) each."""
        inputs = [*self.user_inputs, *self.item_inputs, *self.negatives]
        user, item, neg = self.vectors(x, inputs)
        return (user * item).sum(dim=1), (user * neg).sum(dim=1)
