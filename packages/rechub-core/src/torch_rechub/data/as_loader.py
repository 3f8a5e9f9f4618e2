"""Conversion of data to loaders: tables, data sets, (x, y)."""

from collections.abc import Callable, Collection, Iterable, Mapping
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from .loader import TableLoader
from .raw_column import RawColumn
from .seq_dataset import SeqDataset
from .table import PredictDataset, TorchDataset, to_tensor

_SEQUENCES = ("seq_tokens", "seq_positions", "targets", "seq_time_diffs")  # as in SeqDataset


def as_loader(
    data: Any,
    batch_size: int,
    needed: Collection[str | None] | None = None,
    collate_fn: Callable[[list[Any]], Any] | None = None,
) -> Iterable[Any]:
    """Return a loader of data of any supported type, in the order of the rows.

    Args:
        data: A dict of arrays, tensors or lists; a pandas, polars or Arrow table; an array or a
            tensor of rows; (x, y) or (x, y, weights) of these; or a data set. A table with the
            columns seq_tokens, seq_positions, seq_time_diffs and targets is read as `SeqDataset`,
            a column "weights" as its weights. A loader, or any other iterable of batches, is
            returned unchanged.
        batch_size: Number of rows per batch.
        needed: The columns that are read, such as those of the model's features; other columns
            that are not numeric, such as names and dates, are dropped. None keeps all.
        collate_fn: Collates rows of a data set; None stacks them.

    Raises:
        TypeError: The data have another type, or a required column is not numeric.
        ValueError: The columns differ in length, or one is a single value.

    Example:
        >>> list(as_loader({"user": [3, 4, 5]}, batch_size=2))
        [{'user': tensor([3, 4])}, {'user': tensor([5])}]
        >>> list(as_loader(({"user": [3, 4]}, [0, 1]), batch_size=2))
        [({'user': tensor([3, 4])}, tensor([0, 1]))]
    """
    if isinstance(data, DataLoader | IterableDataset):
        return data
    dataset = data if isinstance(data, Dataset) else _dataset_of(data, needed)
    if dataset is not None:
        return _loader_of(dataset, batch_size, collate_fn)
    if data is None or isinstance(data, str | bytes | PathLike) or not _is_iterable(data):
        raise TypeError(
            "data must be a loader, a dict of columns, a pandas, polars or Arrow table, (x, y) of "
            f"these, or a data set, got {_described(data)}"
        )
    batches: Iterable[Any] = data
    return batches


def refuse_without_batches(data: Any, name: str) -> None:
    """Refuse data that are no loader, where batches and their order decide on the result.

    Raises:
        TypeError: They are a table, an array, (x, y) or a data set.
    """
    rows = isinstance(data, Dataset) and not isinstance(data, IterableDataset)
    if rows or is_table(data) or isinstance(data, Tensor | np.ndarray) or _is_pair(data):
        raise TypeError(
            f"{name} must be a loader, which says how large batches are and shuffles them, got "
            f"{type(data).__name__}: DataGenerator(x, y).generate_dataloader(batch_size=256)[0], "
            "or torch.utils.data.DataLoader(dataset, batch_size=256, shuffle=True)"
        )


def is_table(data: Any) -> bool:
    """Whether data are columns by name: a dict, or a pandas, polars or Arrow table."""
    return isinstance(data, Mapping) or hasattr(data, "column_names") or hasattr(data, "columns")


def _dataset_of(data: Any, needed: Collection[str | None] | None) -> Dataset[Any] | None:
    """Return the data set of a table, of an array, or of (x, y); None for other data."""
    if is_table(data):
        return _sequences_of(data) or _with_numbers(PredictDataset(data), needed)
    if isinstance(data, Tensor | np.ndarray):
        return TensorDataset(to_tensor(data, "x"))
    if not _is_pair(data):
        return None
    x, y, *weights = data
    if is_table(x):
        return _with_numbers(TorchDataset(x, y, weights=weights[0] if weights else None), needed)
    return TensorDataset(*map(to_tensor, data, ("x", "y", "weights")))


def _is_pair(data: Any) -> bool:
    """Whether data are (x, y) or (x, y, weights), not a tuple of batches."""
    if not isinstance(data, tuple) or len(data) not in (2, 3):
        return False
    x, y = data[:2]
    if is_table(x):
        return not isinstance(y, Mapping)
    return isinstance(x, Tensor | np.ndarray) and x.ndim > np.ndim(y) == 1


def _sequences_of(table: Any) -> Dataset[Any] | None:
    """Return the data set of a table of sequences; None for other tables.

    Raises:
        KeyError: A table of sequences lacks a column.
    """
    names = table if isinstance(table, Mapping) else getattr(table, "column_names", None)
    names = list(table.columns if names is None else names)
    if "seq_tokens" not in names:
        return None
    if missing := [name for name in _SEQUENCES if name not in names]:
        raise KeyError(
            f"a table of sequences has the columns {', '.join(_SEQUENCES)}, but {missing[0]!r} is "
            "missing"
        )
    weights = table["weights"] if "weights" in names else None
    return SeqDataset(**{name: table[name] for name in _SEQUENCES}, weights=weights)


def _with_numbers(dataset: PredictDataset, needed: Collection[str | None] | None) -> PredictDataset:
    """Drop columns that are not numeric and not needed, such as texts."""
    if needed:
        columns = dataset.x.items()
        kept = {n: c for n, c in columns if n in needed or not isinstance(c, RawColumn)}
        dataset.x = kept or dataset.x
    return dataset


def _loader_of(
    dataset: Dataset[Any], batch_size: int, collate_fn: Callable[[list[Any]], Any] | None
) -> DataLoader[Any]:
    """Return a loader of a data set: by the batch for data in memory, else row by row."""
    table: Any = dataset
    while type(table) is Subset:
        table = table.dataset
    if isinstance(table, PredictDataset | SeqDataset | TensorDataset):
        return TableLoader(_indexed_by_tensors(dataset), batch_size)
    return DataLoader(dataset, batch_size, collate_fn=collate_fn)


def _indexed_by_tensors(dataset: Dataset[Any]) -> Dataset[Any]:
    """Convert the indices of each `Subset`, such as those of `random_split`, to tensors."""
    if not isinstance(dataset, Subset):
        return dataset
    indices: Any = torch.as_tensor(dataset.indices, dtype=torch.int64)
    return Subset(_indexed_by_tensors(dataset.dataset), indices)


def _is_iterable(data: Any) -> bool:
    return hasattr(data, "__iter__") or hasattr(data, "__getitem__")


def _described(data: Any) -> str:
    if data is None:
        return "None, which DataGenerator gives in place of a loader that has no rows to load"
    if isinstance(data, str | PathLike):
        remedy = "read the file first, or give StreamingLoader(path, batch_size)"
        return f"the path {str(data)!r}: {remedy}"
    return type(data).__name__
