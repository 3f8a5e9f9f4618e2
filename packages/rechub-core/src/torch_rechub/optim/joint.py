"""Several optimizers, each of its own parameters, behind the interface of one."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer


class JointOptimizer(Optimizer):
    """Steps several optimizers as one, which schedules, checkpoints and users see.

    Its parameter groups are the dicts of the parts themselves, so that a scheduler changes the
    learning rates of all parts. Its state dict covers all parts. Where the parts share a group,
    `groups` has the whole groups: at each step a part copies the settings of the group that
    contains its parameters.

    Args:
        optimizers: The optimizers; the first one gives the defaults.
        groups: Parameter groups to use in place of those of the parts; together they contain the
            parameters of all parts.

    Raises:
        ValueError: No group of `groups` contains all parameters of a part's group.

    Example:
        >>> dense, table = torch.nn.Linear(2, 1), torch.nn.Embedding(9, 2, sparse=True)
        >>> parts = torch.optim.Adam(dense.parameters()), torch.optim.SparseAdam(table.parameters())
        >>> optimizer = JointOptimizer(parts)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.001, 0.001]
        >>> whole = {"params": [*dense.parameters(), table.weight], "lr": 0.5}
        >>> [group["lr"] for group in JointOptimizer(parts, groups=[whole]).param_groups]
        [0.5]
    """

    def __init__(
        self, optimizers: Sequence[Optimizer], groups: Sequence[dict[str, Any]] | None = None
    ) -> None:
        # super().__init__ adds groups, which needs an empty tuple of parts
        self.optimizers: tuple[Optimizer, ...] = ()
        shown = [g for part in optimizers for g in part.param_groups] if groups is None else groups
        super().__init__(list(shown), {})
        self.defaults = optimizers[0].defaults
        self.state = defaultdict(dict, {p: s for part in optimizers for p, s in part.state.items()})
        self.optimizers = tuple(optimizers)
        # each group of a part, and the index of the group whose settings it copies
        self._followed: list[tuple[dict[str, Any], int]] | None = None
        if groups is not None:
            whole = [{id(p) for p in group["params"]} for group in self.param_groups]
            self._followed = [
                (group, _index_of(group["params"], whole))
                for part in optimizers
                for group in part.param_groups
            ]
        self._share()

    def _share(self) -> None:
        """Let the parts work on the groups and the state of the whole."""
        groups = iter(self.param_groups)
        for part in self.optimizers:
            if self._followed is None:
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
        for group, index in self._followed or ():
            shown = self.param_groups[index]
            group.update((n, shown[n]) for n in group if n != "params" and n in shown)
        for part in self.optimizers:
            part.step()
        return loss

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters to the first optimizer."""
        if not self.optimizers:
            super().add_param_group(param_group)
            return
        first = self.optimizers[0]
        first.add_param_group(param_group)
        if self._followed is None:
            self.param_groups = [g for part in self.optimizers for g in part.param_groups]
        else:
            added = first.param_groups[-1]
            self._followed.append((added, len(self.param_groups)))
            self.param_groups.append(dict(added))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self._share()


def _index_of(params: Sequence[Any], groups: Sequence[set[int]]) -> int:
    """The index of the group that holds all of `params`."""
    ids = {id(p) for p in params}
    found = next((i for i, group in enumerate(groups) if ids <= group), None)
    if found is None:
        raise ValueError("the parameters of a part's group are not all in one of the groups")
    return found
