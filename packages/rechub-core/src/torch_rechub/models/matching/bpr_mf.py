"""BPR-MF: a vector for each user and each item, learned from pairs of items."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ...basic.features import SparseFeature
from ...basic.layers import EmbeddingLayer
from .two_tower import TwoTower, share_tables


class BPRMF(TwoTower):
    """Matrix factorization, trained so that an item met beats one not met.

    ŷ_ui = b_i + ⟨p_u, q_i⟩,  L = −ln σ(ŷ_ui − ŷ_uj)  for j an item that user u has not met

    The bias is the last coordinate of an item's embedding, beside a 1 of the user's: the inner
    product of embeddings, by which items are retrieved, is the whole score. The paper's λ‖Θ‖² is
    `MatchTrainer(mode=1, regularization_params={"embedding_l2": λ})`, over all rows of the tables.

    Complexity: O(D).

    Args:
        user_feature: The user's id, of width D.
        item_feature: The positive item's id, of the same width.
        neg_item_feature: The negative's; it is given the table of the positive's where it names
            none.

    Shape:
        x[name]: (B,); returns (ŷ_ui, ŷ_uj), (B,) each; in mode "user" [p_u, 1], in mode "item"
        [q_i, b_i]: (B, D + 1).

    Raises:
        ValueError: The features are of different widths.

    Example:
        >>> user, item, negative = (SparseFeature(n, 20, 4) for n in ("user", "item", "negative"))
        >>> model = BPRMF(user, item, negative)
        >>> ids = torch.tensor([1, 2, 3])
        >>> pos, neg = model({"user": ids, "item": ids + 4, "negative": ids + 9})
        >>> pos.shape, model.item_tower({"item": ids}).shape
        (torch.Size([3]), torch.Size([3, 5]))

    Reference:
        Rendle et al., BPR: Bayesian Personalized Ranking from Implicit Feedback, UAI 2009,
        arXiv 1205.2618.
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
        bias = SparseFeature(item.name, item.vocab_size, 1, padding_idx=item.padding_idx)
        shared = SparseFeature(neg.name, neg.vocab_size, 1, item.name, neg.padding_idx)
        self.item_bias = EmbeddingLayer([bias, shared])

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return [p_u, 1] (B, D + 1)."""
        p = self.embedding(x, self.user_inputs, squeeze_dim=True)
        return torch.cat([p, torch.ones_like(p[:, :1])], dim=1)

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return [q_i, b_i] of the positive items (B, D + 1)."""
        tables = (self.embedding, self.item_bias)
        return torch.cat([t(x, self.item_inputs, squeeze_dim=True) for t in tables], dim=1)

    def score(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the scores of the positives and of the negatives, (B,) each."""
        user, tables = self.user_tower(x), (self.embedding, self.item_bias)
        neg = torch.cat([t(x, self.negatives, squeeze_dim=True) for t in tables], dim=1)
        return (user * self.item_tower(x)).sum(dim=1), (user * neg).sum(dim=1)
