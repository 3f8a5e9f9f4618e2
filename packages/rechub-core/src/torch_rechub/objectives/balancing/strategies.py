"""Balancing of several losses: strategies for the weights of tasks."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._bounds import check_number
from ...optim.meta_balance import MetaBalance
from .shared_layers import gradnorm, last_shared_weights, shared_task_layers


class Balancing(nn.Module):
    """Computes the gradients of a step from the losses of tasks.

    A strategy is a separate module, so that its parameters are not part of the model's state dict;
    its own state dict is stored in checkpoints. Those of `choice.STRATEGIES` are created from a
    model, the task types and their options.

    Example:
        >>> balancing = FixedWeights([1.0, 0.5])
        >>> w = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
        >>> balancing.backward([w[0] ** 2, w[1] ** 2], auxiliary=0.1 * w.sum())
        >>> w.grad
        tensor([6.1000, 4.1000])
    """

    def backward(self, losses: Sequence[Tensor], auxiliary: Tensor | float) -> None:
        """Add the gradients of a batch to `.grad`.

        Args:
            losses: A scalar for each task. A loss of 0 without a gradient marks a task
                without labels in the batch, which is ignored in the step.
            auxiliary: A loss that is added without a weight, such as penalties.
        """
        raise NotImplementedError

    def weights(self) -> Tensor:
        """Return the current weights of the tasks' losses: (T,)."""
        raise NotImplementedError

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that the model's optimizer trains in addition."""
        return []


class FixedWeights(Balancing):
    """Fixed weights: Σ_i w_i L_i.

    Args:
        weights: w.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self.w: Tensor
        self.register_buffer("w", torch.tensor(weights))

    def backward(self, losses: Sequence[Tensor], auxiliary: Tensor | float) -> None:
        """Add the gradients of Σ_i w_i L_i + auxiliary."""
        _backward(_weighted_sum(self.w, losses) + auxiliary)

    def weights(self) -> Tensor:
        """Return w."""
        return self.w


class UncertaintyWeights(Balancing):
    """Uncertainty weighting: weights from learned task noise.

    Σ_i e^{−s_i} L_i + s_i / 2 for classifications, Σ_i ½ e^{−s_i} L_i + s_i / 2 for regressions,
    with s_i = log σ_i² learned from 0.

    Args:
        model: The model to train.
        task_types: "classification" or "regression" for each task.

    Example:
        >>> UncertaintyWeights(nn.Linear(1, 2), ["classification", "regression"]).weights()
        tensor([1.0000, 0.5000])

    Reference:
        Kendall, Gal and Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses for Scene
        Geometry and Semantics, CVPR 2018, arXiv 1705.07115, equations 7 and 10.
    """

    def __init__(self, model: nn.Module, task_types: Sequence[str]) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.zeros(len(task_types)))
        self.c: Tensor
        scales = [1.0 if task_type == "classification" else 0.5 for task_type in task_types]
        self.register_buffer("c", torch.tensor(scales), persistent=False)

    def backward(self, losses: Sequence[Tensor], auxiliary: Tensor | float) -> None:
        """Add the gradients of the weighted sum, including those of s."""
        here = _with_labels(losses)
        s, c = self.s[here], self.c[here]
        total = _weighted_sum(c * torch.exp(-s), [losses[i] for i in here]) if here else 0.0
        _backward(total + s.sum() / 2 + auxiliary)

    def weights(self) -> Tensor:
        """Return e^{−s_i}, or half of it for regressions."""
        return self.c * torch.exp(-self.s.detach())

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return s."""
        return [self.s]


