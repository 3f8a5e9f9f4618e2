"""The columns behind data and loaders: tables, data sets in memory, parts of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from ..origin import Origin, origin_of
from ..raw_column import RawColumn
from ..seq_dataset import SeqDataset
from ..table import PredictDataset
from .columns import Given, Index

_SEQUENCES = ("seq_tokens", "seq_positions", "seq_time_diffs")
_OF_TENSORS = {1: ("x",), 2: ("x", "y"), 3: ("x", "y", "weights")}


@dataclass(frozen=True)
class Source:
    """The columns of data.

    Attributes:
        columns: The columns.
        rows: The number of rows.
        origin: Their origin.
        drawn: The rows that are drawn from the columns; None means all.
        base: The data set that they are drawn from.
        others: Columns with rows of their own, such as those of the items of a catalog.
        unread: The reason why there may be more than these columns.
    """

    columns: tuple[Given, ...]
    rows: int
    origin: Origin = field(default_factory=Origin)
    drawn: Index | None = None
    base: Any = None
    others: tuple[Given, ...] = ()
    unread: str | None = None


def source_of(data: Any) -> Source | None:
    """Return the columns behind a table, a data set or a loader; None if they are not in memory."""
    dataset = getattr(data, "dataset", data)
    if isinstance(dataset, Subset):
        return _part(dataset)
    if isinstance(dataset, PredictDataset):
        given = [Given(name, "input", column) for name, column in dataset.x.items()]
        given += _labels(getattr(dataset, "y", None))
        given += _weights(getattr(dataset, "weights", None))
        return Source(tuple(given), len(dataset), dataset.origin)
    if isinstance(dataset, SeqDataset):
        given = [Given(name, "input", getattr(dataset, name)) for name in _SEQUENCES]
        given += [Given("targets", "label", dataset.targets), *_weights(dataset.weights)]
        return Source(tuple(given), len(dataset), dataset.origin)
    if isinstance(dataset, TensorDataset):
        return _of_tensors(dataset)
    if all(hasattr(dataset, name) for name in ("users", "items", "relevant")):
        return _of_retrieval(dataset)
    if isinstance(dataset, tuple) and len(dataset) in (2, 3):
        return _of_pair(dataset)
    if isinstance(dataset, list):
        return _of_batches(dataset)
    return _of_table(dataset) or _of_attributes(dataset)


def _part(subset: Subset[Any]) -> Source | None:
    """A part of a data set."""
    whole = source_of(subset.dataset)
    if whole is None or whole.others:
        return None
    rows: Any = subset.indices
    drawn = torch.as_tensor(rows, dtype=torch.int64).numpy()
    drawn = drawn if whole.drawn is None else whole.drawn[drawn]
    origin = Origin(origin_of(subset).split, whole.origin.vocabulary)
    base = subset.dataset if whole.base is None else whole.base
    return Source(whole.columns, len(drawn), origin, drawn, base, unread=whole.unread)


def _labels(y: Any) -> list[Given]:
    return [] if y is None else [Given("y", "label", y)]


def _weights(weights: Any) -> list[Given]:
    return [] if weights is None else [Given("weights", "weight", weights)]


def _of_tensors(dataset: TensorDataset) -> Source:
    tensors = dataset.tensors
    names = _OF_TENSORS.get(len(tensors)) or (*map(str, range(len(tensors) - 1)), "y")
    given = [Given(n, _role(n), t) for n, t in zip(names, tensors, strict=True)]
    return Source(tuple(given), len(dataset), origin_of(dataset))


def _of_pair(data: Sequence[Any]) -> Source | None:
    """Columns of (x, y) and (x, y, weights)."""
    table = _of_table(data[0])
    if table is None:
        return None
    given = [*table.columns, *_labels(data[1]), *_weights(data[2] if len(data) == 3 else None)]
    return Source(tuple(given), table.rows, table.origin)


def _of_table(table: Any) -> Source | None:
    """Columns of a mapping, or of a pandas, polars or Arrow table."""
    if isinstance(table, Mapping):
        names = list(table)
    elif hasattr(table, "column_names") and hasattr(table, "__getitem__"):
        names = list(table.column_names)
    elif hasattr(table, "columns") and hasattr(table, "__getitem__"):
        names = list(table.columns)
    elif isinstance(table, Tensor | np.ndarray) and table.ndim:
        return Source((Given("x", "input", table),), len(table))
    else:
        return None
    given = [Given(str(name), "input", table[name]) for name in names]
    given += _labels(getattr(table, "y", None) if isinstance(table, Mapping) else None)
    given += _weights(getattr(table, "weights", None) if isinstance(table, Mapping) else None)
    rows = {len(column.values) for column in given if hasattr(column.values, "__len__")}
    if len(rows) != 1 or any(not hasattr(column.values, "__len__") for column in given):
        return None
    return Source(tuple(given), rows.pop(), origin_of(table))


def _of_retrieval(data: Any) -> Source | None:
    """Columns of the users, of the catalog, and the relevant and excluded items of each user."""
    users, items = source_of(data.users), source_of(data.items)
    if users is None or items is None or users.drawn is not None or items.drawn is not None:
        return None
    others = [Given(f"items.{column.name}", "input", column.values) for column in items.columns]
    for name in ("relevant", "seen"):
        lists: Any = getattr(data, name, None)
        if hasattr(lists, "indptr"):
            lists = lists.indptr, lists.indices
        if isinstance(lists, tuple) and len(lists) == 2:
            others += [Given(f"{name}.{i}", "label", part) for i, part in enumerate(lists)]
        elif lists is not None:
            others.append(Given(name, "label", list(lists)))
    return Source(users.columns, users.rows, users.origin, others=tuple(others))


def _of_batches(batches: Sequence[Any]) -> Source | None:
    """The columns of a list of batches: tensors, tuples of them, dicts, or (x, y) of these."""
    parts: dict[str, list[Tensor]] = {}
    for batch in batches:
        for name, column in _named(batch):
            parts.setdefault(name, []).append(column)
    counts = {sum(map(len, tensors)) for tensors in parts.values()}
    shapes = [{tensor.shape[1:] for tensor in tensors} for tensors in parts.values()]
    if len(counts) != 1 or any(len(of_column) > 1 for of_column in shapes):
        return None
    given = [Given(name, _role(name), torch.cat(part)) for name, part in parts.items()]
    return Source(tuple(given), counts.pop())


def _named(batch: Any) -> list[tuple[str, Tensor]]:
    """The tensors of a batch by name; nothing of a batch without rows."""
    if isinstance(batch, Mapping):
        pairs = list(batch.items())
    elif isinstance(batch, tuple | list) and len(batch) in (2, 3) and isinstance(batch[0], Mapping):
        pairs = [*batch[0].items(), *zip(("y", "weights"), batch[1:], strict=False)]
    else:
        parts = batch if isinstance(batch, tuple | list) else (batch,)
        pairs = list(enumerate(parts))
    return [
        (str(name), value) for name, value in pairs if isinstance(value, Tensor) and value.dim()
    ]


def _role(name: str) -> str:
    return {"y": "label", "weights": "weight"}.get(name, "input")


def _of_attributes(dataset: Any) -> Source | None:
    """The arrays of a data set of another library, one for each of its rows."""
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        return None
    if not hasattr(dataset, "__dict__"):
        return None
    rows = len(dataset)
    found = [
        Given(name, "input", values)
        for name, values in vars(dataset).items()
        if isinstance(values, Tensor | np.ndarray | RawColumn) and values_rows(values) == rows
    ]
    unread = f"{type(dataset).__name__}: only its arrays with an entry for each row were read"
    return Source(tuple(found), rows, origin_of(dataset), unread=unread) if found else None


def values_rows(values: Any) -> int:
    """The number of rows of an array; −1 for a single value."""
    return len(values) if np.ndim(values) or isinstance(values, RawColumn) else -1
