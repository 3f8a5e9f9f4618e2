"""Shared bottom."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ...basic.features import Feature, flat_width
from ...basic.layers import MLP, EmbeddingLayer, TaskPredictions, Towers
from ..arguments import RecordsArguments


class SharedBottom(RecordsArguments, nn.Module):
    """One network shared by all tasks, with a tower for each task.

    h = MLP([v_1; …; v_F; dense]),  ŷ_k = σ(tower_k(h)), without σ for a regression

    Complexity: O(|MLP|).

    Args:
        features: Inputs, of any kind and width.
        task_types: "classification" or "regression" for each task.
        bottom_params: Arguments of the bottom's `MLP`: dims, dropout, activation (an `output_layer`
            is ignored: the bottom ends in its last hidden layer).
        tower_params_list: For each task, the arguments of its tower's `MLP`.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns predictions (B, T).

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> tasks = ["classification", "regression"]
        >>> towers = [{"dims": [4]}, {"dims": [4]}]
        >>> model = SharedBottom([SparseFeature("user", 10)], tasks, {"dims": [8]}, towers)
        >>> model({"user": torch.tensor([1, 2, 3])}).shape
        torch.Size([3, 2])

    Reference:
        Caruana, Multitask Learning, Machine Learning 28, 1997.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        task_types: Sequence[str],
        bottom_params: Mapping[str, Any],
        tower_params_list: Sequence[Mapping[str, Any]],
    ) -> None:
        super().__init__()
        self.features, self.task_types = list(features), list(task_types)
        self.predict_layers = TaskPredictions(task_types)
        self.embedding = EmbeddingLayer(features)
        self.bottom_mlp = MLP(flat_width(features), **{**bottom_params, "output_layer": False})
        self.towers = Towers(self.bottom_mlp.output_dim, tower_params_list, len(task_types))

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return predictions (B, T)."""
        predictions: Tensor = self.predict_layers(self.logits(x))
        return predictions

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, T)."""
        h = self.bottom_mlp(self.embedding(x, self.features, squeeze_dim=True))
        y: Tensor = self.towers([h] * len(self.towers))
        return y

    def shared_layers(self) -> list[nn.Module]:
        """Return the layers shared by all tasks, in order."""
        return [self.embedding, self.bottom_mlp]
