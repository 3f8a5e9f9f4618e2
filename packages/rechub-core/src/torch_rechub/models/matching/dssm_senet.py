"""DSSM with squeeze-and-excitation of the fields of each tower."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import DenseFeature, Feature
from ...basic.layers import SENETLayer
from . import dssm


class DSSM(dssm.DSSM):
    """DSSM with a SENET block in each tower that rescales the fields by their importance.

    V = [a_1 v_1; …],  a = σ(W_2 ReLU(W_1 z)),  z_f the mean of v_f,
    ŷ = σ( cos(MLP_u(V_u), MLP_i(V_i)) / τ )

    Dense features are not fields and enter the network unchanged. The gate is the sigmoid of
    squeeze-and-excitation networks: with FiBiNET's ReLU, a would start near 0, like the embeddings,
    and suppress all inputs.

    Complexity: O(d + F² + |MLP|).

    Args:
        user_features: Inputs of the user network, of any kind and width, with at least one id
            feature.
        item_features: The same for the item network.
        user_params: Arguments of `MLP` for the user (an `output_layer` is ignored).
        item_params: The same for the item; both must end in the same width D.
        temperature: τ, above 0.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,), or in mode "user" and
        "item" embeddings (B, D) of length 1.

    Raises:
        ValueError: The towers end in different widths, or a tower has no id features.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> user, item = [SparseFeature("user", 10)], [SparseFeature("item", 20)]
        >>> model = DSSM(user, item, {"dims": [16, 8]}, {"dims": [16, 8]}, temperature=0.1)
        >>> x = {"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}
        >>> model(x).shape, model.user_tower(x).shape
        (torch.Size([2]), torch.Size([2, 8]))

    Reference:
        Huang et al., Learning Deep Structured Semantic Models for Web Search using Clickthrough
        Data, CIKM 2013; the block: Hu et al., Squeeze-and-Excitation
        Networks, CVPR 2018, arXiv 1709.01507; Huang et al., FiBiNET, RecSys 2019, arXiv 1905.09433.
    """

    def __init__(
        self,
        user_features: Sequence[Feature],
        item_features: Sequence[Feature],
        user_params: Mapping[str, Any],
        item_params: Mapping[str, Any],
        temperature: float = 1.0,
    ) -> None:
        super().__init__(user_features, item_features, user_params, item_params, temperature)
        self.user_senet = SENETLayer(_count("user_features", user_features), gate=nn.Sigmoid)
        self.item_senet = SENETLayer(_count("item_features", item_features), gate=nn.Sigmoid)

    def user_vector(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the inputs of the user network, (B, Σ widths)."""
        return self._weighted(x, self.user_features, self.user_senet)

    def item_vector(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return the inputs of the item network, (B, Σ widths)."""
        return self._weighted(x, self.item_features, self.item_senet)

    def _weighted(
        self, x: Mapping[str, Tensor], features: Sequence[Feature], senet: SENETLayer
    ) -> Tensor:
        fields = self.embedding.lookup(x, [f for f in features if not isinstance(f, DenseFeature)])
        dense = self.embedding.dense(x, [f for f in features if isinstance(f, DenseFeature)])
        return torch.cat([*senet.weighted(fields), *dense], dim=1)


def _count(argument: str, features: Sequence[Feature]) -> int:
    """The number of fields."""
    n = sum(not isinstance(f, DenseFeature) for f in features)
    if n == 0:
        raise ValueError(f"{argument} holds no SparseFeature or SequenceFeature to weigh")
    return n
