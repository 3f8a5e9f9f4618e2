"""Building blocks of multi-task models: experts, gates, towers, transfer between tasks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_whole
from .mlp import MLP, PredictionLayer


class Experts(nn.ModuleList):
    """Parallel multi-layer perceptrons: x to [E_1(x); …; E_n(x)].

    Args:
        input_dim: Length of x.
        n_expert: Number n of experts.
        params: Arguments of each `MLP`: dims, dropout, activation (an `output_layer` is ignored:
            an expert ends in its last hidden layer).

    Shape:
        x: (B, input_dim); returns (B, n, D), D the width of the last hidden layer.

    Example:
        >>> Experts(8, 3, {"dims": [4]})(torch.ones(2, 8)).shape
        torch.Size([2, 3, 4])
    """

    def __init__(self, input_dim: int, n_expert: int, params: Mapping[str, Any]) -> None:
        check_whole(0, n_expert=n_expert)
        arguments = {**params, "output_layer": False}
        super().__init__(MLP(input_dim, **arguments) for _ in range(n_expert))
        self.output_dim: int = [input_dim, *(params.get("dims") or ())][-1]

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, n, D)."""
        return torch.stack([expert(x) for expert in self], dim=1)


class Gate(nn.Module):
    """The weights of the experts for each row: softmax(W x + b).

    The gate of the paper has no b. Weights of torch-rechub 0.9, which applied batch normalization
    before the softmax, can be loaded: the normalization is folded into W and b, so that predictions
    stay the same.

    Args:
        input_dim: Length of x.
        n_expert: Number n of experts.

    Shape:
        x: (B, input_dim); returns (B, n), each row summing to 1.

    Example:
        >>> Gate(8, 3)(torch.ones(2, 8)).sum(dim=1).tolist()
        [1.0, 1.0]

    Reference:
        Ma et al., Modeling Task Relationships in Multi-task Learning with Multi-gate
        Mixture-of-Experts, KDD 2018.
    """

    def __init__(self, input_dim: int, n_expert: int) -> None:
        check_whole(1, input_dim=input_dim, n_expert=n_expert)
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(input_dim, n_expert), nn.Softmax(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, n)."""
        weights: Tensor = self.mlp(x)
        return weights

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if f"{prefix}mlp.1.running_var" in state_dict:
            _fold_norm(state_dict, f"{prefix}mlp.0.", f"{prefix}mlp.1.")
        super()._load_from_state_dict(state_dict, prefix, *args)


def _fold_norm(state: dict[str, Any], linear: str, norm: str, eps: float = 1e-5) -> None:
    """Fold γ (W x + b − μ) / √(σ² + ε) + β into W and b."""
    gamma, beta, mean, var = (
        state.pop(norm + name) for name in ("weight", "bias", "running_mean", "running_var")
    )
    state.pop(norm + "num_batches_tracked", None)
    scale = gamma / (var + eps).sqrt()
    state[linear + "bias"] = (state[linear + "bias"] - mean) * scale + beta
    state[linear + "weight"] = state[linear + "weight"] * scale.unsqueeze(1)


def mix(weights: Tensor, experts: Tensor) -> Tensor:
    """Σ_k g_k E_k: weights (B, n) and experts (B, n, D) to (B, D).

    Example:
        >>> mix(torch.tensor([[0.25, 0.75]]), torch.tensor([[[4.0], [8.0]]]))
        tensor([[7.]])
    """
    return torch.bmm(weights.unsqueeze(1), experts).squeeze(1)


class CGC(nn.Module):
    """Customized gate control: one level of task-specific and shared experts.

    h_k = Σ_i softmax(W_k x_k)_i E_i over the experts of task k and the shared ones,
    h_s = Σ_i softmax(W_s x_s)_i E_i over all experts (not in the last level),

    where an expert of task k receives x_k, and a shared expert x_s.

    Args:
        cur_level: The number of this level, from 1.
        n_level: Number of levels.
        n_task: Number T of tasks.
        n_expert_specific: Number of experts of each task.
        n_expert_shared: Number of experts of all tasks.
        input_dims: Length of each input.
        expert_params: Arguments of each expert's `MLP`.

    Shape:
        x_list: T + 1 inputs (B, input_dims), one for each task, then the shared one; returns T + 1
        outputs (B, D), T in the last level.

    Raises:
        ValueError: Both numbers of experts are 0.

    Example:
        >>> x = torch.ones(2, 8)
        >>> level = CGC(1, 2, 3, 1, 2, input_dims=8, expert_params={"dims": [4]})
        >>> [tuple(h.shape) for h in level([x, x, x, x])]
        [(2, 4), (2, 4), (2, 4), (2, 4)]

    Reference:
        Tang et al., Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model
        for Personalized Recommendations, RecSys 2020.
    """

    def __init__(
        self,
        cur_level: int,
        n_level: int,
        n_task: int,
        n_expert_specific: int,
        n_expert_shared: int,
        input_dims: int,
        expert_params: Mapping[str, Any],
    ) -> None:
        check_whole(1, n_level=n_level, n_task=n_task, input_dims=input_dims)
        check_whole(
            0,
            cur_level=cur_level,
            n_expert_specific=n_expert_specific,
            n_expert_shared=n_expert_shared,
        )
        super().__init__()
        if n_expert_specific + n_expert_shared < 1:
            raise ValueError("n_expert_specific and n_expert_shared are both 0: give an expert")
        self.n_task, self.n_expert_specific = n_task, n_expert_specific
        n_own, n_all = n_expert_specific, n_expert_specific * n_task
        self.experts_specific = Experts(input_dims, n_all, expert_params)
        self.experts_shared = Experts(input_dims, n_expert_shared, expert_params)
        self.gates_specific = nn.ModuleList(
            Gate(input_dims, n_own + n_expert_shared) for _ in range(n_task)
        )
        self.gate_shared: Gate | None = None
        if cur_level < n_level:
            self.gate_shared = Gate(input_dims, n_all + n_expert_shared)
        self.output_dim = self.experts_shared.output_dim

    def forward(self, x_list: Sequence[Tensor]) -> list[Tensor]:
        """Return T + 1 outputs (B, D), in the last level T."""
        *own, x_s = x_list
        m, experts = self.n_expert_specific, list(self.experts_specific)
        specific = [
            [expert(x) for expert in experts[k * m : (k + 1) * m]] for k, x in enumerate(own)
        ]
        shared = [expert(x_s) for expert in self.experts_shared]
        h = [
            mix(gate(x), torch.stack(specific[k] + shared, dim=1))
            for k, (gate, x) in enumerate(zip(self.gates_specific, own, strict=True))
        ]
        if self.gate_shared is not None:
            every = [e for task in specific for e in task] + shared
            h.append(mix(self.gate_shared(x_s), torch.stack(every, dim=1)))
        return h


class AttentionLayer(nn.Module):
    """Attention over the information transferred to a task and the task's own representation.

    z = Σ_u w_u h_3(u),  w = softmax_u(⟨h_1(u), h_2(u)⟩ / √k),  u one of the two vectors; h_1, h_2
    and h_3 are linear.

    Args:
        dim: Length k of the vectors.

    Shape:
        x: (B, 2, k); returns (B, k).

    Example:
        >>> AttentionLayer(4)(torch.ones(3, 2, 4)).shape
        torch.Size([3, 4])

    Reference:
        Xi et al., Modeling the Sequential Dependence among Audience Multi-step Conversions with
        Multi-task Learning in Targeted Display Advertising, KDD 2021, arXiv 2105.08489.
    """

    def __init__(self, dim: int = 32) -> None:
        check_whole(1, dim=dim)
        super().__init__()
        self.dim = dim
        self.q_layer = nn.Linear(dim, dim, bias=False)
        self.k_layer = nn.Linear(dim, dim, bias=False)
        self.v_layer = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, k)."""
        scores = (self.q_layer(x) * self.k_layer(x)).sum(dim=2) / math.sqrt(self.dim)
        return mix(scores.softmax(dim=1), self.v_layer(x))


