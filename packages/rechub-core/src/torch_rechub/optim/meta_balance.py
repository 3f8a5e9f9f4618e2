"""MetaBalance: scales the gradients of auxiliary tasks to the target task's norm."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from .._bounds import check_number


class MetaBalance(Optimizer):
    """Sums the gradients of several tasks; auxiliary gradients are scaled toward the target's norm.

    For each parameter, with g_i the gradient of task i and task 0 the target:

    g_i ← g_i · (m_0 / m_i) · r + g_i · (1 − r)

    m_i is the moving average of ‖g_i‖, Σ_k β^k ‖g_i‖ of k steps ago / Σ_k β^k, over the steps with
    a gradient of task i; infinite and NaN norms are skipped. The target's gradient is never
    changed. For parameters without a gradient of the target, the other gradients are only summed.

    It does not update weights: `step` adds the sum to `.grad`, for the step of another optimizer.
    Its `state_dict` holds the moving averages.

    Args:
        parameters: The parameters that the tasks share, or groups of them.
        relax_factor: r in [0, 1]: 0 only sums, 1 scales each task to the target's norm.
        beta: β in [0, 1), the decay of the moving averages; 0 uses the norms of the current step.

    Raises:
        ValueError: If `relax_factor` or `beta` is out of its range.

    Example:
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
        >>> sgd, balance = torch.optim.SGD([w], lr=0.1), MetaBalance([w], relax_factor=1.0)
        >>> sgd.zero_grad()
        >>> balance.step([3 * w[0], 60 * w[1]])
        >>> w.grad
        tensor([3., 3.])
        >>> sgd.step()

    Reference:
        He et al., "MetaBalance: Improving Multi-Task Recommendations via Adapting Gradient
        Magnitudes of Auxiliary Tasks", WWW 2022, arXiv:2203.06801.
    """

    def __init__(self, parameters: ParamsT, relax_factor: float = 0.7, beta: float = 0.9) -> None:
        check_number("[0, 1]", relax_factor=relax_factor)
        check_number("[0, 1)", beta=beta)
        super().__init__(parameters, {"relax_factor": relax_factor, "beta": beta})

    def step(self, losses: Sequence[Tensor | None]) -> None:  # type: ignore[override]
        """Run the tasks backward and add the balanced gradients to `.grad`.

        Like `backward`, it accumulates: zero the gradients first. Parameters that are not in this
        optimizer, such as those of the towers, get their plain gradients.

        Args:
            losses: A scalar for each task, the target's first, in the same order at each step; None
                for a task that has no part in this one, such as for want of labels.

        Raises:
            ValueError: There is no loss, a loss is not a scalar with a gradient, or their number
                differs from the previous step.
        """
        self._prepare(losses)
        shared = [
            (p, group) for group in self.param_groups for p in group["params"] if p.requires_grad
        ]
        sums: list[Tensor | None] = [p.grad for p, _ in shared]
        tasks = [(task, loss) for task, loss in enumerate(losses) if loss is not None]
        for task, loss in tasks:
            for p, _ in shared:
                p.grad = None
            loss.backward(retain_graph=task != tasks[-1][0])
            for i, (p, group) in enumerate(shared):
                if p.grad is None:
                    continue
                g = self._balanced(p, task, group["relax_factor"], group["beta"])
                before = sums[i]
                sums[i] = g if before is None else before + g
        for (p, _), total in zip(shared, sums, strict=True):
            p.grad = total

    def _prepare(self, losses: Sequence[Tensor | None]) -> None:
        if len(losses) == 0:
            raise ValueError("losses is empty, expected the target task's and the others'")
        for task, loss in enumerate(losses):
            if loss is not None and (loss.numel() != 1 or not loss.requires_grad):
                raise ValueError(
                    f"the loss of task {task} must be a scalar that requires a gradient, got "
                    f"shape {tuple(loss.shape)}, requires_grad={loss.requires_grad}"
                )
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["norms"] = torch.zeros(len(losses), dtype=_norm_dtype(p), device=p.device)
                    state["updates"] = [0] * len(losses)
                elif len(state["updates"]) != len(losses):
                    raise ValueError(
                        f"{len(losses)} losses, but {len(state['updates'])} in the steps before"
                    )

    @torch.no_grad()
    def _balanced(self, p: Tensor, task: int, r: float, beta: float) -> Tensor:
        """Return the scaled gradient of `p.grad`, after updating the task's moving average."""
        g, norms, updates = p.grad, self.state[p]["norms"], self.state[p]["updates"]
        assert g is not None
        updates[task] += 1
        share = (1 - beta) / (1 - beta ** updates[task])
        change = _norm(g) - norms[task]
        norms[task] += share * torch.where(change.isfinite(), change, 0.0)
        if task == 0 or updates[0] == 0:
            return g
        ratio = torch.nan_to_num(norms[0] / norms[task])  # the factor is infinite only where g is 0
        return g * (ratio * r + (1 - r))


def _norm(g: Tensor) -> Tensor:
    values = g.coalesce().values() if g.is_sparse else g
    norm: Tensor = torch.linalg.vector_norm(values, dtype=_norm_dtype(g))
    return norm


def _norm_dtype(p: Tensor) -> torch.dtype:
    return torch.promote_types(p.dtype, torch.float32)  # squares underflow in half precision
