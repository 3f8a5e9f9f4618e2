"""SINE: sparse-interest extraction; each user has a few of many concepts."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from ...basic.features import SequenceFeature, SparseFeature
from ...basic.initializers import RandomNormal
from ...basic.layers import EmbeddingLayer
from ...basic.layers.sequence import positions
from ...basic.layers.target_attention import masked_softmax
from .two_tower import ListWise, history_steps


class SINE(ListWise):
    """Sparse-interest network: K interests per user, for the K best of `num_concept` concepts.

    att(X; W, W') = softmax_L( tanh(X W) W' )
    z = att(X; W_1, W_2)ᵀ X,  s = C z,  C_u = C[top-K of s] ⊙ σ(s[top-K of s])
    P_kt = softmax_k( LN(X_t W_3) · LN(C_u,k) ),  P_tk = att(X + positions; W_k1, W_k2)_tk
    φ_k = LN( Σ_t P_kt P_tk X_t ),  X̂ = P C_u,  c = LN( att(X̂; W_4, W_5)ᵀ X̂ )
    u = Σ_k softmax_k(⟨c, φ_k⟩ / τ) φ_k,  ŷ_j = ⟨u, x_j⟩

    X is a history, L × D, without padding. With several heads att is the mean of the heads, which
    share W. Weights of versions in which all k shared one W_k1 are loaded as K copies of it.
    `MatchTrainer` adds the covariance loss of the concepts, ½ Σ_{i≠j} M_ij² with M their covariance
    over the dimensions.

    Complexity: O(L (D² + K (D h + D + H h)) + N D + n D).

    Args:
        history_features: A list with the name of the history's column.
        item_features: A list with the name of the item's column.
        neg_item_features: A list with the name of the negatives' column.
        num_items: Number of ids; 0 is the padding id.
        embedding_dim: Width D.
        hidden_dim: Width h of the attentions' hidden layer.
        num_concept: Number N of concepts.
        num_intention: Number K of concepts per user.
        seq_max_len: The longest history, in items.
        num_heads: Heads H of each attention.
        temperature: τ of the interests' weights, above 0.
        covariance_weight: Weight of the covariance loss.

    Shape:
        x[history]: (B, L), x[item]: (B,), x[negatives]: (B, n); returns logits (B, 1 + n), the
        positive in column 0, or in mode "user" u and in mode "item" x_j: (B, D).

    Raises:
        ValueError: An argument is out of range, or a list does not hold one name; in `forward`, a
            history has more than `seq_max_len` items.

    Example:
        >>> import torch
        >>> model = SINE(["history"], ["item"], ["neg"], 20, 8, 16, 5, 2, seq_max_len=3)
        >>> x = {"history": torch.tensor([[1, 2, 0]]), "item": torch.tensor([3])}
        >>> model({**x, "neg": torch.tensor([[4, 5, 6]])}).shape
        torch.Size([1, 4])

    Reference:
        Tan et al., Sparse-Interest Network for Sequential Recommendation, WSDM 2021,
        arXiv 2102.09267.
    """

    by_cosine = False

    def __init__(
        self,
        history_features: Sequence[str],
        item_features: Sequence[str],
        neg_item_features: Sequence[str],
        num_items: int,
        embedding_dim: int,
        hidden_dim: int,
        num_concept: int,
        num_intention: int,
        seq_max_len: int,
        num_heads: int = 1,
        temperature: float = 1.0,
        *,
        covariance_weight: float = 1.0,
    ) -> None:
        check_whole(
            1,
            num_items=num_items,
            embedding_dim=embedding_dim,
            hidden_dim=hidden_dim,
            num_concept=num_concept,
            num_intention=num_intention,
            seq_max_len=seq_max_len,
            num_heads=num_heads,
        )
        check_number("[0, inf)", covariance_weight=covariance_weight)
        if not 1 <= num_intention <= num_concept:
            raise ValueError(f"num_intention must be 1 to num_concept={num_concept}")
        check_number("(0, inf)", temperature=temperature)
        item_name = _only("item_features", item_features)
        start = RandomNormal(0, embedding_dim**-0.5)
        item = SparseFeature(item_name, num_items, embedding_dim, initializer=start)
        history, negatives = (
            SequenceFeature(name, num_items, embedding_dim, "concat", shared_with=item_name)
            for name in (
                _only("history_features", history_features),
                _only("neg_item_features", neg_item_features),
            )
        )
        super().__init__([history], [item], [negatives], temperature=1.0)
        self.history_features = [history]
        self.num_intention, self.seq_max_len = num_intention, seq_max_len
        self.longest_history = seq_max_len
        self.interest_temperature, self.covariance_weight = temperature, covariance_weight
        self.embedding = EmbeddingLayer([item, history, negatives])
        d, h = embedding_dim, hidden_dim
        self.concept_embedding = nn.Embedding(num_concept, d)
        self.position_embedding = nn.Embedding(seq_max_len, d)
        nn.init.normal_(self.position_embedding.weight, std=0.02)
        self.concept_att = _Attention(d, h, 1, num_heads)
        self.step_att = _Attention(d, h, num_intention, num_heads)
        self.next_att = _Attention(d, h, 1, num_heads)
        self.w_3 = nn.Linear(d, d, bias=False)
        self.step_norm, self.interest_norm, self.next_norm = (nn.LayerNorm(d) for _ in range(3))
        # one LayerNorm for all k would not change P_kt
        self.concept_norm = nn.LayerNorm(d, bias=False)

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the users' embeddings (B, D)."""
        steps, mask = history_steps(self.embedding, x, self.history_features)
        position = self.position_embedding(positions(mask, self.seq_max_len))
        z = _read(self.concept_att(steps, mask), steps)[:, 0]
        concepts = self._concepts(z)
        p_kt = (self.step_norm(self.w_3(steps)) @ self.concept_norm(concepts).mT).softmax(dim=2)
        p_tk = self.step_att(steps + position, mask)
        phi = self.interest_norm(_read(p_kt * p_tk, steps))
        expected = p_kt @ concepts
        c = self.next_norm(_read(self.next_att(expected, mask), expected))
        e = (c @ phi.mT / self.interest_temperature).softmax(dim=2)
        u: Tensor = e @ phi
        return u.squeeze(1)

    def gen_mask(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the mask of the valid steps of the history: (B, L)."""
        return history_steps(self.embedding, x, self.history_features)[1]

    def _concepts(self, z: Tensor) -> Tensor:
        """The K concepts with the largest scores for z (B, D), times σ of the score: (B, K, D)."""
        s, index = (z @ self.concept_embedding.weight.T).topk(self.num_intention, dim=1)
        chosen: Tensor = self.concept_embedding(index)
        return chosen * s.sigmoid().unsqueeze(2)

    def auxiliary_loss(
        self,
        x: Mapping[str, Tensor],
        predictions: None = None,
        y: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the covariance loss of the concepts, a scalar that does not depend on the rows."""
        c = self.concept_embedding.weight
        c = c - c.mean(dim=1, keepdim=True)
        m = c @ c.T / c.shape[1]
        return 0.5 * self.covariance_weight * (m.square().sum() - m.diagonal().square().sum())


class _Attention(nn.Module):
    """K attention distributions over the steps of a history: softmax_L( tanh(X W_k1) W_k2 ).

    With several heads, each has its own W_k2, and the distributions are averaged.
    """

    def __init__(self, dim: int, hidden: int, k: int, num_heads: int) -> None:
        super().__init__()
        self.k, self.heads = k, num_heads
        self.w_1 = nn.Linear(dim, k * hidden, bias=False)
        self.w_2 = nn.Linear(hidden, k * num_heads, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return (B, L, K) for x of shape (B, L, D); 0 where the mask (B, L) is 0."""
        hidden = self.w_1(x).tanh().unflatten(2, (self.k, -1))
        w_2 = self.w_2.weight.unflatten(0, (self.heads, self.k))
        scores = torch.einsum("blkd,hkd->blhk", hidden, w_2)
        a = masked_softmax(scores.flatten(2), mask.unsqueeze(2))
        mean: Tensor = a.unflatten(2, (self.heads, -1)).mean(dim=2)
        return mean

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        shared = state_dict.get(f"{prefix}w_1.weight")
        one_matrix = (self.w_2.in_features, self.w_1.in_features)
        # from versions in which all interests shared W_1
        if shared is not None and shared.shape == one_matrix:
            state_dict[f"{prefix}w_1.weight"] = shared.repeat(self.k, 1)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _read(weights: Tensor, x: Tensor) -> Tensor:
    """Σ_t w_tk x_t: (B, K, D)."""
    return weights.mT @ x


def _only(argument: str, names: Sequence[str]) -> str:
    if isinstance(names, str) or len(names) != 1:
        raise ValueError(f"{argument} must be the name of one column in a list, got {names!r}")
    return names[0]
