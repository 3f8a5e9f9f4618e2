"""Tables in memory: columns as tensors, indexed by the batch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .._bounds import refuse_masked
from .cells import refuse_beyond_int64, refuse_missing_rows, to_numbers
from .origin import origin_of
from .padding import stacked
from .raw_column import RawColumn
from .weights import check_weights

Column: TypeAlias = Tensor | RawColumn
Index = int | slice | list[int] | Tensor


def to_columns(table: Any) -> dict[str, Column]:
    """Convert the columns of a table to tensors of N rows, without a copy if possible.

    Columns that are not numeric, or of lists of different lengths, become a `RawColumn`.

    Args:
        table: A dict of arrays, tensors or lists; or a pandas, polars or Arrow table.

    Raises:
        TypeError: `table` has another type.
        ValueError: Columns differ in length, or a column is a single value.

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
    columns = {str(name): to_column(table[name], str(name)) for name in names}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns differ in length: {lengths}")
    return columns


def to_column(values: Any, name: str) -> Column:
    """Convert a column to a tensor of N rows, or to a `RawColumn`; `name` is for messages.

    Raises:
        ValueError: The column is a single value.
    """
    rows = _rows_of(values, name)
    try:
        return to_tensor(rows, name)
    except (TypeError, ValueError):
        return RawColumn(rows, name)


def to_tensor(values: Any, name: str) -> Tensor:
    """Convert a column to a tensor of N rows; `name` is for messages.

    Missing values (None, NaN, NaT, pandas' NA, null) become NaN, because only the model knows
    whether the column holds ids. Trainers refuse them in the columns that the model reads.

    Raises:
        TypeError: The column is not numeric.
        ValueError: Lists differ in length, a list is missing, an integer is beyond int64, or the
            column is a single value.
    """
    rows = _rows_of(values, name)
    if isinstance(rows, Tensor):
        return rows
    if isinstance(rows, list | tuple) or rows.dtype == object:
        rows = _regular(list(rows), name)
    array = np.asarray(rows)
    if array.dtype.kind not in "biuf":
        array = to_numbers(array, name)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)  # torch has no longer one
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        refuse_beyond_int64(array, name)
        array = array.astype(np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(np.ascontiguousarray(array))


def _rows_of(values: Any, name: str) -> Any:
    """Return the rows of a column as a list, a tuple, an array or a tensor."""
    kind = getattr(values, "type", None)
    if kind is not None and hasattr(kind, "index_type"):
        # Arrow's to_numpy leaves the values of nulls undefined
        values = values.cast(kind.value_type)
    # missing values need a copy, which Arrow arrays refuse by default
    copied = {"zero_copy_only": False} if hasattr(values, "buffers") else {}
    if _is_nullable(values) and values.isna().any():
        rows = values.to_numpy(dtype="float64", na_value=np.nan)
    else:
        rows = values.to_numpy(**copied) if hasattr(values, "to_numpy") else values
    refuse_masked(rows, f"column {name!r}")
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes | range):
        rows = rows if isinstance(rows, list | tuple) else list(rows)
    if not isinstance(rows, list | tuple):
        rows = rows if isinstance(rows, Tensor) else np.asarray(rows)
        if rows.ndim == 0:
            raise ValueError(f"column {name!r} is a single value, {values!r}, not one for each row")
    return rows


def _is_nullable(values: Any) -> bool:
    """Whether values are nullable numbers of pandas, which it would convert to objects."""
    dtype = getattr(values, "dtype", None)
    numbers = getattr(dtype, "kind", "O") in tuple("biuf") and not isinstance(dtype, np.dtype)
    return numbers and hasattr(values, "isna")


def _regular(rows: list[Any], name: str) -> Any:
    """Convert rows to an array; the error for different lengths is clearer than NumPy's."""
    lengths = {len(row) if hasattr(row, "__len__") else -1 for row in rows}
    several = f" ({min(lengths)} to {max(lengths)})" if len(lengths) > 1 else ""
    if several:
        refuse_missing_rows(rows, name)
    array: Any = None
    try:
        if not several or any(isinstance(row, str) for row in rows):
            array = np.asarray(rows)
            if array.dtype.kind not in "biu":
                # NumPy would convert numbers among text to text, and ints beyond int64 to floats
                array = np.asarray(rows, dtype=object)
    except ValueError:  # the rows contain lists of different lengths
        pass
    if array is not None:
        return array
    raise ValueError(
        f"column {name!r} holds rows of different lengths{several}: bring them to one length "
        "first, with torch_rechub.utils.data.pad_sequences, or load them with a "
        "torch.utils.data.DataLoader whose collate_fn pads each batch"
    )


