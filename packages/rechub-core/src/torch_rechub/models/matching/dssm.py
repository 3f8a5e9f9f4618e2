"""Deep Structured Semantic Model."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ...basic.features import Feature
from .two_tower import TwoNetworks


class DSSM(TwoNetworks):
    """Two-tower model: the cosine of the outputs of a user network and an item network.

    y_u = MLP_u([v_1; …]),  y_i = MLP_i([v_1; …]),  ŷ = σ( cos(y_u, y_i) / τ )

    In-batch training uses the paper's softmax of cos / τ over the items of a batch. Point-wise
    training (mode 0) always uses τ = 1 in its loss: with a small τ the sigmoid saturates, and its
    gradients carry no information about the order of items.

    Complexity: O(|MLP|).

    Args:
        user_features: Inputs of the user network, of any kind and width.
        item_features: Inputs of the item network.
        user_params: Arguments of `MLP` for the user: dims, dropout, activation (an `output_layer`
            is ignored: a tower ends in its last hidden layer).
        item_params: The same for the item; both must end in the same width D.
        temperature: τ, above 0.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,), or in mode "user" and
        "item" embeddings (B, D) of length 1.

    Raises:
        ValueError: The towers end in different widths.

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> user, item = [SparseFeature("user", 10)], [SparseFeature("item", 20)]
        >>> model = DSSM(user, item, {"dims": [16, 8]}, {"dims": [16, 8]}, temperature=0.1)
        >>> x = {"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}
        >>> model(x).shape, model.user_tower(x).shape
        (torch.Size([2]), torch.Size([2, 8]))

    Reference:
        Huang et al., Learning Deep Structured Semantic Models for Web Search using Clickthrough
        Data, CIKM 2013.
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

    def score(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,): cos / τ."""
        return (self.user_tower(x) * self.item_tower(x)).sum(dim=1) / self.temperature
