"""Progressive layered extraction."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..._bounds import check_whole
from ...basic.features import Feature, flat_width
from ...basic.layers import CGC, EmbeddingLayer, TaskPredictions, Towers
from ..arguments import RecordsArguments

__all__ = ["CGC", "PLE"]


class PLE(RecordsArguments, nn.Module):
    """Levels of task-specific and shared experts, which reduce interference between tasks.

    h^0 = [x; …; x], x = [v_1; …; v_F; dense],  h^l = CGC_l(h^{l−1}),
    ŷ_k = σ(tower_k(h^L_k)), without σ for a regression

    Complexity: O(L T (m + n) w + |MLP|), w = max(d, D).

    Args:
        features: Inputs, of any kind and width.
        task_types: "classification" or "regression" for each task.
        n_level: Number L of levels; one level is CGC.
        n_expert_specific: Number m of experts of each task in each level.
        n_expert_shared: Number n of experts of all tasks in each level.
        expert_params: Arguments of each expert's `MLP`: dims, dropout, activation (an
            `output_layer` is ignored: an expert ends in its last hidden layer, of width D).
        tower_params_list: For each task, the arguments of its tower's `MLP`.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns predictions (B, T).

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> tasks = ["classification", "regression"]
        >>> towers = [{"dims": [4]}, {"dims": [4]}]
        >>> model = PLE([SparseFeature("user", 10)], tasks, 2, 1, 2, {"dims": [8]}, towers)
        >>> model({"user": torch.tensor([1, 2, 3])}).shape
        torch.Size([3, 2])

    Reference:
        Tang et al., Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model
        for Personalized Recommendations, RecSys 2020.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        task_types: Sequence[str],
        n_level: int,
        n_expert_specific: int,
        n_expert_shared: int,
        expert_params: Mapping[str, Any],
        tower_params_list: Sequence[Mapping[str, Any]],
    ) -> None:
        super().__init__()
        check_whole(1, n_level=n_level)
        self.features, self.task_types = list(features), list(task_types)
        self.predict_layers = TaskPredictions(task_types)
        dim, n_task = flat_width(features), len(task_types)
        self.embedding = EmbeddingLayer(features)
        self.cgc_layers = nn.ModuleList()
        for level in range(1, n_level + 1):
            cgc = CGC(
                level, n_level, n_task, n_expert_specific, n_expert_shared, dim, expert_params
            )
            self.cgc_layers.append(cgc)
            dim = cgc.output_dim
        self.towers = Towers(dim, tower_params_list, n_task)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return predictions (B, T)."""
        predictions: Tensor = self.predict_layers(self.logits(x))
        return predictions

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, T)."""
        h = [self.embedding(x, self.features, squeeze_dim=True)] * (len(self.towers) + 1)
        for cgc in self.cgc_layers:
            h = cgc(h)
        y: Tensor = self.towers(h)
        return y

    def shared_layers(self) -> list[nn.Module]:
        """Return the layers shared by all tasks, in order."""
        return [
            self.embedding,
            *(cgc.experts_shared for cgc in self.cgc_layers if isinstance(cgc, CGC)),
        ]
