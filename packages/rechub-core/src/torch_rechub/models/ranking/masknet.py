"""MaskNet."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import DenseFeature, Feature, flat_width
from ...basic.layers import MLP, EmbeddingLayer, MaskBlock
from ..arguments import RecordsArguments


class MaskNet(RecordsArguments, nn.Module):
    """Hidden layers with instance-guided masks on their inputs.

    e = [v_1; …; v_F; dense],  n = [LayerNorm(v_1); …; LayerNorm(v_F); dense],
    h_1 = block_1(n, e),  h_k = block_k(h_{k−1}, e),  ŷ = σ( MLP(h_K) )  in series;
    h_k = block_k(n, e),  ŷ = σ( MLP([h_1; …; h_K]) )  in parallel

    The blocks are `MaskBlock`.

    Complexity: O(K (1 + ρ) w² + |MLP|), w = max(d, block_dims).

    Args:
        features: Inputs, of any kind and width.
        block_dims: Widths of the K blocks.
        structure: "serial" or "parallel".
        mlp_params: Arguments of the `MLP` after the blocks; None means one linear layer.
        ratio: ρ, the width of a mask's hidden layer relative to its input.

    Shape:
        x[name]: (B,), (B, L) or (B, d), as the feature; returns probabilities (B,).

    Raises:
        ValueError: There is no block or no id feature, or `structure` has another value.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> model = MaskNet([SparseFeature("user", 10, embed_dim=4)], block_dims=[8, 8])
        >>> model({"user": torch.tensor([1, 2])}).shape
        torch.Size([2])

    Reference:
        Wang et al., MaskNet: Introducing Feature-Wise Multiplication to CTR Ranking Models by
        Instance-Guided Mask, DLP-KDD 2021, arXiv 2102.07619.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        block_dims: Sequence[int],
        structure: str = "serial",
        mlp_params: Mapping[str, Any] | None = None,
        ratio: float = 2.0,
    ) -> None:
        super().__init__()
        if structure not in ("serial", "parallel"):
            raise ValueError(f"structure must be 'serial' or 'parallel', got {structure!r}")
        self.fields = [f for f in features if not isinstance(f, DenseFeature)]
        self.dense_features = [f for f in features if isinstance(f, DenseFeature)]
        if not block_dims or not self.fields:
            raise ValueError(
                f"MaskNet needs a block and a feature with ids, got block_dims={list(block_dims)} "
                f"and {len(self.fields)} such features"
            )
        self.is_serial = structure == "serial"
        dim = flat_width(features)
        self.embedding = EmbeddingLayer(features)
        self.norms = nn.ModuleList(nn.LayerNorm(flat_width([f])) for f in self.fields)
        inputs = [dim, *block_dims[:-1]] if self.is_serial else [dim] * len(block_dims)
        self.blocks = nn.ModuleList(
            MaskBlock(i, dim, o, ratio) for i, o in zip(inputs, block_dims, strict=True)
        )
        width = block_dims[-1] if self.is_serial else sum(block_dims)
        self.mlp = MLP(width, **{**(mlp_params or {}), "output_layer": True})

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        v = self.embedding.lookup(x, self.fields)
        dense = self.embedding.dense(x, self.dense_features)
        e = torch.cat([*v, *dense], dim=1)
        normed = [norm(field) for norm, field in zip(self.norms, v, strict=True)]
        h = n = torch.cat([*normed, *dense], dim=1)
        if self.is_serial:
            for block in self.blocks:
                h = block(h, e)
        else:
            h = torch.cat([block(n, e) for block in self.blocks], dim=1)
        y: Tensor = self.mlp(h)
        return y.squeeze(1)
