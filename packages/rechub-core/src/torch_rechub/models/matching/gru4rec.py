"""GRU4Rec: a recurrent network over the items of a session."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import Feature, SequenceFeature, check_sequences, flat_width
from ...basic.layers import MLP, EmbeddingLayer
from ...basic.layers.precision import unit_length
from ...basic.layers.sequence import last_valid, to_front
from .two_tower import ListWise, check_widths, history_steps


class GRU4Rec(ListWise):
    """A GRU over the history; its last state and the user's features give the user embedding.

    h_t = GRU(h_{t−1}, e_t),  u = MLP([v_1; …; h_T]),  ŷ_c = cos(u, v_c) / τ

    T is the last valid item of the history, which may be padded on either side; h_T is 0 for an
    empty history.

    Complexity: O(N L H² + |MLP| + n D).

    Args:
        user_features: Additional inputs of the user network, of any kind and width.
        history_features: Sequence features of one length, pooling "concat", which are concatenated
            per step to the width H.
        item_features: The item's features, such as its id.
        neg_item_feature: A sequence feature of the negatives for each item feature, pooling
            "concat"; without `shared_with` it shares the table of its counterpart.
        user_params: `num_layers` N of the GRU, 2 if absent, and arguments of `MLP`: dims, which end
            in the width D of an item, dropout, activation (an `output_layer` is ignored).
        temperature: τ, above 0.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns logits (B, 1 + n), the positive in column
        0, or in mode "user" and "item" embeddings (B, D) of length 1.

    Raises:
        ValueError: The user network does not end in the width of an item, negatives and item
            features do not match in pairs, or a history is pooled.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> item = SparseFeature("item", 20, embed_dim=8)
        >>> history = SequenceFeature("history", 20, 8, pooling="concat", shared_with="item")
        >>> negatives = SequenceFeature("negatives", 20, 8, pooling="concat", shared_with="item")
        >>> model = GRU4Rec([], [history], [item], [negatives], {"dims": [8], "num_layers": 1})
        >>> x = {"history": torch.tensor([[1, 2, 0]]), "item": torch.tensor([3])}
        >>> model({**x, "negatives": torch.tensor([[4, 5, 6]])}).shape
        torch.Size([1, 4])

    Reference:
        Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, ICLR 2016,
        arXiv 1511.06939.
    """

    def __init__(
        self,
        user_features: Sequence[Feature],
        history_features: Sequence[Feature],
        item_features: Sequence[Feature],
        neg_item_feature: Sequence[Feature],
        user_params: Mapping[str, Any],
        temperature: float = 1.0,
    ) -> None:
        inputs = [*user_features, *history_features]
        super().__init__(inputs, item_features, neg_item_feature, temperature)
        self.user_features = list(user_features)
        self.history_features = check_sequences("history_features", history_features)
        self.embedding = EmbeddingLayer([*inputs, *item_features, *self.neg_item_feature])
        mlp_params = {**user_params, "output_layer": False}
        num_layers = mlp_params.pop("num_layers", 2)
        width = _step_width(self.history_features)
        self.gru = nn.GRU(width, width, num_layers, bias=False, batch_first=True)
        self.user_mlp = MLP(flat_width(user_features) + width, **mlp_params)
        check_widths(
            self.user_mlp.output_dim, flat_width(item_features), "end user_params['dims'] in it"
        )

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the users' embeddings (B, D), of length 1."""
        steps, valid = to_front(*history_steps(self.embedding, x, self.history_features))
        # torch's GRU refuses sequences of length 0
        states = self.gru(steps)[0] if valid.shape[1] else steps
        parts = [last_valid(states, valid)]
        if self.user_features:
            parts.insert(0, self.embedding(x, self.user_features, squeeze_dim=True))
        return unit_length(self.user_mlp(torch.cat(parts, dim=1)), dim=1)


def _step_width(history: Sequence[SequenceFeature]) -> int:
    if not history:
        raise ValueError("history_features is empty: the GRU needs a sequence")
    return sum(f.embed_dim or 0 for f in history)
