"""The base class of multi-interest models."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from ...basic.features import Feature, check_sequences, flat_width
from ...basic.layers import EmbeddingLayer
from ...basic.layers.precision import unit_length
from .two_tower import ListWise, check_widths, history_steps


class MultiInterest(ListWise):
    """K vectors per user, each from an interest in the history and the user's features.

    u_k = W [v_user; interest_k],  normalized;  ŷ_c = max_k ⟨u_k, v_c⟩ / τ for each candidate c

    In training, ŷ_c = ⟨u*, v_c⟩ / τ with label-aware attention to the positive item v:
    u* = Σ_k softmax_k(s_k^p) u_k, s_k = ⟨u_k, v⟩, where s^p keeps the sign of s; for p = ∞, u* is
    the u_k with the largest s_k. A subclass extracts the interests in `interests`.

    Args:
        user_features: Additional inputs of the user, of any kind and width; may be empty.
        history_features: Sequence features of one length, pooling "concat", which are concatenated
            per step to the width of an item.
        item_features: The item's features, such as its id.
        neg_item_feature: A sequence feature of the negatives for each item feature, pooling
            "concat"; without `shared_with` it shares the table of its counterpart.
        temperature: τ.
        interest_num: Number K of interests.
        power: p, above 0.

    Raises:
        ValueError: Widths do not match, a history is missing or pooled, or an argument is out of
            range.
    """

    def __init__(
        self,
        user_features: Sequence[Feature],
        history_features: Sequence[Feature],
        item_features: Sequence[Feature],
        neg_item_feature: Sequence[Feature],
        temperature: float,
        interest_num: int,
        power: float = math.inf,
    ) -> None:
        inputs = [*user_features, *history_features]
        super().__init__(inputs, item_features, neg_item_feature, temperature)
        check_whole(1, interest_num=interest_num)
        check_number("(0, inf]", power=power)
        self.user_features = list(user_features)
        self.history_features = check_sequences("history_features", history_features)
        self.interest_num, self.power = interest_num, power
        self.embedding = EmbeddingLayer([*inputs, *item_features, *self.neg_item_feature])
        self.dim = flat_width(item_features)
        history_dim = sum(f.embed_dim or 0 for f in self.history_features)
        check_widths(history_dim, self.dim, "history_features must be as wide as item_features")
        width = flat_width(user_features) + self.dim
        self.convert_user_weight = nn.Parameter(torch.empty(width, self.dim))
        nn.init.xavier_uniform_(self.convert_user_weight)

    def interests(self, steps: Tensor, mask: Tensor, interest_mask: Tensor | None) -> Tensor:
        """Return the interests (B, K, D) of histories (B, L, D); mask: (B, L)."""
        raise NotImplementedError

    def user_tower(self, x: Mapping[str, Tensor], interest_mask: Tensor | None = None) -> Tensor:
        """Return the users' interests (B, K, D), of length 1.

        Args:
            x: The columns.
            interest_mask: True for interests in use, (B, K), always for the first; None means all.
                The others become copies of the first, which do not change the maximum.
        """
        steps, mask = history_steps(self.embedding, x, self.history_features)
        v = self.interests(steps, mask, interest_mask)
        if self.user_features:
            user = self.embedding(x, self.user_features, squeeze_dim=True)
            v = torch.cat([user.unsqueeze(1).expand(-1, self.interest_num, -1), v], dim=2)
        u = unit_length(v @ self.convert_user_weight, dim=2)
        return u if interest_mask is None else torch.where(interest_mask.unsqueeze(2), u, u[:, :1])

    def score(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, 1 + n)."""
        items = self.candidates(x)
        user = self.user_tower(x)
        if not self.training:
            return (items @ user.mT).amax(dim=2) / self.temperature
        user = self.label_aware(user, items[:, 0])
        return (items @ user.unsqueeze(2)).squeeze(2) / self.temperature

    def label_aware(self, user: Tensor, item: Tensor) -> Tensor:
        """Return u* (B, D) of interests (B, K, D) for an item (B, D)."""
        s = torch.einsum("bkd,bd->bk", user, item)
        if math.isinf(self.power):
            return user[torch.arange(user.shape[0], device=user.device), s.argmax(dim=1)]
        weights = (s.sign() * s.abs() ** self.power).softmax(dim=1)
        return torch.einsum("bk,bkd->bd", weights, user)

    def own_interests(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the mask of the interests that are not copies: (B, K), here all."""
        mask = self.gen_mask(x)
        return mask.new_ones(len(mask), self.interest_num, dtype=torch.bool)

    def gen_mask(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the mask of the valid steps of the history: (B, L)."""
        return history_steps(self.embedding, x, self.history_features)[1]