class GradNormWeights(Balancing):
    """GradNorm: weights that equalize the training rates of tasks; see `gradnorm`.

    The weights start at 1, are trained by their own optimizer (Adam), and are rescaled to the sum T
    after each step.

    Args:
        model: A model with a method `shared_layers`.
        task_types: A type for each of the T tasks.
        alpha: α, how strongly slowly trained tasks are favored; 0 equalizes the norms.
        lr: Learning rate of the weights.

    Raises:
        ValueError: The model has no `shared_layers`, or α or lr is negative.

    Reference:
        Chen et al., GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask
        Networks, ICML 2018, arXiv 1711.02257.
    """

    def __init__(
        self,
        model: nn.Module,
        task_types: Sequence[str],
        alpha: float = 0.16,
        lr: float = 0.025,
    ) -> None:
        super().__init__()
        check_number("[0, inf)", alpha=alpha, lr=lr)
        self.layer, self.alpha = last_shared_weights(model), alpha
        n_task = len(task_types)
        self.w = nn.ParameterList(torch.ones(()) for _ in range(n_task))
        self.initial: Tensor
        self.register_buffer("initial", torch.full((n_task,), torch.nan))
        self.optimizer = torch.optim.Adam(self.w.parameters(), lr=lr)

    def backward(self, losses: Sequence[Tensor], auxiliary: Tensor | float) -> None:
        """Add the gradients of Σ_i w_i L_i + auxiliary, and move w."""
        if isinstance(auxiliary, Tensor) and auxiliary.requires_grad:
            auxiliary.backward(retain_graph=True)
        here = _with_labels(losses)
        if not here:
            return
        found, chosen = [losses[i] for i in here], [self.w[i] for i in here]
        absent = [float(w.detach()) for i, w in enumerate(self.w) if i not in here]
        now = self.initial.clone()
        now[here] = torch.stack([loss.detach() for loss in found]).to(now)
        self.initial = torch.where(self.initial.isfinite(), self.initial, now)
        self.optimizer.zero_grad()  # a weight without a gradient is not updated
        gradnorm(found, chosen, self.layer, self.initial[here], self.alpha)
        self.optimizer.step()
        with torch.no_grad():
            w = self.weights()[here].clamp(min=1e-4)  # a step may result in a negative weight
            scaled = (len(self.w) - sum(absent)) * w / w.sum()
            for parameter, value in zip(chosen, scaled, strict=True):
                parameter.copy_(value)

    def weights(self) -> Tensor:
        """Return w."""
        return torch.stack([w.detach() for w in self.w])

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the optimizer of w."""
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the result of `get_extra_state`."""
        self.optimizer.load_state_dict(state)


class GradientBalance(Balancing):
    """MetaBalance: scales the gradients of other tasks to the norm of the first; see `MetaBalance`.

    Only shared layers are balanced; towers get their plain gradients.

    Args:
        model: A model with a method `shared_layers`.
        task_types: A type for each of the T tasks.
        relax_factor: r: 0 only sums the gradients, 1 equalizes the norms.
        beta: Decay of the moving averages of norms.

    Raises:
        ValueError: The model has no `shared_layers`, or an argument is out of range.
    """

    def __init__(
        self,
        model: nn.Module,
        task_types: Sequence[str],
        relax_factor: float = 0.7,
        beta: float = 0.9,
    ) -> None:
        super().__init__()
        self.n_task, self.r = len(task_types), relax_factor
        shared = [p for p in shared_task_layers(model)[0] if p.requires_grad]
        self.optimizer = MetaBalance(shared, relax_factor, beta)

    def backward(self, losses: Sequence[Tensor], auxiliary: Tensor | float) -> None:
        """Add the balanced gradients of the losses, and the gradient of `auxiliary`."""
        if isinstance(auxiliary, Tensor) and auxiliary.requires_grad:
            auxiliary.backward(retain_graph=True)
        here = _with_labels(losses)
        if here:
            self.optimizer.step([loss if i in here else None for i, loss in enumerate(losses)])

    def weights(self) -> Tensor:
        """Return the factors of the tasks' gradients, averaged over the shared parameters."""
        norms = [state["norms"] for state in self.optimizer.state.values()]
        if not norms:
            return torch.ones(self.n_task)
        m = torch.stack(norms)
        scales = torch.nan_to_num(m[:, :1] / m, posinf=0.0) * self.r + 1 - self.r
        scales[:, 0] = 1.0
        return scales.mean(dim=0)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the moving averages of norms."""
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the result of `get_extra_state`."""
        self.optimizer.load_state_dict(state)


def _weighted_sum(weights: Tensor, losses: Sequence[Tensor]) -> Tensor:
    return (weights * torch.stack(list(losses))).sum()


def _with_labels(losses: Sequence[Tensor]) -> list[int]:
    """Return the indices of the tasks with labels in the batch."""
    return [i for i, loss in enumerate(losses) if loss.requires_grad or loss != 0]


def _backward(total: Tensor | float) -> None:
    """Add the gradients of a sum; it has none if no trained task has a label."""
    if isinstance(total, Tensor) and (total.requires_grad or total != 0):
        total.backward()
