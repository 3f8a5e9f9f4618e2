"""Several optimizers, each of its own parameters, behind the interface of one."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer


class JointOptimizer(Optimizer):
    """Steps several optimizers as one, which schedules, checkpoints and users see.

    Its parameter groups are those of its parts, the very dicts, so that a schedule moves the rates
    of all. Its state dict holds everything.

    Args:
        optimizers: The parts; the first one's defaults are the whole's.

    Example:
        >>> dense, table = torch.nn.Linear(2, 1), torch.nn.Embedding(9, 2, sparse=True)
        >>> parts = torch.optim.Adam(dense.parameters()), torch.optim.SparseAdam(table.parameters())
        >>> optimizer = JointOptimizer(parts)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.001, 0.001]
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self.optimizers: tuple[Optimizer, ...] = ()  # while there are none, groups are not shared
        super().__init__([g for part in optimizers for g in part.param_groups], {})
        self.defaults = optimizers[0].defaults
        self.state = defaultdict(dict, {p: s for part in optimizers for p, s in part.state.items()})
        self.optimizers = tuple(optimizers)
        self._share()

    def _share(self) -> None:
        """Let the parts work on the groups and the state of the whole."""
        groups = iter(self.param_groups)
        for part in self.optimizers:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step each part.

        Args:
            closure: Evaluates the model anew and returns the loss, which is then returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.optimizers:
            part.step()
        return loss

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Give additional parameters to the first part."""
        if self.optimizers:
            self.optimizers[0].add_param_group(param_group)
            self.param_groups = [g for part in self.optimizers for g in part.param_groups]
        else:
            super().add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self._share()
