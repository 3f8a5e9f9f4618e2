"""Logistic regression."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ...basic.features import Feature
from ...basic.layers import FirstOrder
from ..arguments import RecordsArguments


class LR(RecordsArguments, nn.Module):
    """Logistic regression: a weight for each id of each feature and for each dense value.

    ŷ = σ( b + Σ_i w_i x_i )

    The linear baseline, without feature interactions.

    Complexity: O(F).

    Args:
        features: Inputs, of any kind.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Example:
        >>> import torch
        >>> from torch_rechub.basic.features import SparseFeature
        >>> LR([SparseFeature("user", 10)])({"user": torch.tensor([1, 2])}).shape
        torch.Size([2])

    Reference:
        Richardson et al., Predicting Clicks: Estimating the Click-Through Rate for New Ads,
        WWW 2007.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        self.linear = FirstOrder(features)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        y: Tensor = self.linear(x)
        return y.squeeze(1)
