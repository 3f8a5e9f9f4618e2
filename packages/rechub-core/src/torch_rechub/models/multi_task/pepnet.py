"""Parameter and embedding personalized network."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from ...basic.features import Feature, flat_width
from ...basic.layers import MLP, EmbeddingLayer, GateNU, TaskPredictions
from ..arguments import RecordsArguments


class PEPNet(RecordsArguments, nn.Module):
    """Gates on the embeddings (by domain) and on the layers of the towers (by user and item).

    E = [v_1; …],  O = U_ep([v_domain; ⊘E]) ⊙ E,  [δˡ_1; …; δˡ_T] = U_l([v_personal; ⊘O]),
    h⁰_t = O,  hˡ_t = δˡ_t ⊙ MLP_tl(hˡ⁻¹_t),  ŷ_t = σ(w_tᵀ h^L_t + b_t)

    without σ for a regression; U are `GateNU`, ⊘ stops the gradient. The l-th layers of all towers
    have one gate network, whose output is split among the tasks.

    Choices that the paper leaves open: every hidden layer is gated, but not the input O of the
    towers nor the output; towers may differ in depth, width and activation.

    Complexity: O(d (c + d) + Σ_l w_l (P + w_l) + |MLP|), c = flat_width(domain_features),
    P = d + flat_width(personal_features), w_l the units of the l-th layers of all towers.

    Args:
        features: Inputs, of any kind and width.
        domain_features: The features of the domain or scenario of a row.
        personal_features: The ids of the user, the item and its author.
        task_types: "classification" or "regression" for each task.
        tower_params_list: For each task, the arguments of its tower's `MLP`.

    Shape:
        x[name]: (B,) or (B, L), as the feature; returns predictions (B, T).

    Raises:
        ValueError: There are no domain or no personal features, or not one tower for each task.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> user, scene = SparseFeature("user", 10), SparseFeature("scene", 3)
        >>> model = PEPNet([user], [scene], [user], ["classification"], [{"dims": [8, 4]}])
        >>> model({"user": torch.tensor([1, 2, 3]), "scene": torch.tensor([0, 1, 2])}).shape
        torch.Size([3, 1])

    Reference:
        Chang et al., PEPNet: Parameter and Embedding Personalized Network for Infusing with
        Personalized Prior Information, KDD 2023, arXiv 2302.01115.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        domain_features: Sequence[Feature],
        personal_features: Sequence[Feature],
        task_types: Sequence[str],
        tower_params_list: Sequence[Mapping[str, Any]],
    ) -> None:
        super().__init__()
        for name, given in (("domain", domain_features), ("personal", personal_features)):
            if not given:
                raise ValueError(f"{name}_features is empty: PEPNet's gates read at least one")
        n_task = len(task_types)
        if len(tower_params_list) != n_task:
            raise ValueError(
                f"tower_params_list has {len(tower_params_list)} entries for {n_task} tasks"
            )
        self.features, self.task_types = list(features), list(task_types)
        self.domain_features, self.personal_features = domain_features, personal_features
        self.predict_layers = TaskPredictions(task_types)
        self.embedding = EmbeddingLayer([*features, *domain_features, *personal_features])
        dim = flat_width(features)
        prior = flat_width(personal_features) + dim
        self.ep_gate = GateNU(flat_width(domain_features) + dim, dim)
        self.towers = nn.ModuleList(_Tower(dim, params) for params in tower_params_list)
        dims = [params.get("dims") or () for params in tower_params_list]
        self.widths = list(zip_longest(*dims, fillvalue=0))  # the gate of each layer, split by task
        self.pp_gates = nn.ModuleList(GateNU(prior, sum(widths)) for widths in self.widths)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return predictions (B, T)."""
        predictions: Tensor = self.predict_layers(self.logits(x))
        return predictions

    def logits(self, x: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, T)."""
        sets = (self.features, self.domain_features, self.personal_features)
        e, domain, personal = (self.embedding(x, f, squeeze_dim=True) for f in sets)
        o = self.ep_gate(torch.cat([domain, e.detach()], dim=1)) * e
        prior = torch.cat([personal, o.detach()], dim=1)
        deltas = [g(prior).split(w, dim=1) for g, w in zip(self.pp_gates, self.widths, strict=True)]
        of_task = [[layer[t] for layer in deltas] for t in range(len(self.towers))]
        return torch.cat([t(o, delta) for t, delta in zip(self.towers, of_task)], dim=1)

    def shared_layers(self) -> list[nn.Module]:
        """Return the layers shared by all tasks before their towers, in order."""
        return [self.embedding, self.ep_gate]


class _Tower(nn.Module):
    """An MLP whose hidden layers are gated."""

    def __init__(self, dim: int, params: Mapping[str, Any]) -> None:
        super().__init__()
        widths = list(params.get("dims") or ())
        inputs = [dim, *widths]
        self.layers = nn.ModuleList(
            MLP(i, **{**params, "dims": [w], "output_layer": False}) for i, w in zip(inputs, widths)
        )
        self.output = nn.Linear(inputs[-1], 1)

    def forward(self, h: Tensor, deltas: Sequence[Tensor]) -> Tensor:
        # gates exist for the deepest tower; others use the first ones
        for layer, delta in zip(self.layers, deltas):
            h = delta * layer(h)
        y: Tensor = self.output(h)
        return y
