"""Embedding-based retrieval in Facebook search: two towers trained on pairs of items."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...basic.features import Feature
from ...basic.layers.precision import unit_length
from .two_tower import TwoNetworks, share_tables


class FaceBookDSSM(TwoNetworks):
    """Two-tower model trained on pairs of a positive and a negative item.

    ŷ⁺ = cos(y_u, y_p) / τ,  ŷ⁻ = cos(y_u, y_n) / τ

    One item network embeds both items, and each feature of the negative shares the table of the
    positive's. Positives and negatives go through it in one batch: with separate statistics of
    batch normalization it could distinguish them without reading the item.
    Trained so that ŷ⁺ > ŷ⁻ (`MatchTrainer` mode 1: BPR; for the hinge loss of
    the paper, set `trainer.criterion = HingeLoss(margin)`).

    Complexity: O(|MLP|).

    Args:
        user_features: Inputs of the user network, of any kind and width.
        pos_item_features: Inputs of the item network.
        neg_item_features: The same for the negative item, in the same order. A feature without
            `shared_with` shares the table of its counterpart.
        user_params: Arguments of `MLP` for the user: dims, dropout, activation (an `output_layer`
            is ignored).
        item_params: The same for items; both end in the same width D.
        temperature: τ, above 0.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns (ŷ⁺, ŷ⁻), each (B,), or in mode "user" and
        "item" embeddings (B, D) of length 1, the item's of `pos_item_features`.

    Raises:
        ValueError: The towers end in different widths, or the item features do not match in pairs.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> user = [SparseFeature("user", 10)]
        >>> pos, neg = [SparseFeature("item", 20)], [SparseFeature("neg_item", 20)]
        >>> model = FaceBookDSSM(user, pos, neg, {"dims": [8]}, {"dims": [8]})
        >>> ids = torch.tensor([1, 2])
        >>> [s.shape for s in model({"user": ids, "item": ids + 3, "neg_item": ids + 5})]
        [torch.Size([2]), torch.Size([2])]

    Reference:
        Huang et al., Embedding-based Retrieval in Facebook Search, KDD 2020, arXiv 2006.11632.
    """

    def __init__(
        self,
        user_features: Sequence[Feature],
        pos_item_features: Sequence[Feature],
        neg_item_features: Sequence[Feature],
        user_params: Mapping[str, Any],
        item_params: Mapping[str, Any],
        temperature: float = 1.0,
    ) -> None:
        negatives = share_tables(pos_item_features, neg_item_features)
        super().__init__(
            user_features, pos_item_features, user_params, item_params, temperature, negatives
        )
        self.pos_item_features, self.neg_item_features = self.item_features, negatives

    def item_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the positive items' embeddings (B, D), of length 1."""
        return self._items(x, self.pos_item_features)

    def score(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the scores of the positives and of the negatives, (B,) each."""
        user = self.user_tower(x)
        items = self._items(x, self.pos_item_features, self.neg_item_features)
        pos, neg = items[: user.shape[0]], items[user.shape[0] :]
        return (
            (user * pos).sum(dim=1) / self.temperature,
            (user * neg).sum(dim=1) / self.temperature,
        )

    def _items(self, x: Mapping[str, Tensor], *sets: Sequence[Feature]) -> Tensor:
        """Return the embeddings of each set of features, in one batch."""
        inputs = [self.embedding(x, features, squeeze_dim=True) for features in sets]
        return unit_length(self.item_mlp(torch.cat(inputs)), dim=1)
