"""BPR-MF: matrix factorization trained with Bayesian personalized ranking."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...basic.features import Feature, SparseFeature
from ...basic.layers import EmbeddingLayer
from .factorization import Factorization


class BPRMF(Factorization):
    """Matrix factorization, trained to score positive items above negative ones.

    ŷ_ui = b_i + ⟨p_u, q_i⟩,  L = −ln σ(ŷ_ui − ŷ_uj)  for a negative item j of user u

    The bias is the last coordinate of the item embedding, and 1 that of the user embedding, so that
    the inner product of the embeddings is the score. The paper's λ‖Θ‖² is
    `MatchTrainer(mode=1, regularization_params={"embedding_l2": λ})`, over all rows of the tables.

    Complexity: O(D).

    Args:
        user_feature: The user's id, of width D.
        item_feature: The positive item's id, of the same width.
        neg_item_feature: The negative item's id; it shares the table of `item_feature` unless it
            names another.

    Shape:
        x[name]: (B,); returns (ŷ_ui, ŷ_uj), (B,) each; in mode "user" [p_u, 1], in mode "item"
        [q_i, b_i]: (B, D + 1).

    Raises:
        ValueError: The features differ in width, or the negatives have another table.

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
        super().__init__(user_feature, item_feature, neg_item_feature)
        item, neg = item_feature, neg_item_feature
        bias = SparseFeature(item.name, item.vocab_size, 1, padding_idx=item.padding_idx)
        shared = SparseFeature(neg.name, neg.vocab_size, 1, item.name, neg.padding_idx)
        self.item_bias = EmbeddingLayer([bias, shared])

    def vectors(self, x: Mapping[str, Tensor], features: Sequence[Feature]) -> list[Tensor]:
        """Return [p_u, 1] or [q_i, b_i], (B, D + 1), for the ids of each of the features."""
        return [self._vector(x, f) for f in features]

    def _vector(self, x: Mapping[str, Tensor], feature: Feature) -> Tensor:
        v = self.embedding.forward(x, [feature], squeeze_dim=True)
        if feature in self.user_inputs:
            return torch.cat([v, torch.ones_like(v[:, :1])], dim=1)
        return torch.cat([v, self.item_bias(x, [feature], squeeze_dim=True)], dim=1)
