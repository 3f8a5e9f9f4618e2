"""Batches of whole groups, for losses that compare the rows of a group."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, Subset

from .._bounds import refuse_none, whole_number
from .batch import groups_in
from .shares import parts_of


class GroupIndices(Sampler[Any]):
    """The row indices of each batch, all rows of a group in one batch.

    A batch ends with the group in which it reaches `batch_size` rows, so it has at most the rows of
    one group more. Rows of a group stay in their order.

    Args:
        groups: The group of each row, (N,).
        batch_size: Rows at which a batch ends.
        shuffle: Whether to draw a new order of the groups each pass, from torch's global random
            state.

    Example:
        >>> [b.tolist() for b in GroupIndices(torch.tensor([7, 3, 7, 3, 3, 9]), batch_size=3)]
        [[1, 3, 4], [0, 2, 5]]
    """

    def __init__(self, groups: Tensor, batch_size: int, shuffle: bool = False) -> None:
        refuse_none(batch_size=batch_size)
        self.batch_size: int
        self.batch_size, self.shuffle = whole_number(1, batch_size=batch_size), shuffle
        self.rows, self.sizes = by_group(groups)

    def __len__(self) -> int:
        """The largest number of batches of a pass; by the order of the groups there may be less."""
        return min(-(-len(self.rows) // self.batch_size), len(self.sizes))

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.arange(len(self.sizes))
        if self.shuffle:
            order = torch.randperm(len(self.sizes), generator=_generator())
        sizes = self.sizes[order]
        rows = self.rows[in_order(self.sizes, order)]
        batch = (sizes.cumsum(0) - sizes) // self.batch_size
        counts = torch.zeros(len(batch) and int(batch[-1]) + 1, dtype=torch.int64)
        counts.index_add_(0, batch, sizes)
        yield from (part for part in rows.split(counts.tolist()) if len(part))


def by_group(groups: Tensor) -> tuple[Tensor, Tensor]:
    """The rows ordered by group, (N,), and the number of rows of each group, (G,)."""
    _, of_row, sizes = groups.unique(return_inverse=True, return_counts=True)
    return of_row.argsort(stable=True), sizes


def in_order(sizes: Tensor, order: Tensor) -> Tensor:
    """The places of the rows of groups, ordered by group, when the groups come in another order."""
    starts, taken = (sizes.cumsum(0) - sizes)[order], sizes[order]
    shift = (starts - (taken.cumsum(0) - taken)).repeat_interleave(taken)
    return shift + torch.arange(len(shift))


def groups_of(dataset: Dataset[Any], column: str) -> Tensor:
    """The group of each row of a data set in memory, or of a part of one.

    Raises:
        KeyError: There is no such column.
        TypeError: The data set is no table.
        ValueError: The column does not hold one number a row.
    """
    if isinstance(dataset, Subset):
        return groups_of(dataset.dataset, column)[torch.as_tensor(dataset.indices)]
    table = getattr(dataset, "x", None)
    if not isinstance(table, dict):
        raise TypeError(
            f"group_column needs a table in memory, such as TorchDataset, got "
            f"{type(dataset).__name__}"
        )
    return groups_in(table, column, "N")


def random_parts_of_groups(
    dataset: Dataset[Any], ratio: Sequence[float], column: str
) -> list[Subset[Any]]:
    """Split a data set at random between groups, from torch's global random state.

    Args:
        dataset: A table in memory.
        ratio: Shares of the rows for training and validation; the rest is for testing. A group goes
            to the part in which its first row would be.
        column: The column of groups.

    Returns:
        The parts for training, validation and test.
    """
    rows, sizes = by_group(groups_of(dataset, column))
    split = {"rule": "random groups", "shares": list(ratio), "seed": torch.initial_seed()}
    order = torch.randperm(len(sizes))
    ends = torch.tensor([int(len(rows) * sum(ratio[: i + 1])) for i in range(2)])
    taken = sizes[order]
    part = torch.searchsorted(ends, taken.cumsum(0) - taken, right=True).repeat_interleave(taken)
    rows = rows[in_order(sizes, order)]
    return parts_of(dataset, (rows[part == i] for i in range(3)), {**split, "groups": column})


def _generator() -> torch.Generator:
    """A generator seeded from torch's global random state, as those of torch's samplers are."""
    generator = torch.Generator()
    generator.manual_seed(int(torch.empty((), dtype=torch.int64).random_().item()))
    return generator
