"""MIND: multi-interest extraction by dynamic routing."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..._bounds import check_whole
from ...basic.features import Feature
from ...basic.layers import CapsuleNetwork
from .multi_interest import MultiInterest


def dynamic_interest_mask(mask: Tensor, interest_num: int) -> Tensor:
    """The mask of the interests in use: the first max(1, min(K, ⌊log₂ n⌋)).

    Args:
        mask: True for valid steps of a history, shape (B, L); n is their number.
        interest_num: K.

    Returns:
        Shape (B, K).

    Example:
        >>> dynamic_interest_mask(torch.tensor([[1, 1, 1, 1], [0, 0, 0, 1]]).bool(), 3)
        tensor([[ True,  True, False],
                [ True, False, False]])
    """
    n = mask.bool().sum(dim=1, keepdim=True)
    k = torch.arange(1, interest_num + 1, device=mask.device)
    return (2**k <= n) | (k == 1)


class MIND(MultiInterest):
    """K interest capsules per user by dynamic routing, with label-aware attention in training.

    u_k = W [v_user; capsule_k],  capsules as in `CapsuleNetwork`, with one bilinear map for all;
    in training  ŷ_c = ⟨u*, v_c⟩ / τ,  u* = Σ_k softmax_k(⟨u_k, v⟩^p) u_k for the positive v;
    in evaluation and serving  ŷ_c = max_k ⟨u_k, v_c⟩ / τ

    The u_k have length 1; W replaces the ReLU layers of the paper.

    Complexity: O(L D² + K L D + K D (d + D) + n K D), d = flat_width(user_features).

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
        dynamic_interest: Whether a user with n items has only max(1, min(K, ⌊log₂ n⌋)) interests.
            The others are copies of the first, which do not change scores;
            `MatchTrainer.inference_interests` marks them, so that an index can omit them.
        power: p, above 0; ∞, which converges fastest according to the paper, takes the nearest
            interest. As |⟨u_k, v⟩| is at most 1, a finite p mixes the interests almost evenly.

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
        >>> model = MIND([], [history], [item], [negatives], max_length=3)
        >>> x = {"history": torch.tensor([[1, 2, 0]]), "item": torch.tensor([3])}
        >>> x["negatives"] = torch.tensor([[4, 5, 6]])
        >>> model(x).shape, model.user_tower(x).shape
        (torch.Size([1, 4]), torch.Size([1, 4, 8]))

    Reference:
        Li et al., Multi-Interest Network with Dynamic Routing for Recommendation at Tmall, CIKM
        2019, arXiv 1904.08030.
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
        dynamic_interest: bool = False,
        *,
        power: float = math.inf,
    ) -> None:
        check_whole(1, max_length=max_length)
        features = (user_features, history_features, item_features, neg_item_feature)
        super().__init__(*features, temperature, interest_num, power)
        self.dynamic_interest, self.longest_history = dynamic_interest, max_length
        self.capsule = CapsuleNetwork(self.dim, max_length, 0, interest_num)

    def user_tower(self, x: Mapping[str, Tensor], interest_mask: Tensor | None = None) -> Tensor:
        """Return the users' interests (B, K, D), masked by `interest_mask` (B, K) if given."""
        if interest_mask is None and self.dynamic_interest:
            interest_mask = self.active_interest_mask(x)
        return super().user_tower(x, interest_mask)

    def interests(self, steps: Tensor, mask: Tensor, interest_mask: Tensor | None) -> Tensor:
        """Return the capsules (B, K, D)."""
        v: Tensor = self.capsule(steps, mask, interest_mask=interest_mask)
        return v

    def own_interests(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the mask of the interests that are not copies of the first: (B, K)."""
        return self.active_interest_mask(x) if self.dynamic_interest else super().own_interests(x)

    def active_interest_mask(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the mask of the interests in use: (B, K)."""
        return dynamic_interest_mask(self.gen_mask(x), self.interest_num)
