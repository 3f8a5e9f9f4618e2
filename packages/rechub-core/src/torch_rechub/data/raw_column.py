"""Columns that cannot be tensors, such as text or lists of different lengths."""

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch


class RawColumn(Sequence[Any]):
    """The unconverted rows of a column, for a custom `collate_fn`.

    ``column[i]`` is row i, ``column[indices]`` a list of rows.

    Args:
        values: One row per sample: a list, a tuple or an array.
        name: The name of the column, for messages.

    Example:
        >>> column = RawColumn([[1, 2], [3]], "history")
        >>> column[1], column[torch.tensor([1, 0])]
        ([3], [[3], [1, 2]])
    """

    def __init__(self, values: Any, name: str) -> None:
        self.values, self.name = values, name

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, index: Any) -> Any:
        """Return the row at `index`, or a list of rows for a slice, list, array or tensor."""
        if isinstance(index, slice):
            return [self.values[i] for i in range(len(self))[index]]
        if np.ndim(index) == 0:
            return self.values[operator.index(index)]
        rows = torch.as_tensor(index)
        rows = rows.nonzero().flatten() if rows.dtype == torch.bool else rows
        return [self.values[i] for i in rows.tolist()]
