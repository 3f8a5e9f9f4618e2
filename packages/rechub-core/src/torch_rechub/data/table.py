"""Tables in memory: the columns that users give, as tensors, fetched by many rows at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

Index = int | slice | list[int] | Tensor


def to_columns(table: Any) -> dict[str, Tensor]:
    """The columns of a table by name, each a tensor of N rows, without a copy where possible.

    Args:
        table: A dict of arrays, tensors or lists; or a pandas, polars or Arrow table.

    Raises:
        TypeError: It is no table, or a column holds what is no number.
        ValueError: Columns differ in length, or the lists in a column do.

    Example:
        >>> to_columns({"id": [1, 2], "history": [[1, 0], [2, 3]]})["history"].shape
        torch.Size([2, 2])
    """
    if isinstance(table, Mapping):
        names = list(table)
    elif hasattr(table, "column_names"):  # Arrow
        names = list(table.column_names)
    elif hasattr(table, "columns"):  # pandas, polars
        names = list(table.columns)
    else:
        raise TypeError(
            "x must be a dict of columns or a pandas, polars or Arrow table, "
            f"got {type(table).__name__}"
        )
    columns = {str(name): to_tensor(table[name], str(name)) for name in names}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns differ in length: {lengths}")
    return columns


def to_tensor(values: Any, name: str) -> Tensor:
    """One column as a tensor of N rows; `name` is for messages.

    Raises:
        TypeError: The column holds what is no number.
        ValueError: The column is a list of lists of different lengths, or a single value.
    """
    if isinstance(values, Tensor) and values.dim() > 0:
        return values
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(_regular(values, name))
    if array.ndim == 0:
        raise ValueError(f"column {name!r} is a single value, {values!r}, not one for each row")
    if array.dtype == object:
        array = np.asarray(_regular(list(array), name))
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"column {name!r} holds {array.dtype}, not numbers: map its values to ids from 0 first "
            "(scikit-learn's OrdinalEncoder, pandas' factorize)"
        )
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(np.ascontiguousarray(array))


def _regular(values: Any, name: str) -> Any:
    """Refuse rows of different lengths, which NumPy would refuse with less to say."""
    if isinstance(values, list | tuple):
        lengths = {len(row) if hasattr(row, "__len__") else -1 for row in values}
        if len(lengths) > 1 and not any(isinstance(row, str) for row in values):
            raise ValueError(
                f"column {name!r} holds rows of different lengths ({min(lengths)} to "
                f"{max(lengths)}): bring them to one length first, with "
                "torch_rechub.utils.data.pad_sequences"
            )
    return values


class PredictDataset(Dataset[Any]):
    """A table of inputs without labels.

    ``dataset[i]`` is one row, ``dataset[indices]`` (a slice, a list or a tensor) many rows at once:
    a dict of tensors either way.

    Args:
        x: The columns; see `to_columns`.

    Example:
        >>> PredictDataset({"user": [3, 4, 5]})[[0, 2]]
        {'user': tensor([3, 5])}
    """

    def __init__(self, x: Any) -> None:
        self.x = to_columns(x)
        if not self.x:
            raise ValueError("the table has no columns")

    def __len__(self) -> int:
        return len(next(iter(self.x.values())))

    def __getitem__(self, index: Index) -> Any:
        """The rows at `index`, column by column."""
        return {name: column[index] for name, column in self.x.items()}


class TorchDataset(PredictDataset):
    """A table of inputs with labels.

    ``dataset[i]`` is one row, ``dataset[indices]`` many rows at once: ``(x, y)`` either way, with x
    a dict of tensors.

    Args:
        x: The columns; see `to_columns`.
        y: The labels, shape (N,) or (N, T).

    Raises:
        ValueError: x and y differ in length.
    """

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__(x)
        self.y = to_tensor(y, "y")
        if len(self.y) != len(self):
            raise ValueError(f"x has {len(self)} rows, but y has {len(self.y)}")

    def __getitem__(self, index: Index) -> Any:
        """The rows at `index` and their labels."""
        return super().__getitem__(index), self.y[index]
