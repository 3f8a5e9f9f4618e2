"""Deep & Cross Network V2."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from ...basic.features import Feature, flat_width
from ...basic.layers import LR, MLP, CrossNetMix, CrossNetV2, EmbeddingLayer
from ..arguments import RecordsArguments
from .unused import warn_of_unused

STRUCTURES = ("parallel", "stacked", "crossnet_only")


class DCNv2(RecordsArguments, nn.Module):
    """A cross network with full or low-rank matrices, in parallel with or below a deep network.

    x_0 = [v_1; …; v_F; dense],  x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l,  or `CrossNetMix`(x_l),
    ŷ = σ( wᵀ [x_L; MLP(x_0)] + b )  "parallel",  σ( wᵀ MLP(x_L) + b )  "stacked",
    σ( wᵀ x_L + b )  "crossnet_only"

    Complexity: O(L K r (d + r) + |MLP|); use_low_rank_mixture=False: O(L d² + |MLP|).

    Args:
        features: Inputs, of any kind and width.
        n_cross_layers: Number L of crosses.
        mlp_params: Arguments of `MLP`: dims, dropout, activation (an `output_layer` is ignored:
            the deep part ends in its last hidden layer).
        model_structure: "parallel", "stacked" or "crossnet_only".
        use_low_rank_mixture: Whether the matrices are mixtures of low-rank experts.
        low_rank: Rank r of an expert.
        num_experts: Number K of experts.
        **kwargs: Ignored with a warning; scripts for torch-rechub 0.9 may pass some.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Raises:
        ValueError: `model_structure` has another value.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> model = DCNv2([SparseFeature("user", 10)], 2, {"dims": [8]}, "stacked", low_rank=4)
        >>> model({"user": torch.tensor([1, 2])}).shape
        torch.Size([2])

    Reference:
        Wang et al., DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale
        Learning to Rank Systems, WWW 2021, arXiv 2008.13535.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        n_cross_layers: int,
        mlp_params: Mapping[str, Any],
        model_structure: str = "parallel",
        use_low_rank_mixture: bool = True,
        low_rank: int = 32,
        num_experts: int = 4,
        **kwargs: Any,
    ) -> None:
        check_whole(0, n_cross_layers=n_cross_layers)
        super().__init__()
        warn_of_unused(self, kwargs)
        if model_structure not in STRUCTURES:
            raise ValueError(
                f"model_structure must be one of {', '.join(STRUCTURES)}, got {model_structure!r}"
            )
        self.features = list(features)
        dim = flat_width(features)
        self.embedding = EmbeddingLayer(features)
        self.crossnet = (
            CrossNetMix(dim, n_cross_layers, low_rank, num_experts)
            if use_low_rank_mixture
            else CrossNetV2(dim, n_cross_layers)
        )
        self.parallel_dnn: MLP | None = None
        self.stacked_dnn: MLP | None = None
        if model_structure != "crossnet_only":
            deep = MLP(dim, **{**mlp_params, "output_layer": False})
            if model_structure == "parallel":
                self.parallel_dnn, dim = deep, dim + deep.output_dim
            else:
                self.stacked_dnn, dim = deep, deep.output_dim
        self.linear = LR(dim)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        x_0 = self.embedding(x, self.features, squeeze_dim=True)
        y = self.crossnet(x_0)
        if self.parallel_dnn is not None:
            y = torch.cat([y, self.parallel_dnn(x_0)], dim=1)
        if self.stacked_dnn is not None:
            y = self.stacked_dnn(y)
        logits: Tensor = self.linear(y)
        return logits.squeeze(1)
