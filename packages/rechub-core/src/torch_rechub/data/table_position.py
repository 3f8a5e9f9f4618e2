"""The position in an epoch of a loader whose order is drawn from torch's global random state."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor


class TablePosition:
    """The position of a loader: the random state at the beginning of the epoch, and the batches.

    The epoch continues by drawing its order from that random state again; batches before the
    position are loaded and dropped.

    Args:
        identity: The sizes and arguments that the batches depend on, by name.
    """

    def __init__(self, identity: Mapping[str, Any]) -> None:
        self.identity = dict(identity)
        self._random: Tensor | None = None  # of the epoch that is being loaded
        self._batches = 0
        self._start: tuple[Tensor | None, int] = (None, 0)  # of the next epoch

    def begin(self) -> int:
        """Begin the next epoch, before its order is drawn; return the number of batches to skip."""
        (random, self._batches), self._start = self._start, (None, 0)
        if random is not None:
            torch.set_rng_state(random)
        self._random = torch.get_rng_state()
        return self._batches

    def counted(self, batches: Iterator[Any], skip: int) -> Iterator[Any]:
        """Iterate over the batches after the first `skip` ones, and count them."""
        for number, batch in enumerate(islice(batches, skip, None), start=skip + 1):
            self._batches = number
            yield batch
        self._random, self._batches = None, 0

    def state_dict(self) -> dict[str, Any]:
        """The position, as tensors and numbers."""
        return {"random": self._random, "batches": self._batches, **self.identity}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a position with the next epoch.

        Raises:
            ValueError: The state is of a loader with other arguments or another table.
        """
        for name, own in self.identity.items():
            if state.get(name) != own:
                raise ValueError(
                    f"the state is of a loader with {name}={state.get(name)!r}, but this one has "
                    f"{name}={own!r}, by which its batches are others: use the same arguments and "
                    "table, or begin the epoch anew"
                )
        self._start = (state["random"], int(state["batches"]))
