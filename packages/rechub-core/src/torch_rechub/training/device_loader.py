"""The device loader: unpacks and checks the batches of a loader, and moves them to the device."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..basic.layers.embedding import input_columns
from ..basic.layers.inputs import tensor_of
from ..basic.layers.precision import for_device, is_double
from ..data.as_loader import as_loader, refuse_without_batches
from ..data.batch import Batch, map_tensors, to_device
from ..data.loader import TableLoader, rows_at_once
from ..data.row_order import in_row_order, with_every_row
from ..data.streaming import StreamingLoader
from ..data.table_weights import check_table_weights
from ..data.weights import check_weights
from .checks import check_not_empty, check_table, dense_check
from .model_check import check_callable
from .probe import first_rows, without_trace
from .progress import progress_bar
from .settings import Settings

_BATCH_SIZE = 256  # rows per batch of data without a loader, unless `eval_batch_size` is larger


class Checks(Protocol):
    """The checks and the `collate_fn` of a task."""

    model_inputs: str | None
    collate_fn: Callable[[list[Any]], Any] | None

    def check_inputs(self, model: nn.Module, x: Any) -> None:
        """Raise an error if the inputs of a table or a batch do not suit `model`."""

    def check_labels(self, y: Tensor, validation: bool = False) -> None:
        """Raise ValueError if labels do not suit the task."""

    def check_table_labels(self, y: Tensor, validation: bool = False) -> None:
        """Raise ValueError if the labels of a whole table do not suit the task."""

    def check_retrieval(self, test_data: Any) -> bool:
        """Raise what is wrong with data of retrieval; return whether test data are such."""

    def check_model(self, batch: Batch) -> None:
        """Raise ValueError if the output of the model for some rows does not fit the task."""

    def check_weights(self, validation: bool = False) -> None:
        """Raise ValueError if the task does not support weights."""


class DeviceLoader:
    """Iterates over the batches of a loader: unpacked, checked, and on the device.

    As a context manager it releases the verified loaders at the end.

    Args:
        model: The model being trained.
        settings: The settings: device, batch size of evaluation, progress bar.
        checks: The checks of the task.

    Attributes:
        meter: Measures the batches of training, as `SystemLoad.measured`; None measures nothing.
    """

    def __init__(self, model: nn.Module, settings: Settings, checks: Checks) -> None:
        self.model, self.settings, self.checks = model, settings, checks
        self.device = settings.main_device()
        self.meter: Callable[[Iterator[Batch]], Iterator[Batch]] | None = None
        self.verified: tuple[Any, ...] = ()  # loaders whose whole table was checked before training
        self.given: dict[str, Any] = {}  # the data of `fit`, by name

    def check_data(self, train: Any, val: Any, test: Any) -> tuple[Any, Any]:
        """Raise what is wrong with the data of `fit`, as far as it can be known.

        Returns:
            Validation and test data, each a loader; None, and data of retrieval, as they are.
        """
        refuse_without_batches(train, "train_dataloader")
        self.verify("train_dataloader", train, self.checks.check_table_labels)
        if val is not None:
            val = self._checked("val_dataloader", val)
        if not self.checks.check_retrieval(test) and test is not None:
            test = self._checked("test_dataloader", test)
        self.given = {"train": train, "val": val, "test": test}
        return val, test

    def _checked(self, name: str, data: Any) -> Iterable[Any]:
        """A loader of validation or test data, which has been verified."""
        loader = self.loader_of(data)
        self.verify(name, loader, partial(self.checks.check_table_labels, validation=True))
        return loader

    def verify(
        self, name: str, loader: Iterable[Any], check_labels: Callable[[Tensor], None]
    ) -> None:
        """Check the data before the first step, as far as possible without reading batches."""
        check_callable(type(self.checks).__name__, self.checks.model_inputs, self.model)
        check_not_empty(loader, name)
        column = self.settings.weight_column
        if column is not None and column in input_columns(self.model):
            raise ValueError(
                f"weight_column={column!r} is a feature of the model, and weights are taken out of "
                "the inputs: give the weights a column of their own"
            )
        if check_table_weights(loader, column) or column is not None:
            self.checks.check_weights(validation=name != "train_dataloader")
        if check_table(self.model, loader, check_labels, self.checks.check_inputs):
            self.verified += (loader,)
            if name == "train_dataloader":
                self._try_model(loader)

    def _try_model(self, loader: Iterable[Any]) -> None:
        """Check what the model returns for the first rows of a table, and leave it as it was."""
        column = self.settings.weight_column
        batch = Batch.unpacked(first_rows(loader), None, column, weighted=False)
        if batch.rows:
            with without_trace(self.model):
                self.checks.check_model(batch.to(self.device, is_double(self.model)))

    def __enter__(self) -> "DeviceLoader":
        return self

    def __exit__(self, *error: object) -> None:
        self.verified, self.given = (), {}

    def bar(self, data_loader: Iterable[Any], title: str) -> Any:
        """The batches of a loader with a progress bar, if it can be shown."""
        return progress_bar(self.settings.progress, data_loader, title)

    def loader_of(
        self, data: Any, model: nn.Module | None = None, *, in_order: bool = False
    ) -> Iterable[Any]:
        """Return a loader of all rows of the data to evaluate or predict.

        Args:
            data: A loader, or data that `as_loader` accepts.
            model: The model of the inputs; None means the model being trained.
            in_order: Whether the rows must be in the order of the data.

        Raises:
            TypeError: The model is not a module, or the data have an unknown type.
            ValueError: A sampler omits or repeats rows, and `in_order` is True.
        """
        model = self.model if model is None else model
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model comes first, then the data, got {type(model).__name__}")
        if not isinstance(data, DataLoader):
            settings = self.settings
            columns: set[str | None] = set(input_columns(model))
            needed = columns and columns | {settings.group_column, settings.weight_column}
            size = settings.eval_batch_size or _BATCH_SIZE
            data = as_loader(data, size, needed, self.checks.collate_fn)
        return in_row_order(data) if in_order else with_every_row(data)

    def in_large_batches(self, data_loader: Iterable[Any]) -> Iterable[Any]:
        """Increase the batch size of a loader for evaluation; rows and order stay the same.

        The batch size is `eval_batch_size`; by default, if the loader reads a table in memory in
        order, 4096 rows, or fewer if these have more than half a million values.
        """
        rows = self.settings.eval_batch_size
        if isinstance(data_loader, StreamingLoader) and rows and not data_loader.shuffle:
            return data_loader.with_batch_size(rows)
        if not isinstance(data_loader, TableLoader) or data_loader.shuffle:
            return data_loader
        if rows is None:
            rows = max(data_loader.batch_size or 1, rows_at_once(data_loader.width))
        return data_loader.with_batch_size(rows)

    def __call__(
        self,
        data_loader: Iterable[Any],
        bar: Iterable[Any],
        *,
        model: nn.Module | None = None,
        labels: bool = True,
        group_column: str | None = None,
        training: bool = False,
    ) -> Iterator[Batch]:
        """Iterate over the batches on the device; they are checked unless the whole table was.

        Args:
            data_loader: The loader.
            bar: The loader with a progress bar.
            model: The model of the inputs; None means the model being trained.
            labels: Whether labels are used and must be checked.
            group_column: The column of groups to unpack; None for no groups.
            training: Whether to drop rows of weight 0, and to measure the batches.
        """
        batches = self._batches(data_loader, bar, model, labels, group_column, training)
        return batches if self.meter is None or not training else self.meter(batches)

    def _batches(
        self,
        data_loader: Iterable[Any],
        bar: Iterable[Any],
        model: nn.Module | None,
        labels: bool,
        group_column: str | None,
        training: bool,
    ) -> Iterator[Batch]:
        model = self.model if model is None else model
        verified = model is self.model and any(data_loader is one for one in self.verified)
        # on the CPU the embedding lookup checks ids itself, unless it is compiled
        inputs = not verified and (self.device.type != "cpu" or self.settings.compile)
        check_dense, double = None if verified else dense_check(model), is_double(model)
        weight_column = self.settings.weight_column
        loaded = _ahead(bar, self.device, double) if self.settings.prefetch else bar
        for number, given in enumerate(loaded):
            batch = Batch.unpacked(given, group_column, weight_column, weighted=labels)
            if batch.weights is not None:
                with _located(number):
                    batch = self._weighted(batch, labels and not verified, training)
            if batch.rows == 0:
                continue  # no row, no loss and no score
            if check_dense is not None:
                with _located(number):
                    if labels and batch.labels is not None:
                        self.checks.check_labels(tensor_of({"y": batch.labels}, "y"))
                    check_dense(batch.inputs)
                    if inputs:
                        self.checks.check_inputs(model, batch.inputs)
            yield batch.to(self.device, double)

    def _weighted(self, batch: Batch, check: bool, training: bool) -> Batch:
        """Check the weights of a batch; in training, drop rows of weight 0."""
        if check:
            self.checks.check_weights()
            column = self.settings.weight_column
            third = "weights, the third part of a batch (x, y, weights),"
            name = third if column is None else f"weight_column={column!r}"
            check_weights(batch.weights, batch.rows, name)
        return batch.of_weight_above_0() if training else batch


@contextmanager
def _located(number: int) -> Iterator[None]:
    """Have errors about the rows of a batch say which batch it is, from 0."""
    try:
        yield
    except (IndexError, ValueError) as error:
        if type(error) not in (IndexError, ValueError):
            raise
        raise type(error)(f"{error} (in batch {number})") from error


def _ahead(batches: Iterable[Any], device: torch.device, double: bool) -> Iterator[Any]:
    """Iterate over the batches; on a GPU, copy the next one while the current one is used."""
    if device.type != "cuda":
        yield from batches
        return
    stream, ahead = torch.cuda.Stream(device), None
    for batch in batches:
        # from pinned memory, in a stream of its own: the copy overlaps with the current step
        with torch.cuda.stream(stream):
            pinned = map_tensors(batch, lambda t: for_device(t, double).pin_memory())
            coming = to_device(pinned, device, double)
        if ahead is not None:
            yield ahead
        torch.cuda.current_stream(device).wait_stream(stream)
        ahead = map_tensors(coming, _used_here)
    if ahead is not None:
        yield ahead


def _used_here(tensor: Tensor) -> Tensor:
    """Record the current stream as a user of a copy, so that its memory is not reused too early."""
    tensor.record_stream(torch.cuda.current_stream(tensor.device))
    return tensor
