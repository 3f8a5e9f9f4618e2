"""EDCN: cross network and deep network with information sharing after each layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_number, check_whole
from ...basic.features import DenseFeature, Feature, flat_width
from ...basic.layers import LR, MLP, CrossLayer, EmbeddingLayer
from ..arguments import RecordsArguments

BRIDGES = ("hadamard_product", "pointwise_addition", "concatenation", "attention_pooling")


class EDCN(RecordsArguments, nn.Module):
    """A cross and a deep network in parallel, joined by a bridge after each layer.

    x_l, h_l = Regulation(z_l),  x'_l = x_0 (x_lᵀ w_l) + b_l + x_l,  h'_l = MLP_l(h_l),
    z_{l+1} = Bridge(x'_l, h'_l),  ŷ = σ( wᵀ [x'_L; h'_L; z_{L+1}] + b )

    z_0 holds the embeddings of all features, and their dense values.

    Complexity: O(L (d + |MLP|)); "concatenation", "attention_pooling": O(L (d² + |MLP|)).

    Args:
        features: Inputs, of any kind and width.
        n_cross_layers: Number L of layers, at least 1.
        mlp_params: Arguments of each deep layer, an `MLP`: dims, dropout, activation. A layer of
            the width of z is appended; without dims it is the only one (paper).
        bridge_type: The operation of `BridgeModule`.
        use_regulation_module: Whether both networks reweight the fields before each layer;
            otherwise both read z.
        temperature: τ of `RegulationModule`.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns probabilities (B,).

    Raises:
        ValueError: `n_cross_layers` is below 1, or `bridge_type` has another value.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> model = EDCN([SparseFeature("user", 10), SparseFeature("item", 9)], 2, {"dims": [8]})
        >>> model({"user": torch.tensor([1, 2]), "item": torch.tensor([3, 4])}).shape
        torch.Size([2])

    Reference:
        Chen et al., Enhancing Explicit and Implicit Feature Interactions via Information Sharing
        for Parallel Deep CTR Models, CIKM 2021.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        n_cross_layers: int,
        mlp_params: Mapping[str, Any],
        bridge_type: str = "hadamard_product",
        use_regulation_module: bool = True,
        temperature: float = 1,
    ) -> None:
        check_number("(0, inf)", temperature=temperature)
        super().__init__()
        check_whole(1, n_cross_layers=n_cross_layers)
        self.features = sorted(features, key=lambda f: isinstance(f, DenseFeature))
        dim, widths = flat_width(features), [f.embed_dim or 0 for f in self.features]
        deep = {**mlp_params, "dims": [*(mlp_params.get("dims") or ()), dim], "output_layer": False}
        layers = range(n_cross_layers)
        self.embedding = EmbeddingLayer(features)
        self.cross_layers = nn.ModuleList(CrossLayer(dim) for _ in layers)
        self.mlps = nn.ModuleList(MLP(dim, **deep) for _ in layers)
        self.bridge_modules = nn.ModuleList(BridgeModule(dim, bridge_type) for _ in layers)
        self.regulation_modules = nn.ModuleList(
            RegulationModule(len(widths), widths, temperature, use_regulation_module)
            for _ in layers
        )
        self.linear = LR(3 * dim)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return probabilities (B,)."""
        return self.logits(x).sigmoid()

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,)."""
        z = self.embedding(x, self.features, squeeze_dim=True)
        x_0: Tensor | None = None
        for regulate, cross, deep, bridge in zip(
            self.regulation_modules, self.cross_layers, self.mlps, self.bridge_modules, strict=True
        ):
            x_l, h_l = regulate(z)
            x_0 = x_l if x_0 is None else x_0
            x_l, h_l = cross(x_0, x_l) + x_l, deep(h_l)
            z = bridge(x_l, h_l)
        y: Tensor = self.linear(torch.cat([x_l, h_l, z], dim=1))
        return y.squeeze(1)


class BridgeModule(nn.Module):
    """Combines the outputs of the cross network and the deep network.

    * "hadamard_product": x ⊙ h
    * "pointwise_addition": x + h
    * "concatenation": ReLU(W [x; h] + b)
    * "attention_pooling": a_x ⊙ x + a_h ⊙ h,  a_u = softmax(P_u ReLU(W_u u + b_u))

    Args:
        input_dim: Length D of x and h.
        bridge_type: One of the names above.

    Shape:
        x, h: (B, D); returns (B, D).

    Raises:
        ValueError: `bridge_type` has another value.
    """

    def __init__(self, input_dim: int, bridge_type: str) -> None:
        check_whole(1, input_dim=input_dim)
        super().__init__()
        if bridge_type not in BRIDGES:
            raise ValueError(
                f"bridge_type must be one of {', '.join(BRIDGES)}, got {bridge_type!r}"
            )
        self.bridge_type = bridge_type
        if bridge_type == "concatenation":
            self.concat_pooling = nn.Sequential(nn.Linear(2 * input_dim, input_dim), nn.ReLU())
        elif bridge_type == "attention_pooling":
            self.attention_x, self.attention_h = _attention(input_dim), _attention(input_dim)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return (B, D)."""
        if self.bridge_type == "hadamard_product":
            return x * h
        if self.bridge_type == "pointwise_addition":
            return x + h
        if self.bridge_type == "concatenation":
            joined: Tensor = self.concat_pooling(torch.cat([x, h], dim=1))
            return joined
        pooled: Tensor = self.attention_x(x) * x + self.attention_h(h) * h
        return pooled


def _attention(dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim, bias=False), nn.Softmax(dim=1)
    )


class RegulationModule(nn.Module):
    """Two views of the fields with learned field weights: softmax(g / τ)_f v_f.

    Args:
        num_fields: Number F of fields.
        dims: Width of each field.
        tau: Temperature τ.
        use_regulation: Whether to apply weights; otherwise both views are x.

    Shape:
        x: (B, Σ dims); returns two of (B, Σ dims), for the cross and for the deep network.
    """

    field: Tensor

    def __init__(
        self, num_fields: int, dims: Sequence[int], tau: float, use_regulation: bool = True
    ) -> None:
        check_whole(1, num_fields=num_fields)
        check_number("(0, inf)", tau=tau)
        super().__init__()
        self.use_regulation, self.tau = use_regulation, tau
        field = torch.arange(num_fields).repeat_interleave(torch.tensor(dims))
        self.register_buffer("field", field, persistent=False)
        if use_regulation:
            self.g1 = nn.Parameter(torch.ones(num_fields))
            self.g2 = nn.Parameter(torch.ones(num_fields))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return two of (B, Σ dims)."""
        if not self.use_regulation:
            return x, x
        return x * self._weights(self.g1), x * self._weights(self.g2)

    def _weights(self, g: Tensor) -> Tensor:
        """The weight of each field, repeated for each of its values: (Σ dims,)."""
        return (g / self.tau).softmax(0)[self.field]
