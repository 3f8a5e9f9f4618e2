"""Deep Interest Evolution Network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..._bounds import check_number
from ...basic.features import Feature, check_sequences, flat_width
from ...basic.layers import AUGRU, MLP, AUGRU_Cell, EmbeddingLayer
from ...basic.layers.sequence import to_front
from ..arguments import RecordsArguments
from .behavior import check_widths, pair_features, valid_steps

__all__ = ["AUGRU", "DIEN", "AUGRU_Cell"]


class DIEN(RecordsArguments, nn.Module):
    """Interest extraction from a history by GRU, and evolution toward the target by AUGRU.

    h_t = GRU(e_1, …, e_t),  s = AUGRU(h, v_A),
    ŷ = σ( MLP([s_1; …; s_K; v_A1; …; v_AM; profile]) ),
    L_aux = −mean_t [ln σ(⟨h_t, e⁺_{t+1}⟩) + ln(1 − σ(⟨h_t, e⁻_{t+1}⟩))]

    with a GRU and an AUGRU for each history k of K. `forward` returns ŷ and α L_aux: train with
    ``CTRTrainer(model, loss_mode=False)``, which adds it to its loss.

    Complexity: O(K L D² + |MLP|).

    Args:
        features: The user profile: inputs of any kind and width; may be empty.
        history_features: Sequence features with pooling "concat"; padding may be on either side.
        neg_history_features: For each history a sequence feature of the same length, with a
            negative, not clicked, at each step. Ignored where the history has padding.
        target_features: The candidate: M ≥ K features. The first K belong to the K histories, in
            the same order; the others, such as `features` again, only enter the MLP.
        mlp_params: Arguments of `MLP`: dims, dropout, activation (Dice unless given).
        alpha: α.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,) and α L_aux ().

    Raises:
        ValueError: A history has no target of its width, or there is not one negative for each.

    Example:
        >>> from torch_rechub.basic.features import SequenceFeature, SparseFeature
        >>> item = SparseFeature("item", 20, embed_dim=8)
        >>> history, negative = (
        ...     SequenceFeature(name, 20, 8, pooling="concat", shared_with="item")
        ...     for name in ("history", "negative")
        ... )
        >>> model = DIEN([], [history], [negative], [item], {"dims": [16]})
        >>> x = {"item": [3], "history": [[5, 7, 0]], "negative": [[2, 9, 0]]}
        >>> p, loss = model({name: torch.tensor(ids) for name, ids in x.items()})
        >>> p.shape, loss.shape
        (torch.Size([1]), torch.Size([]))

    Reference:
        Zhou et al., Deep Interest Evolution Network for Click-Through Rate Prediction, AAAI 2019,
        arXiv 1809.03672.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        history_features: Sequence[Feature],
        neg_history_features: Sequence[Feature],
        target_features: Sequence[Feature],
        mlp_params: Mapping[str, Any],
        alpha: float = 0.2,
    ) -> None:
        check_number("[0, inf)", alpha=alpha)
        super().__init__()
        self.alpha, self.features = alpha, list(features)
        self.history_features, self.target_features, self.other_targets = pair_features(
            history_features, target_features
        )
        self.neg_history_features = check_sequences("neg_history_features", neg_history_features)
        check_widths("neg_history_features", self.neg_history_features, self.history_features)
        self.embedding = EmbeddingLayer(
            [*features, *history_features, *neg_history_features, *target_features]
        )
        widths = [f.embed_dim or 0 for f in self.target_features]
        self.interest_extractor_layers = nn.ModuleList(
            nn.GRU(d, d, batch_first=True) for d in widths
        )
        self.interest_evolving_layers = nn.ModuleList(AUGRU(d) for d in widths)
        dim = flat_width([*self.target_features, *target_features, *features])
        self.mlp = MLP(dim, **{"activation": "dice", **mlp_params, "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return probabilities (B,) and α L_aux ()."""
        logits, loss = self.logits(x)
        return logits.sigmoid(), loss

    def logits(self, x: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits (B,) and α L_aux ()."""
        targets = self.embedding.lookup(x, self.target_features)
        steps = self.embedding.lookup(x, [*self.history_features, *self.neg_history_features])
        interests, losses = [], []
        for k, (history, target) in enumerate(zip(self.history_features, targets, strict=True)):
            valid = valid_steps(x, history)
            e, mask = to_front(steps[k], valid)
            negative, _ = to_front(steps[len(targets) + k], valid)
            h = self.interest_extractor_layers[k](e)[0]
            losses.append(self.auxiliary(h[:, :-1], e[:, 1:], negative[:, 1:], mask[:, 1:]))
            interests.append(self.interest_evolving_layers[k](h, target, mask)[1])
        profile = [
            self.embedding(x, part, squeeze_dim=True)
            for part in (self.other_targets, self.features)
            if part
        ]
        y: Tensor = self.mlp(torch.cat([*interests, *targets, *profile], dim=1))
        return y.squeeze(1), self.alpha * torch.stack(losses).sum()

    def auxiliary(
        self, outs: Tensor, pos_emb: Tensor, neg_emb: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """The auxiliary loss: states (B, L, D) against the next clicked and the negative items.

        Args:
            outs: The states h_t.
            pos_emb: e⁺_{t+1} at t, shape (B, L, D).
            neg_emb: e⁻_{t+1} at t, shape (B, L, D).
            mask: True where t + 1 is valid, shape (B, L); None means everywhere.

        Returns:
            The mean over valid steps, (); 0 if there are none.
        """
        pos, neg = (outs * pos_emb).sum(dim=2), (outs * neg_emb).sum(dim=2)
        counted = torch.ones_like(pos) if mask is None else mask.to(pos.dtype)
        losses = F.softplus(-pos) + F.softplus(neg)
        return (losses * counted).sum() / counted.sum().clamp(min=1)