class Towers(nn.ModuleList):
    """One multi-layer perceptron for each task, with one output each.

    Args:
        input_dim: Length of each tower's input.
        params_list: For each task, the arguments of its `MLP`: dims, dropout, activation.
        n_task: Number T of tasks.

    Shape:
        inputs: T of (B, input_dim); returns logits (B, T).

    Raises:
        ValueError: `params_list` does not have `n_task` entries.

    Example:
        >>> towers = Towers(8, [{"dims": [4]}, {"dims": []}], n_task=2)
        >>> towers([torch.ones(3, 8), torch.ones(3, 8)]).shape
        torch.Size([3, 2])
    """

    def __init__(self, input_dim: int, params_list: Sequence[Mapping[str, Any]], n_task: int):
        check_whole(1, n_task=n_task)
        if len(params_list) != n_task:
            raise ValueError(
                f"tower_params_list has {len(params_list)} entries for {n_task} tasks: give each "
                "task one"
            )
        super().__init__(MLP(input_dim, **{**p, "output_layer": True}) for p in params_list)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return logits (B, T)."""
        return torch.cat([tower(h) for tower, h in zip(self, inputs, strict=True)], dim=1)


class TaskPredictions(nn.ModuleList):
    """Turns logits into predictions: σ for classification tasks, the identity for regression tasks.

    Args:
        task_types: "classification" or "regression" for each task.

    Shape:
        logits: (B, T); returns (B, T).

    Raises:
        ValueError: `task_types` is empty or holds another type.

    Example:
        >>> TaskPredictions(["classification", "regression"])(torch.tensor([[0.0, 7.0]]))
        tensor([[0.5000, 7.0000]])
    """

    def __init__(self, task_types: Sequence[str]) -> None:
        if isinstance(task_types, str) or len(task_types) == 0:
            raise ValueError(f"task_types must be a list with a type for each task: {task_types!r}")
        super().__init__(PredictionLayer(task_type) for task_type in task_types)

    def forward(self, logits: Tensor) -> Tensor:
        """Return (B, T)."""
        columns = [layer(logits[:, i]) for i, layer in enumerate(self)]
        return torch.stack(columns, dim=1)
