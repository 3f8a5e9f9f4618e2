"""YouTube's candidate generation network."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ...basic.features import Feature, flat_width
from ...basic.layers import MLP, EmbeddingLayer
from ...basic.layers.precision import unit_length
from .two_tower import ListWise, check_widths


class YoutubeDNN(ListWise):
    """A network over the user's features, pooled history included; items are embeddings.

    u = MLP([v_1; …]),  ŷ_c = cos(u, v_c) / τ,  P(c | u) = exp ŷ_c / Σ_c' exp ŷ_c'

    over the item and its sampled negatives; the paper's softmax is over the inner products.

    Complexity: O(|MLP| + n D).

    Args:
        user_features: Inputs of the user network, of any kind and width, such as an id and a
            pooled history.
        item_features: The item's features, such as its id.
        neg_item_feature: A sequence feature of the negatives for each item feature, pooling
            "concat"; without `shared_with` it shares the table of its counterpart.
        user_params: Arguments of `MLP`: dims, which end in the width D of an item, dropout,
            activation (an `output_layer` is ignored).
        temperature: τ, above 0.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns logits (B, 1 + n), the positive in column
        0, or in mode "user" and "item" embeddings (B, D) of length 1.

    Raises:
        ValueError: The user network does not end in the width of an item, or negatives and item
            features do not match in pairs.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SequenceFeature, SparseFeature
        >>> item = SparseFeature("item", 20, embed_dim=8)
        >>> history = SequenceFeature("history", 20, embed_dim=8, shared_with="item")
        >>> negatives = SequenceFeature("negatives", 20, 8, pooling="concat", shared_with="item")
        >>> model = YoutubeDNN([history], [item], [negatives], {"dims": [16, 8]}, temperature=0.1)
        >>> x = {"history": torch.tensor([[1, 2, 0]]), "item": torch.tensor([3])}
        >>> model({**x, "negatives": torch.tensor([[4, 5, 6]])}).shape
        torch.Size([1, 4])

    Reference:
        Covington et al., Deep Neural Networks for YouTube Recommendations, RecSys 2016.
    """

    def __init__(
        self,
        user_features: Sequence[Feature],
        item_features: Sequence[Feature],
        neg_item_feature: Sequence[Feature],
        user_params: Mapping[str, Any],
        temperature: float = 1.0,
    ) -> None:
        super().__init__(user_features, item_features, neg_item_feature, temperature)
        self.user_features = list(user_features)
        self.embedding = EmbeddingLayer([*user_features, *item_features, *self.neg_item_feature])
        self.user_mlp = MLP(flat_width(user_features), **{**user_params, "output_layer": False})
        check_widths(
            self.user_mlp.output_dim, flat_width(item_features), "end user_params['dims'] in it"
        )

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the users' embeddings (B, D), of length 1."""
        u = self.user_mlp(self.embedding(x, self.user_features, squeeze_dim=True))
        return unit_length(u, dim=1)
