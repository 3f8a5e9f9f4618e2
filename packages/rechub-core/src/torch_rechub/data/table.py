"""Tables in memory: the columns that users give, as tensors, fetched by many rows at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .padding import stacked

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


def df_to_dict(data: Any) -> dict[str, Any]:
    """The columns of a frame as a dict of new arrays.

    A column whose cells are lists or arrays of one length L becomes an array of shape (N, L).

    Example:
        >>> import pandas as pd
        >>> df_to_dict(pd.DataFrame({"user": [1, 2], "history": [[3, 4], [5, 6]]}))
        {'user': array([1, 2]), 'history': array([[3, 4],
               [5, 6]])}
    """
    return {name: stacked(np.array(data[name].to_numpy())) for name in data.columns}


def take(columns: Mapping[str, Tensor], index: Index) -> dict[str, Tensor]:
    """The rows at `index` of each column."""
    if isinstance(index, Tensor) and index.dtype == torch.int64 and index.dim() == 1:
        rows = torch.where(index < 0, index + len(next(iter(columns.values()))), index)
        # four times as fast as indexing in general
        return {name: column.index_select(0, rows) for name, column in columns.items()}
    return {name: column[index] for name, column in columns.items()}


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
        return take(self.x, index)


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
        return take(self.x, index), take({"y": self.y}, index)["y"]


class SeqDataset(Dataset[Any]):
    """Sequences of tokens, each with the token that follows.

    ``dataset[i]`` is one sequence, ``dataset[indices]`` (a slice, a list or a tensor) many at once:
    ``(seq_tokens, seq_positions, seq_time_diffs, target)`` either way, tensors of int64.

    Args:
        seq_tokens: Ids of the tokens, shape (N, L).
        seq_positions: The position of each in its sequence, shape (N, L).
        targets: The id of the token to predict, shape (N,).
        seq_time_diffs: Seconds from each event to one moment, such as the last event; shape (N, L).

    Raises:
        ValueError: The shapes do not fit together.

    Example:
        >>> SeqDataset([[5, 6], [7, 8]], [[0, 1], [0, 1]], [7, 9], [[60, 5], [9, 1]])[0]
        (tensor([5, 6]), tensor([0, 1]), tensor([60,  5]), tensor(7))
    """

    def __init__(
        self, seq_tokens: Any, seq_positions: Any, targets: Any, seq_time_diffs: Any
    ) -> None:
        self.seq_tokens = to_tensor(seq_tokens, "seq_tokens")
        self.seq_positions = to_tensor(seq_positions, "seq_positions")
        self.targets = to_tensor(targets, "targets")
        self.seq_time_diffs = to_tensor(seq_time_diffs, "seq_time_diffs")
        shape = tuple(self.seq_tokens.shape)
        if len(shape) != 2:
            raise ValueError(f"seq_tokens must have the shape (N, L), got {shape}")
        for name in ("seq_positions", "seq_time_diffs"):
            other = tuple(getattr(self, name).shape)
            if other != shape:
                raise ValueError(f"seq_tokens has the shape {shape}, but {name} has {other}")
        if len(self.targets) != shape[0]:
            raise ValueError(f"there are {shape[0]} sequences, but {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: Index) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The sequences at `index`, and their targets."""
        return (
            self.seq_tokens[index].long(),
            self.seq_positions[index].long(),
            self.seq_time_diffs[index].long(),
            self.targets[index].long(),
        )
