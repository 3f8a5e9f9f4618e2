"""Attentional factorization machine."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from ...basic.features import Feature, fields_of
from ...basic.layers import EmbeddingLayer, FirstOrder, PairProducts, mix
from ..arguments import RecordsArguments


class AFM(RecordsArguments, nn.Module):
    """Factorization machine with attention over the pairs of fields.

    a'_ij = hᵀ ReLU(W (v_i ⊙ v_j) + b),  a = softmax of a' over all pairs i < j,
    ŷ = σ( w_0 + Σ_i w_i x_i + pᵀ Σ_{i<j} a_ij (v_i ⊙ v_j) )

    Complexity: O(F² D t).

    Args:
        fm_features: Two or more sparse and pooled sequence features of one width. A dense feature
            enters the first-order term alone.
        embed_dim: Their width D.
        t: Length of the attention's hidden layer.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There are fewer than two fields, or their width is not `embed_dim`.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> fields = [SparseFeature(name, 10, embed_dim=4) for name in ("user", "item", "city")]
        >>> x = {f.name: torch.tensor([1, 2]) for f in fields}
        >>> AFM(fields, embed_dim=4)(x).shape
        torch.Size([2])

    Reference:
        Xiao et al., Attentional Factorization Machines: Learning the Weight of Feature Interactions
        via Attention Networks, IJCAI 2017, arXiv 1708.04617.
    """

    def __init__(self, fm_features: Sequence[Feature], embed_dim: int, t: int = 64) -> None:
        check_whole(1, t=t)
        super().__init__()
        self.fm_features, width = fields_of("fm_features", fm_features)
        if width != embed_dim or len(self.fm_features) < 2:
            raise ValueError(
                f"fm_features must hold at least two fields of embed_dim={embed_dim}, got "
                f"{len(self.fm_features)} of {width}"
            )
        self.linear = FirstOrder(fm_features)
        self.embedding = EmbeddingLayer(fm_features)
        self.pairs = PairProducts(len(self.fm_features))
        self.attention_liner = nn.Linear(embed_dim, t)  # the name in checkpoints of 0.9
        self.h = nn.Parameter(nn.init.xavier_uniform_(torch.empty(t, 1)))
        self.p = nn.Parameter(nn.init.xavier_uniform_(torch.empty(embed_dim, 1)))

    def attention(self, y_fm: Tensor) -> Tensor:
        """The attention weights a of the pairs: (B, P, D) to (B, P)."""
        scores: Tensor = self.attention_liner(y_fm).relu() @ self.h
        return scores.squeeze(2).softmax(dim=1)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        products = self.pairs(self.embedding.fields(x, self.fm_features))
        y: Tensor = self.linear(x) + mix(self.attention(products), products) @ self.p
        return y.squeeze(1)
