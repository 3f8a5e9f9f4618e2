"""Update rules of `LazyOptimizer`, with the arguments and defaults of torch's optimizers."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from .lazy import LazyOptimizer, State, row_state, take_in_squares


class LazyAdam(LazyOptimizer):
    """Adam with lazy updates.

    m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  w ← w − lr · m̂ / (√v̂ + ε)

    with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), and g ← g + λ w before.

    ε is added to √v̂, as in the paper and in `torch.optim.Adam`; the steps are the same if every
    row is touched. `torch.optim.SparseAdam` adds it to √v, which is an ε of ε / √(1 − β₂ᵗ): 32
    times as large at the first step with β₂ = 0.999.

    Args:
        params: Parameters.
        lr: Learning rate.
        betas: β₁ and β₂.
        eps: ε.
        weight_decay: λ, applied to touched rows.
        maximize: Whether to maximize the objective.
        row_wise: Whether v has one value per row; see `LazyOptimizer`.

    Example:
        >>> table = torch.nn.Embedding(1000, 4, sparse=True)
        >>> optimizer = LazyAdam(table.parameters(), lr=0.1)
        >>> before = table.weight.detach().clone()
        >>> table(torch.tensor([7, 9, 7])).sum().backward()
        >>> optimizer.step()
        >>> (table.weight != before).any(dim=1).nonzero().flatten()
        tensor([7, 9])

    Reference:
        Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, arXiv 1412.6980.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        row_wise: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "maximize": maximize}, row_wise)

    def moments(self, p: Tensor, group: Mapping[str, Any]) -> State:
        """Return m and v."""
        return {"exp_avg": torch.zeros_like(p), "exp_avg_sq": row_state(p, group)}

    def update(
        self, w: Tensor, g: Tensor, moments: State, step: int, group: Mapping[str, Any]
    ) -> None:
        """Update w, m and v."""
        lr, (beta1, beta2), decay = float(group["lr"]), group["betas"], group["weight_decay"]
        m, v = moments["exp_avg"], moments["exp_avg_sq"]
        if decay and self.decoupled:
            w.mul_(1 - lr * decay)
        elif decay:
            g = g.add(w, alpha=decay)
        m.lerp_(g, 1 - beta1)
        take_in_squares(v.mul_(beta2), g, group, share=1 - beta2)
        # m̂ / (√v̂ + ε), with the bias corrections folded into lr and ε
        c = math.sqrt(1 - beta2**step)
        w.addcdiv_(m, v.sqrt().add_(group["eps"] * c), value=-lr * c / (1 - beta1**step))


class LazyAdamW(LazyAdam):
    """AdamW with lazy updates: decoupled weight decay, w ← (1 − lr · λ) w before each step.

    Args:
        params: Parameters.
        lr: Learning rate.
        betas: β₁ and β₂.
        eps: ε.
        weight_decay: λ, applied to touched rows.
        maximize: Whether to maximize the objective.
        row_wise: Whether v has one value per row; see `LazyOptimizer`.

    Reference:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019, arXiv 1711.05101.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
        row_wise: bool = False,
    ) -> None:
        options = {"maximize": maximize, "row_wise": row_wise}
        super().__init__(params, lr, betas, eps, weight_decay, **options)


class LazySGD(LazyOptimizer):
    """Stochastic gradient descent with lazy updates.

    b ← μ b + g,  w ← w − lr · b,  or  w ← w − lr · (g + μ b)  if `nesterov`; g ← g + λ w before

    Args:
        params: Parameters.
        lr: Learning rate.
        momentum: μ; with 0, b is not stored.
        weight_decay: λ, applied to touched rows.
        nesterov: Whether to use Nesterov momentum.
        maximize: Whether to maximize the objective.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "nesterov": nesterov, "maximize": maximize})

    def moments(self, p: Tensor, group: Mapping[str, Any]) -> State:
        """Return b, if there is momentum."""
        return {"momentum_buffer": torch.zeros_like(p)} if group["momentum"] else {}

    def update(
        self, w: Tensor, g: Tensor, moments: State, step: int, group: Mapping[str, Any]
    ) -> None:
        """Update w and b."""
        if group["weight_decay"]:
            g = g.add(w, alpha=group["weight_decay"])
        if group["momentum"]:
            b = moments["momentum_buffer"].mul_(group["momentum"]).add_(g)
            g = g.add(b, alpha=group["momentum"]) if group["nesterov"] else b
        w.sub_(g, alpha=float(group["lr"]))


class LazyAdagrad(LazyOptimizer):
    """Adagrad with lazy updates.

    s ← s + g²,  w ← w − lr / (1 + (t − 1) η) · g / (√s + ε);  g ← g + λ w before

    Args:
        params: Parameters.
        lr: Learning rate.
        lr_decay: η.
        weight_decay: λ, applied to touched rows.
        initial_accumulator_value: Initial value of s.
        eps: ε.
        maximize: Whether to maximize the objective.
        row_wise: Whether s has one value per row; see `LazyOptimizer`.

    Reference:
        Duchi, Hazan and Singer, Adaptive Subgradient Methods for Online Learning and Stochastic
        Optimization, JMLR 2011.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        row_wise: bool = False,
    ) -> None:
        defaults = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        defaults["initial_accumulator_value"] = initial_accumulator_value
        super().__init__(params, {**defaults, "maximize": maximize}, row_wise)

    def moments(self, p: Tensor, group: Mapping[str, Any]) -> State:
        """Return s."""
        return {"sum": row_state(p, group, group["initial_accumulator_value"])}

    def update(
        self, w: Tensor, g: Tensor, moments: State, step: int, group: Mapping[str, Any]
    ) -> None:
        """Update w and s."""
        if group["weight_decay"]:
            g = g.add(w, alpha=group["weight_decay"])
        s = take_in_squares(moments["sum"], g, group)
        lr = float(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        w.addcdiv_(g, s.sqrt().add_(group["eps"]), value=-lr)