def to_weights(values: Any, n_rows: int) -> Tensor | None:
    """Convert weights of rows to a tensor (N,); None stays None.

    Raises:
        TypeError: Weights are not numeric.
        ValueError: There is not one weight per row, or a weight is negative or not finite.
    """
    if values is None:
        return None
    weights = to_tensor(values, "weights")
    check_weights(weights, n_rows)
    return weights.reshape(-1)


def df_to_dict(data: Any) -> dict[str, Any]:
    """Convert the columns of a frame to a dict of new arrays.

    A column of lists or arrays of the same length L becomes an array of shape (N, L).

    Example:
        >>> import pandas as pd
        >>> df_to_dict(pd.DataFrame({"user": [1, 2], "history": [[3, 4], [5, 6]]}))
        {'user': array([1, 2]), 'history': array([[3, 4],
               [5, 6]])}
    """
    return {name: stacked(np.array(data[name].to_numpy())) for name in data.columns}


def take(columns: Mapping[str, Column], index: Index) -> dict[str, Any]:
    """Return the rows at `index` of each column: tensors, or lists for a `RawColumn`."""
    if isinstance(index, Tensor) and index.dtype == torch.int64 and index.dim() == 1:
        rows = torch.where(index < 0, index + len(next(iter(columns.values()))), index)
        # four times as fast as indexing
        return {
            name: column.index_select(0, rows) if isinstance(column, Tensor) else column[rows]
            for name, column in columns.items()
        }
    return {name: column[index] for name, column in columns.items()}


def check_tensors(columns: Iterable[Column]) -> None:
    """Refuse columns that are not tensors, which loading by the batch needs.

    Raises:
        TypeError: A column is not numeric.
        ValueError: The rows of a column differ in length.
    """
    for column in columns:
        if isinstance(column, RawColumn):
            to_tensor(column.values, column.name)


class PredictDataset(Dataset[Any]):
    """A data set of inputs without labels.

    ``dataset[i]`` is one row, ``dataset[indices]`` (a slice, a list or a tensor) many rows at once:
    a dict of tensors either way. Columns that are not tensors, such as histories of different
    lengths, are passed row by row to the `collate_fn` of a `torch.utils.data.DataLoader`.

    Args:
        x: The columns; see `to_columns`.

    Example:
        >>> PredictDataset({"user": [3, 4, 5]})[[0, 2]]
        {'user': tensor([3, 5])}
    """

    def __init__(self, x: Any) -> None:
        self.x, self.origin = to_columns(x), origin_of(x)
        if not self.x:
            raise ValueError("the table has no columns")

    def __len__(self) -> int:
        return len(next(iter(self.x.values())))

    def __getitem__(self, index: Index) -> Any:
        """Return the rows at `index` of all columns."""
        return take(self.x, index)

    def check_tensors(self) -> None:
        """Refuse columns that cannot be loaded by the batch; see `check_tensors`."""
        check_tensors(self.x.values())


class TorchDataset(PredictDataset):
    """A data set of inputs with labels, and optional weights.

    ``dataset[i]`` is one row, ``dataset[indices]`` many rows at once: ``(x, y)`` either way, with x
    a dict of tensors; with weights, ``(x, y, weights)``.

    Args:
        x: The columns; see `to_columns`.
        y: The labels, shape (N,) or (N, T).
        weights: The weights of rows in the loss and in metrics, shape (N,), at least 0; None means
            equal weights.

    Raises:
        TypeError: Weights are not numeric.
        ValueError: x, y and weights differ in length, or a weight is negative or not finite.

    Example:
        >>> TorchDataset({"user": [3, 4]}, [1, 0], weights=[1.0, 0.5])[[1]]
        ({'user': tensor([4])}, tensor([0]), tensor([0.5000], dtype=torch.float64))
    """

    def __init__(self, x: Any, y: Any, *, weights: Any = None) -> None:
        super().__init__(x)
        self.y = to_column(y, "y")
        if len(self.y) != len(self):
            raise ValueError(f"x has {len(self)} rows, but y has {len(self.y)}")
        self.weights = to_weights(weights, len(self))

    def __getitem__(self, index: Index) -> Any:
        """Return the rows at `index`, their labels, and their weights if there are any."""
        x, y = take(self.x, index), take({"y": self.y}, index)["y"]
        return (x, y) if self.weights is None else (x, y, self.weights[index])

    def labels(self) -> Tensor:
        """All labels; raises if they are not a tensor."""
        return to_tensor(self.y.values, "y") if isinstance(self.y, RawColumn) else self.y

    def check_tensors(self) -> None:
        """Refuse columns and labels that cannot be loaded by the batch; see `check_tensors`."""
        check_tensors([*self.x.values(), self.y])
