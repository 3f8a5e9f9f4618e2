"""NARM: a GRU over a session, with attention of its last state to the other states."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from ...basic.features import Feature
from ...basic.layers.sequence import last_valid, to_front
from .session import SessionModel


class NARM(SessionModel):
    """Neural attentive session model: the last state of a GRU and an attention over all states.

    h_j = GRU(h_{j−1}, e_j),  α_j = vᵀ σ(A_1 h_t + A_2 h_j),  c = [h_t; Σ_j α_j h_j],
    u = B c,  ŷ_i = ⟨u, e_i⟩

    h_t is the state at the last item of the session, which may be padded on either side. As in the
    paper, the α are not normalized. Train it with `MatchTrainer` mode 2 and the next item's id as
    label, or, with `item_feature`, with `in_batch_neg=True`.

    Complexity: O(L H (D + H) + V D); item_feature: O(L H (D + H)).

    Args:
        item_history_feature: The session's items, a sequence feature with pooling "concat".
        hidden_dim: Width H of a state.
        emb_dropout_p: Dropout of the item embeddings.
        session_rep_dropout_p: Dropout of c.
        item_feature: The item to score, which shares the table of the history unless it names
            another; None scores all items of the vocabulary.

    Shape:
        x[history]: (B, L); returns logits (B, V), that of padding −10⁹; with `item_feature` scores
        (B,) of x[item]; in mode "user" u, in mode "item", with `item_feature`, e: (B, D).

    Raises:
        ValueError: The history is pooled; in `item_tower`, there is no `item_feature`.

    Example:
        >>> from torch_rechub.basic.features import SequenceFeature
        >>> history = SequenceFeature("history", 20, embed_dim=8, pooling="concat")
        >>> model = NARM(history, hidden_dim=16, emb_dropout_p=0.25, session_rep_dropout_p=0.5)
        >>> model({"history": torch.tensor([[1, 2, 0], [3, 4, 5]])}).shape
        torch.Size([2, 20])

    Reference:
        Li et al., Neural Attentive Session-based Recommendation, CIKM 2017, arXiv 1711.04725.
    """

    def __init__(
        self,
        item_history_feature: Feature,
        hidden_dim: int,
        emb_dropout_p: float,
        session_rep_dropout_p: float,
        item_feature: Feature | None = None,
    ) -> None:
        check_whole(1, hidden_dim=hidden_dim)
        check_number(
            "[0, 1]", emb_dropout_p=emb_dropout_p, session_rep_dropout_p=session_rep_dropout_p
        )
        super().__init__(item_history_feature, item_feature)
        self.gru = nn.GRU(self.dim, hidden_dim, batch_first=True)
        self.emb_dropout = nn.Dropout(emb_dropout_p)
        self.session_rep_dropout = nn.Dropout(session_rep_dropout_p)
        self.a_1, self.a_2 = _matrix(hidden_dim, hidden_dim), _matrix(hidden_dim, hidden_dim)
        self.v, self.b = _matrix(hidden_dim, 1), _matrix(self.dim, 2 * hidden_dim)

    def user_tower(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the sessions' vectors (B, D)."""
        steps, valid = to_front(*self.session(x))
        h = self._states(self.emb_dropout(steps))
        h_t = last_valid(h, valid)
        alpha = torch.sigmoid((h_t @ self.a_1).unsqueeze(1) + h @ self.a_2) @ self.v
        local = (alpha * h * valid.unsqueeze(2)).sum(dim=1)
        c: Tensor = self.session_rep_dropout(torch.cat([h_t, local], dim=1))
        return c @ self.b.T

    def _states(self, steps: Tensor) -> Tensor:
        if steps.shape[1] == 0:  # torch's GRU refuses sequences of length 0
            return steps.new_zeros(*steps.shape[:2], self.gru.hidden_size)
        states: Tensor = self.gru(steps)[0]
        return states


def _matrix(rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, columns)))
