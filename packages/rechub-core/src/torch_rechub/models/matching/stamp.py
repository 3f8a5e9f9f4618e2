"""STAMP: attention over a session, guided by its last item and its mean."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..._bounds import check_number
from ...basic.features import Feature
from ...basic.layers.pooling import AveragePooling
from ...basic.layers.sequence import last_valid
from .session import SessionModel


class STAMP(SessionModel):
    """Short-term attention: attention over the session, guided by its mean and its last item.

    α_i = w_0ᵀ σ(W_1 x_i + W_2 x_t + W_3 m_s + b),  m_a = Σ_i α_i x_i,
    h_s = tanh(W_s m_a + b_s),  h_t = tanh(W_t x_t + b_t),  ŷ_j = ⟨h_s ⊙ h_t, x_j⟩

    m_s is the mean of the session's items and x_t the last one; padding may be on either side. As
    in the paper, the α are not normalized. The paper's sigmoid of ŷ is omitted: a softmax over V
    numbers between 0 and 1 stays near 1 / V. Train it as `NARM`.

    Complexity: O(L D² + V D); item_feature: O(L D²).

    Args:
        item_history_feature: The session's items, a sequence feature with pooling "concat".
        weight_std: Standard deviation of the initial weights.
        emb_std: Standard deviation of the initial item embeddings, in place of the feature's
            initializer; a frozen table is not changed.
        item_feature: The item to score, which shares the table of the history unless it names
            another; None scores all items of the vocabulary.

    Shape:
        x[history]: (B, L); returns logits (B, V), that of padding −10⁹; with `item_feature` scores
        (B,) of x[item]; in mode "user" h_s ⊙ h_t, in mode "item", with `item_feature`, x_j: (B, D).

    Raises:
        ValueError: The history is pooled; in `item_tower`, there is no `item_feature`.

    Example:
        >>> from torch_rechub.basic.features import SequenceFeature
        >>> history = SequenceFeature("history", 20, embed_dim=8, pooling="concat")
        >>> model = STAMP(history, weight_std=0.05, emb_std=0.002)
        >>> model({"history": torch.tensor([[1, 2, 0], [3, 4, 5]])}).shape
        torch.Size([2, 20])

    Reference:
        Liu et al., STAMP: Short-Term Attention/Memory Priority Model for Session-based
        Recommendation, KDD 2018.
    """

    def __init__(
        self,
        item_history_feature: Feature,
        weight_std: float,
        emb_std: float,
        item_feature: Feature | None = None,
    ) -> None:
        check_number("[0, inf)", weight_std=weight_std, emb_std=emb_std)
        super().__init__(item_history_feature, item_feature)
        d = self.dim
        self.w_0 = nn.Parameter(torch.empty(d, 1))
        self.w_1_t, self.w_2_t, self.w_3_t = (nn.Parameter(torch.empty(d, d)) for _ in range(3))
        self.b_a = nn.Parameter(torch.zeros(d))
        self.f_s, self.f_t = (nn.Sequential(nn.Linear(d, d), nn.Tanh()) for _ in range(2))
        self.mean = AveragePooling()
        self._initialize(weight_std, emb_std)

    @torch.no_grad()
    def _initialize(self, weight_std: float, emb_std: float) -> None:
        for name, p in self.named_parameters():
            if not name.startswith("item_emb."):
                p.normal_(0, weight_std) if p.dim() == 2 else p.zero_()
        table = self.item_emb.table(self.item_history_feature.name)
        if table.requires_grad:
            table.normal_(0, emb_std)
            for feature in self.item_emb.features:
                padding = getattr(feature, "padding_idx", None)
                if padding is not None:
                    table[padding] = 0

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the sessions' vectors h_s ⊙ h_t (B, D)."""
        steps, valid = self.session(x)
        x_t = last_valid(steps, valid)
        m_s = self.mean(steps, valid.unsqueeze(1))
        seen_by = (x_t @ self.w_2_t + m_s @ self.w_3_t + self.b_a).unsqueeze(1)
        alpha = torch.sigmoid(steps @ self.w_1_t + seen_by) @ self.w_0
        m_a = (alpha * steps * valid.unsqueeze(2)).sum(dim=1)
        u: Tensor = self.f_s(m_a) * self.f_t(x_t)
        return u
