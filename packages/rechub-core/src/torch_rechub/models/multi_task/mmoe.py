"""Multi-gate mixture of experts."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..._bounds import check_whole
from ...basic.features import Feature, flat_width
from ...basic.layers import EmbeddingLayer, Experts, Gate, TaskPredictions, Towers, mix
from ..arguments import RecordsArguments


class MMOE(RecordsArguments, nn.Module):
    """Experts shared by all tasks, combined for each task by its own gate.

    x = [v_1; …; v_F; dense],  f_k = Σ_i softmax(W_k x)_i E_i(x),
    ŷ_k = σ(tower_k(f_k)), without σ for a regression

    Complexity: O(T n (d + D) + |MLP|).

    Args:
        features: Inputs, of any kind and width.
        task_types: "classification" or "regression" for each task.
        n_expert: Number n of experts.
        expert_params: Arguments of each expert's `MLP`: dims, dropout, activation (an
            `output_layer` is ignored: an expert ends in its last hidden layer, of width D).
        tower_params_list: For each task, the arguments of its tower's `MLP`.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns predictions (B, T).

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> tasks = ["classification", "classification"]
        >>> towers = [{"dims": [4]}, {"dims": [4]}]
        >>> model = MMOE([SparseFeature("user", 10)], tasks, 3, {"dims": [8]}, towers)
        >>> model({"user": torch.tensor([1, 2, 3])}).shape
        torch.Size([3, 2])

    Reference:
        Ma et al., Modeling Task Relationships in Multi-task Learning with Multi-gate
        Mixture-of-Experts, KDD 2018.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        task_types: Sequence[str],
        n_expert: int,
        expert_params: Mapping[str, Any],
        tower_params_list: Sequence[Mapping[str, Any]],
    ) -> None:
        super().__init__()
        check_whole(1, n_expert=n_expert)
        self.features, self.task_types = list(features), list(task_types)
        self.predict_layers = TaskPredictions(task_types)
        dim, n_task = flat_width(features), len(task_types)
        self.embedding = EmbeddingLayer(features)
        self.experts = Experts(dim, n_expert, expert_params)
        self.gates = nn.ModuleList(Gate(dim, n_expert) for _ in range(n_task))
        self.towers = Towers(self.experts.output_dim, tower_params_list, n_task)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return predictions (B, T)."""
        predictions: Tensor = self.predict_layers(self.logits(x))
        return predictions

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, T)."""
        v = self.embedding(x, self.features, squeeze_dim=True)
        experts = self.experts(v)
        y: Tensor = self.towers([mix(gate(v), experts) for gate in self.gates])
        return y

    def shared_layers(self) -> list[nn.Module]:
        """Return the layers shared by all tasks, in order."""
        return [self.embedding, self.experts]
