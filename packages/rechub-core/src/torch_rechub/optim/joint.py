"""Several optimizers of disjoint parameters, combined into one."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer


class JointOptimizer(Optimizer):
    """Combines several optimizers into one, for schedulers, checkpoints and users.

    Its parameter groups are the dicts of the parts themselves, so that a scheduler changes the
    learning rates of all parts. Its state dict covers all parts.

    Args:
        optimizers: The optimizers; the first one gives the defaults.

    Example:
        >>> dense, table = torch.nn.Linear(2, 1), torch.nn.Embedding(9, 2, sparse=True)
        >>> parts = torch.optim.Adam(dense.parameters()), torch.optim.SparseAdam(table.parameters())
        >>> optimizer = JointOptimizer(parts)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.001, 0.001]
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        # super().__init__ adds groups, which needs an empty tuple of parts
        self.optimizers: tuple[Optimizer, ...] = ()
        super().__init__([g for part in optimizers for g in part.param_groups], {})
        self.defaults = optimizers[0].defaults
        self.state = defaultdict(dict, {p: s for part in optimizers for p, s in part.state.items()})
        self.optimizers = tuple(optimizers)
        self._share()

    def _share(self) -> None:
        """Make the parts use the groups and the state of this optimizer."""
        groups = iter(self.param_groups)
        for part in self.optimizers:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step each part.

        Args:
            closure: Reevaluates the model and returns the loss, which `step` returns.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.optimizers:
            part.step()
        return loss

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters to the first optimizer."""
        if self.optimizers:
            self.optimizers[0].add_param_group(param_group)
            self.param_groups = [g for part in self.optimizers for g in part.param_groups]
        else:
            super().add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state dict of `state_dict`."""
        super().load_state_dict(state_dict)
        self._share()
