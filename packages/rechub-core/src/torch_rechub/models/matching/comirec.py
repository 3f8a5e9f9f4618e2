"""ComiRec: multi-interest extraction by dynamic routing (DR) or self-attention (SA)."""

from collections.abc import Sequence

from torch import Tensor, nn

from ..._bounds import check_whole
from ...basic.features import Feature
from ...basic.layers import CapsuleNetwork, MultiInterestSA
from ...basic.layers.sequence import positions
from .multi_interest import MultiInterest


class ComirecDR(MultiInterest):
    """ComiRec-DR: K capsules per user, by dynamic routing with a matrix per position and capsule.

    u_k = W [v_user; capsule_k],  normalized, capsules as in `CapsuleNetwork`;
    in training  ŷ_c = ⟨u*, v_c⟩ / τ,  u* the u_k nearest to the positive item;
    in evaluation and serving  ŷ_c = max_k ⟨u_k, v_c⟩ / τ

    Complexity: O(K L D² + K D (d + D) + n K D), d = flat_width(user_features).

    Args:
        user_features: Additional inputs of the user, of any kind and width; may be empty.
        history_features: Sequence features of one length, pooling "concat", which are concatenated
            per step to the width of an item.
        item_features: The item's features, such as its id.
        neg_item_feature: A sequence feature of the negatives for each item feature, pooling
            "concat"; without `shared_with` it shares the table of its counterpart.
        max_length: The longest history, in items.
        temperature: τ, above 0.
        interest_num: Number K of interests.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns logits (B, 1 + n), the positive in column
        0; in mode "user" interests (B, K, D), in mode "item" embeddings (B, D), of length 1.

    Raises:
        ValueError: Widths do not match, an argument is out of range, or, in `forward`, a history
            has more than `max_length` items.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SequenceFeature, SparseFeature
        >>> item = SparseFeature("item", 20, embed_dim=8)
        >>> history, negatives = (
        ...     SequenceFeature(name, 20, 8, pooling="concat", shared_with="item")
        ...     for name in ("history", "negatives")
        ... )
        >>> model = ComirecDR([], [history], [item], [negatives], max_length=3)
        >>> x = {"history": torch.tensor([[1, 2, 0]]), "item": torch.tensor([3])}
        >>> x["negatives"] = torch.tensor([[4, 5, 6]])
        >>> model(x).shape, model.user_tower(x).shape
        (torch.Size([1, 4]), torch.Size([1, 4, 8]))

    Reference:
        Cen et al., Controllable Multi-Interest Framework for Recommendation, KDD 2020,
        arXiv 2005.09347.
    """

    def __init__(
        self,
        user_features: Sequence[Feature],
        history_features: Sequence[Feature],
        item_features: Sequence[Feature],
        neg_item_feature: Sequence[Feature],
        max_length: int,
        temperature: float = 1.0,
        interest_num: int = 4,
    ) -> None:
        check_whole(1, max_length=max_length)
        features = (user_features, history_features, item_features, neg_item_feature)
        super().__init__(*features, temperature, interest_num)
        self.longest_history = max_length
        self.capsule = CapsuleNetwork(self.dim, max_length, 2, interest_num)

    def interests(self, steps: Tensor, mask: Tensor, interest_mask: Tensor | None) -> Tensor:
        """Return the capsules (B, K, D)."""
        v: Tensor = self.capsule(steps, mask, interest_mask=interest_mask)
        return v


class ComirecSA(MultiInterest):
    """ComiRec-SA: K interests per user, by K attentions over the history.

    V = Aᵀ H,  A = softmax_L( tanh(H W_1) W_2 ),  u_k = W [v_user; V_k],  normalized;
    in training  ŷ_c = ⟨u*, v_c⟩ / τ,  u* the u_k nearest to the positive item;
    in evaluation and serving  ŷ_c = max_k ⟨u_k, v_c⟩ / τ

    Complexity: O(L D² + K L D + K D (d + D) + n K D), d = flat_width(user_features).

    Args:
        user_features: Additional inputs of the user, of any kind and width; may be empty.
        history_features: Sequence features of one length, pooling "concat", which are concatenated
            per step to the width of an item.
        item_features: The item's features, such as its id.
        neg_item_feature: A sequence feature of the negatives for each item feature, pooling
            "concat"; without `shared_with` it shares the table of its counterpart.
        temperature: τ, above 0.
        interest_num: Number K of interests.
        max_length: The longest history, in items: H is then the sum of item and position
            embeddings, as in the paper. With None the order of the history is ignored.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns logits (B, 1 + n), the positive in column
        0; in mode "user" interests (B, K, D), in mode "item" embeddings (B, D), of length 1.

    Raises:
        ValueError: Widths do not match, an argument is out of range, or, in `forward`, a history
            has more than `max_length` items.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SequenceFeature, SparseFeature
        >>> item = SparseFeature("item", 20, embed_dim=8)
        >>> history, negatives = (
        ...     SequenceFeature(name, 20, 8, pooling="concat", shared_with="item")
        ...     for name in ("history", "negatives")
        ... )
        >>> model = ComirecSA([], [history], [item], [negatives])
        >>> x = {"history": torch.tensor([[1, 2, 0]]), "item": torch.tensor([3])}
        >>> x["negatives"] = torch.tensor([[4, 5, 6]])
        >>> model(x).shape, model.user_tower(x).shape
        (torch.Size([1, 4]), torch.Size([1, 4, 8]))

    Reference:
        Cen et al., Controllable Multi-Interest Framework for Recommendation, KDD 2020,
        arXiv 2005.09347.
    """

    def __init__(
        self,
        user_features: Sequence[Feature],
        history_features: Sequence[Feature],
        item_features: Sequence[Feature],
        neg_item_feature: Sequence[Feature],
        temperature: float = 1.0,
        interest_num: int = 4,
        *,
        max_length: int | None = None,
    ) -> None:
        check_whole(1, max_length=max_length)
        features = (user_features, history_features, item_features, neg_item_feature)
        super().__init__(*features, temperature, interest_num)
        self.multi_interest_sa = MultiInterestSA(self.dim, interest_num)
        self.position_emb = None if max_length is None else nn.Embedding(max_length, self.dim)
        if max_length is not None:
            self.longest_history = max_length
        # torch's N(0, 1) would dominate the item embeddings it is added to
        if self.position_emb is not None:
            nn.init.normal_(self.position_emb.weight, std=0.02)

    def interests(self, steps: Tensor, mask: Tensor, interest_mask: Tensor | None) -> Tensor:
        """Return the interests (B, K, D)."""
        if self.position_emb is not None:
            steps = steps + self.position_emb(positions(mask, self.position_emb.num_embeddings))
        v: Tensor = self.multi_interest_sa(steps, mask)
        return v
