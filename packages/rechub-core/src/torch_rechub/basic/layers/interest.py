"""Multi-interest extraction from a history: by self-attention, and by capsule routing."""

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from .precision import widened
from .sequence import check_length, to_front
from .target_attention import masked_softmax


class MultiInterestSA(nn.Module):
    """Multi-interest self-attention: each of K interests has its own attention over the history.

    A = softmax_L( tanh(H W_1) W_2 ),  V = Aᵀ H

    Args:
        embedding_dim: Width D of a step.
        interest_num: Number K of interests.
        hidden_dim: Width of the hidden layer, W_1; None means 4 D.

    Shape:
        seq_emb: (B, L, D); mask: (B, L), true where a step is not padding, None for all; returns
        (B, K, D), 0 for a history without a step.

    Example:
        >>> MultiInterestSA(8, interest_num=4)(torch.rand(3, 5, 8)).shape
        torch.Size([3, 4, 8])

    Reference:
        Cen et al., Controllable Multi-Interest Framework for Recommendation, KDD 2020,
        arXiv 2005.09347.
    """

    def __init__(
        self, embedding_dim: int, interest_num: int, hidden_dim: int | None = None
    ) -> None:
        check_whole(1, embedding_dim=embedding_dim, interest_num=interest_num)
        super().__init__()
        hidden = 4 * embedding_dim if hidden_dim is None else hidden_dim
        self.W1 = nn.Parameter(nn.init.xavier_uniform_(torch.empty(embedding_dim, hidden)))
        self.W2 = nn.Parameter(nn.init.xavier_uniform_(torch.empty(hidden, interest_num)))

    def forward(self, seq_emb: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, K, D)."""
        scores = (seq_emb @ self.W1).tanh() @ self.W2
        valid = torch.ones_like(scores[..., 0]) if mask is None else mask
        a = masked_softmax(scores, valid.bool().reshape(*seq_emb.shape[:2], 1))
        return a.transpose(1, 2) @ seq_emb


class CapsuleNetwork(nn.Module):
    """Dynamic routing of the items of a history to K capsules, one for each interest.

    ê_ji = W_ji e_i,  b_ji ← b⁰_ji, and then, `routing_times` times over,
    c_ji = softmax_j(b_ji),  v_j = squash(Σ_i c_ji ê_ji),  b_ji ← b_ji + ⟨ê_ji, v_j⟩

    squash(s) = ‖s‖² / (1 + ‖s‖²) · s / ‖s‖. The sums exclude padding, and i counts the items of a
    history from the first one. As in the papers, no gradient flows through b.

    Args:
        embedding_dim: Width D of a step and of a capsule.
        seq_len: The longest history, in items.
        bilinear_type: Which W_ji are shared: 0, one for all (MIND); 1, one for each capsule; 2, one
            for each capsule and position (ComiRec). With 0 only b⁰ distinguishes the capsules: it
            is drawn from N(0, 1) once and is part of the state dict; otherwise b⁰ is 0. With 2 the
            W_ji of a capsule are equal at initialization, so that positions start out alike.
        interest_num: Number K of capsules.
        routing_times: Number of routing iterations.
        relu_layer: Whether capsules end in ReLU(W v_j).

    Shape:
        item_eb: (B, L, D); mask: (B, L), true where a step is not padding; interest_mask: (B, K),
        true where a capsule is used, None for all; returns (B, K, D), 0 for a capsule without
        a step.

    Raises:
        ValueError: An argument is out of range; in `forward`, a history is too long.

    Example:
        >>> mask = torch.tensor([[True, True, False]])
        >>> CapsuleNetwork(8, seq_len=3, interest_num=4)(torch.rand(1, 3, 8), mask).shape
        torch.Size([1, 4, 8])

    Reference:
        Li et al., Multi-Interest Network with Dynamic Routing for Recommendation at Tmall, CIKM
        2019, arXiv 1904.08030; Cen et al., Controllable Multi-Interest Framework for
        Recommendation, KDD 2020, arXiv 2005.09347.
    """

    def __init__(
        self,
        embedding_dim: int,
        seq_len: int,
        bilinear_type: int = 2,
        interest_num: int = 4,
        routing_times: int = 3,
        relu_layer: bool = False,
    ) -> None:
        check_whole(0, bilinear_type=bilinear_type)
        check_whole(
            1,
            embedding_dim=embedding_dim,
            seq_len=seq_len,
            interest_num=interest_num,
            routing_times=routing_times,
        )
        super().__init__()
        if bilinear_type not in (0, 1, 2):
            raise ValueError(f"bilinear_type must be 0, 1 or 2, got {bilinear_type!r}")
        d, k = embedding_dim, interest_num
        self.seq_len, self.interest_num, self.routing_times = seq_len, k, routing_times
        self.bilinear_type = bilinear_type
        if bilinear_type == 2:
            w = torch.randn(1, 1, k * d, d) / d**0.5
            self.w = nn.Parameter(w.repeat(1, seq_len, 1, 1))
        else:
            self.linear = nn.Linear(d, d if bilinear_type == 0 else k * d, bias=False)
        if bilinear_type == 0:
            self.register_buffer("routing_logits", torch.randn(k, seq_len))
        self.relu = nn.Sequential(nn.Linear(d, d, bias=False), nn.ReLU()) if relu_layer else None

    def forward(
        self, item_eb: Tensor, mask: Tensor, *, interest_mask: Tensor | None = None
    ) -> Tensor:
        """Return (B, K, D)."""
        steps, valid = self._cut(*to_front(item_eb, mask))
        e_hat = self._projected(steps)
        takes_part = valid.unsqueeze(1)
        if interest_mask is not None:
            takes_part = takes_part & interest_mask.bool().unsqueeze(2)
        b = self._first_logits(e_hat)
        with torch.no_grad():
            for _ in range(self.routing_times - 1):
                v = _squash(_route(b, takes_part, e_hat))
                b = b + torch.einsum("bkld,bkd->bkl", e_hat, v)
        v = _squash(_route(b, takes_part, e_hat))
        return v if self.relu is None else self.relu(v)

    def _cut(self, steps: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Remove the padding that exceeds seq_len."""
        if valid.shape[1] <= self.seq_len:
            return steps, valid
        check_length(valid, self.seq_len)
        return steps[:, : self.seq_len], valid[:, : self.seq_len]

    def _projected(self, steps: Tensor) -> Tensor:
        """The predictions ê of each capsule: (B, L, D) to (B, K, L, D)."""
        if self.bilinear_type == 0:
            e: Tensor = self.linear(steps)
            return e.unsqueeze(1).expand(-1, self.interest_num, -1, -1)
        if self.bilinear_type == 1:
            e = self.linear(steps)
        else:
            e = torch.einsum("lcd,bld->blc", self.w[0, : steps.shape[1]], steps)
        of_capsules: Tensor = e.unflatten(2, (self.interest_num, -1)).transpose(1, 2)
        return of_capsules

    def _first_logits(self, e_hat: Tensor) -> Tensor:
        if self.bilinear_type != 0:
            return torch.zeros_like(e_hat[..., 0])
        logits: Tensor = self.get_buffer("routing_logits")[:, : e_hat.shape[2]]
        return logits.expand(e_hat.shape[0], -1, -1)


def _route(b: Tensor, takes_part: Tensor, e_hat: Tensor) -> Tensor:
    """Σ_i softmax_j(b_ji) ê_ji over used capsules j and valid steps i: (B, K, D)."""
    return torch.einsum("bkl,bkld->bkd", masked_softmax(b, takes_part), e_hat)


def _squash(s: Tensor) -> Tensor:
    wide = widened(s)  # the square of a norm overflows float16 early
    length: Tensor = wide.norm(dim=-1, keepdim=True)
    return (wide * length / (1 + length.square())).to(s.dtype)
