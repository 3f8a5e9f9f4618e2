"""AITM: adaptive information transfer multi-task."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from ...basic.features import Feature, flat_width
from ...basic.layers import MLP, AttentionLayer, EmbeddingLayer, Experts, TaskPredictions, Towers
from ...losses.reduction import mean_of_rows
from ..arguments import RecordsArguments

__all__ = ["AITM", "AttentionLayer"]

log = logging.getLogger("torch_rechub")


class AITM(RecordsArguments, nn.Module):
    """Multi-task model of a funnel, such as click then purchase; each step informs the next.

    q_t = MLP_t([v_1; …; v_F; dense]),  z_1 = q_1,  p_{t−1} = g_{t−1}(z_{t−1}),
    z_t = Attention([p_{t−1}; q_t]),  ŷ_t = σ(tower_t(z_t)),
    loss = Σ_t BCE(y_t, ŷ_t) + α Σ_t mean max(ŷ_t − ŷ_{t−1}, 0)

    The last term, the calibrator, penalizes a later step that is more likely than the one before.
    So the columns of y must be in the order of the funnel. If the labels contradict it (a column
    with more positives than the one before), the calibrator is switched off, with a warning.

    Complexity: O(T k² + |MLP|).

    Args:
        features: Inputs, of any kind and width.
        n_task: Number T of steps.
        bottom_params: Arguments of each step's bottom `MLP`: dims, dropout, activation (an
            `output_layer` is ignored: a bottom ends in its last hidden layer, of width k).
        tower_params_list: For each step, the arguments of its tower's `MLP`.
        calibrator_weight: α; 0 switches the calibrator off.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B, T).

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> towers = [{"dims": [4]}, {"dims": [4]}]
        >>> model = AITM([SparseFeature("user", 10)], 2, {"dims": [8]}, towers)
        >>> model({"user": torch.tensor([1, 2, 3])}).shape
        torch.Size([3, 2])

    Reference:
        Xi et al., Modeling the Sequential Dependence among Audience Multi-step Conversions with
        Multi-task Learning in Targeted Display Advertising, KDD 2021, arXiv 2105.08489.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        n_task: int,
        bottom_params: Mapping[str, Any],
        tower_params_list: Sequence[Mapping[str, Any]],
        *,
        calibrator_weight: float = 0.6,
    ) -> None:
        check_whole(1, n_task=n_task)
        super().__init__()
        check_number("[0, inf)", calibrator_weight=calibrator_weight)
        self.features, self.n_task = list(features), n_task
        self.task_types = ["classification"] * n_task
        self.predict_layers = TaskPredictions(self.task_types)
        self.loss_weights = (1.0,) * n_task
        self.calibrator_weight = calibrator_weight
        self.embedding = EmbeddingLayer(features)
        self.bottoms = Experts(flat_width(features), n_task, bottom_params)
        k = self.bottoms.output_dim
        self.towers = Towers(k, tower_params_list, n_task)
        self.info_gates = nn.ModuleList(
            MLP(k, output_layer=False, dims=[k]) for _ in range(n_task - 1)
        )
        self.aits = nn.ModuleList(AttentionLayer(k) for _ in range(n_task - 1))

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B, T)."""
        predictions: Tensor = self.predict_layers(self.logits(x))
        return predictions

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, T)."""
        v = self.embedding(x, self.features, squeeze_dim=True)
        first, *q = self.bottoms(v).unbind(dim=1)
        z = [first]
        for g, attention, q_t in zip(self.info_gates, self.aits, q, strict=True):
            p = g(z[-1])
            z.append(attention(torch.stack([p, q_t], dim=1)))
        y: Tensor = self.towers(z)
        return y

    def auxiliary_loss(
        self,
        x: Mapping[str, Tensor],
        predictions: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The calibrator of probabilities (B, T): α Σ_t mean max(ŷ_t − ŷ_{t−1}, 0)."""
        excess = (predictions[:, 1:] - predictions[:, :-1]).relu()
        return self.calibrator_weight * mean_of_rows(excess.sum(dim=1), weights)

    def check_labels(self, y: Tensor) -> None:
        """Switch the calibrator off if labels (N, T) do not follow the funnel."""
        if not self.calibrator_weight:
            return
        positives = y.nansum(dim=0).tolist()
        wrong = [t for t in range(1, len(positives)) if positives[t] > positives[t - 1]]
        if wrong:
            t = wrong[0]
            log.warning(
                "Column %d of y has more positives than column %d, so the columns do not follow "
                "the funnel (first step first: click, then purchase): AITM's calibrator is "
                "switched off. Reorder the columns.",
                t,
                t - 1,
            )
            self.calibrator_weight = 0.0

    def shared_layers(self) -> list[nn.Module]:
        """Return the layers shared by all tasks, in order."""
        return [self.embedding]
