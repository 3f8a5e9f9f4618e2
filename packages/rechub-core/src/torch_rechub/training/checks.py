"""Checks before the first step: of loaders, columns, ids and labels."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Subset, TensorDataset, default_collate, default_convert

from ..basic.layers.embedding import EmbeddingLayer, input_columns
from ..basic.layers.inputs import missing_columns, tensor_of
from ..basic.layers.precision import is_double
from ..basic.layers.values import check_column, check_finite
from ..data.batch import map_tensors
from ..data.loader import as_fetched
from ..data.seq_dataset import SeqDataset
from ..data.table import PredictDataset, TorchDataset, check_tensors
from ..models.protocols import HasVocabulary

log = logging.getLogger("torch_rechub")

_BLOCK = 2**16  # rows
_COLLATE = (default_collate, default_convert, as_fetched)  # these keep the columns of a table


def check_not_empty(loader: Iterable[Any], name: str) -> None:
    """Refuse a loader without batches, if its length is known.

    Raises:
        ValueError: The loader has no batches.
    """
    try:
        empty = len(loader) == 0  # type: ignore[arg-type]
    except TypeError:
        return  # an iterable data set has no length
    if empty:
        raise ValueError(f"{name} has no batches: its data set is empty")


def check_inputs(model: nn.Module, x: Any, needed: Collection[str] | None = None) -> None:
    """Refuse missing columns, and ids or tokens outside the vocabulary.

    Args:
        model: A model built of features, or a model of tokens with a `vocab_size`.
        x: The columns of a table or a batch; or a tuple whose first element are tokens. Other
            inputs are not checked.
        needed: The required columns; None means all that the model looks up.

    Raises:
        KeyError: Columns are missing.
        IndexError: An id is outside its vocabulary.
        TypeError: A column is not a tensor.
        ValueError: An id is not a whole number.
    """
    n_tokens = vocab_size_of(model)
    if isinstance(x, tuple) and n_tokens is not None:
        check_column(x[0], "tokens", n_tokens)
    if not isinstance(x, Mapping):
        return
    columns = input_columns(model)
    missing = [c for c in columns if c not in x and (needed is None or c in needed)]
    if missing:
        raise KeyError(missing_columns(missing, x))
    for name, (_, vocab_size) in columns.items():
        if vocab_size is not None and name in x:
            check_column(tensor_of(x, name), name, vocab_size)


def vocab_size_of(model: nn.Module) -> int | None:
    """The vocabulary size of a model of tokens; None for other models."""
    size = model.vocab_size if isinstance(model, HasVocabulary) else None
    return None if size is None else int(size)


def dense_check(model: nn.Module) -> Callable[[Any], None]:
    """Return the check of the dense columns that a model takes, or of inputs that are tensors.

    It refuses NaN, infinity, and finite numbers that are infinite in the dtype of the model, by a
    ValueError that names the column, the number of rows, the first row and the remedy.
    """
    dense = [name for name, (_, rows) in input_columns(model).items() if rows is None]
    dtype = _dense_dtype(model)

    def check(x: Any) -> None:
        if isinstance(x, Tensor):
            check_finite(x, "the input", dtype)
        elif isinstance(x, tuple):
            for i, part in enumerate(x):
                if isinstance(part, Tensor):
                    check_finite(part, f"input {i}", dtype)
        elif isinstance(x, Mapping):
            for name in dense:
                if name in x:
                    check_finite(tensor_of(x, name), f"column {name!r}", dtype)

    return check


def _dense_dtype(model: nn.Module) -> torch.dtype:
    """The floating dtype that dense values become: of several, the one that ends first."""
    layers = [layer.dtype for layer in model.modules() if isinstance(layer, EmbeddingLayer)]
    default = torch.float64 if is_double(model) else torch.float32
    return min(layers or [default], key=lambda dtype: torch.finfo(dtype).max)


def check_moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Refuse an optimizer whose moments do not match the rows of the embedding tables.

    Raises:
        RuntimeError: A table was frozen or unfrozen after steps of this optimizer.
    """
    for layer in model.modules():
        if isinstance(layer, EmbeddingLayer):
            for p in layer.parameters(recurse=False):
                moments = optimizer.state.get(p, {}).values()
                rows = [len(m) for m in moments if isinstance(m, Tensor) and m.dim() == p.dim()]
                if any(n != len(p) for n in rows):
                    raise RuntimeError(
                        "an embedding table was frozen or released (requires_grad) after training "
                        "began, so the optimizer has moments of other rows: make a new trainer of "
                        "the model"
                    )


def check_table(
    model: nn.Module,
    loader: Iterable[Any],
    check_labels: Callable[[Tensor], None] | None = None,
    check_inputs: Callable[[nn.Module, Any], None] = check_inputs,
) -> bool:
    """Check a whole table before training, if the loader draws from a table in memory.

    Returns:
        Whether the table was checked; otherwise each batch must be checked.
    """
    if getattr(loader, "collate_fn", default_collate) not in _COLLATE:
        return False  # the user's collate_fn may change the rows
    dataset: Any = getattr(loader, "dataset", None)
    rows = None
    if isinstance(dataset, Subset):
        dataset, rows = dataset.dataset, dataset.indices
    table = _in_memory(dataset, input_columns(model))
    if table is None:
        return False
    x, y = table
    rows = None if rows is None else torch.as_tensor(rows)
    check_dense = dense_check(model)

    def check(x: Any) -> None:
        check_inputs(model, x)
        check_dense(x)

    _check_rows(check, x, rows)
    if check_labels is not None and y is not None:
        _check_labels(check_labels, y, rows)
    return True


def _check_rows(check: Callable[[Any], None], x: Any, rows: Tensor | None) -> None:
    """Check a whole table, whose rows messages count; if it fails, the rows that are drawn.

    Args:
        check: Raises what is wrong with a table.
        x: The table.
        rows: The rows that are drawn from it; None means all.
    """
    try:
        check(x)
        return
    except (IndexError, ValueError) as error:
        if rows is None:
            raise
        problem = error
    for block in rows.sort().values.split(_BLOCK):
        try:
            check(map_tensors(x, lambda column: column[block]))  # noqa: B023 - called at once
        except (IndexError, ValueError):
            raise problem from None


def _check_labels(check: Callable[[Tensor], None], y: Tensor, rows: Tensor | None) -> None:
    try:
        check(y if rows is None else y[rows])
    except ValueError:
        if rows is not None:
            check(y)  # the message counts the rows of the table, not those of a random part
        raise


def _in_memory(dataset: Any, looked_up: Collection[str]) -> tuple[Any, Tensor | None] | None:
    """The inputs and labels of all rows, if they are in memory.

    Raises:
        TypeError: Labels, or a column that the model reads, are not numeric.
        ValueError: The rows differ in length.
    """
    if isinstance(dataset, PredictDataset):
        check_tensors(column for name, column in dataset.x.items() if name in looked_up)
        x = {name: c for name, c in dataset.x.items() if isinstance(c, Tensor)}
        return x, dataset.labels() if isinstance(dataset, TorchDataset) else None
    if isinstance(dataset, SeqDataset):
        dataset.check_tensors()
        sequences = (dataset.seq_tokens, dataset.seq_positions, dataset.seq_time_diffs)
        return sequences, dataset.targets
    if isinstance(dataset, TensorDataset) and len(dataset.tensors) > 1:
        # three tensors are (x, y, weights)
        *inputs, labels = dataset.tensors[:2] if len(dataset.tensors) == 3 else dataset.tensors
        return inputs[0] if len(inputs) == 1 else tuple(inputs), labels
    return None
