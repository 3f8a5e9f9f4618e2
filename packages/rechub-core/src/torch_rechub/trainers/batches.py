"""What loaders yield: inputs with or without labels, checked and moved to a device."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .._streams import StandardStream
from ..basic.layers.inputs import tensor_of
from ..basic.layers.precision import for_device, is_double
from ..data.loader import TableLoader
from .checks import check_dense, check_moments, check_not_empty, check_table

if TYPE_CHECKING:
    from .trainer import Trainer


class BatchFeed:
    """Hands a trainer the batches of a loader: behind a progress bar, checked, on its device.

    As a context manager it lets go, at the end, of the loaders that were verified.

    Args:
        trainer: Says what is wrong with inputs and labels, and where batches go.
    """

    def __init__(self, trainer: "Trainer") -> None:
        self.trainer, self.device = trainer, trainer.device
        self.verified: tuple[Any, ...] = ()  # loaders whose whole table was checked

    def verify(
        self, name: str, loader: Iterable[Any], check_labels: Callable[[Tensor], None]
    ) -> None:
        """Raise what is wrong with the data before the first step, as far as it can be known."""
        check_not_empty(loader, name)
        check_moments(self.trainer.model, self.trainer.optimizer)
        if check_table(self.trainer.model, loader, check_labels, self.trainer.check_inputs):
            self.verified += (loader,)

    def __enter__(self) -> "BatchFeed":
        return self

    def __exit__(self, *error: object) -> None:
        self.verified = ()

    def bar(self, data_loader: Iterable[Any], title: str) -> Any:
        """The batches of a loader, behind a progress bar, unless there is nowhere to show one."""
        progress = self.trainer.settings.progress
        disable = None if progress is None else not progress
        # tqdm itself takes a closed or broken stream for an error of the loop
        stream = StandardStream("stderr")
        return tqdm(data_loader, desc=title, disable=disable, leave=False, file=stream)

    def in_large_batches(self, data_loader: Iterable[Any]) -> Iterable[Any]:
        """The same rows in the same order, in batches that cost less a row without gradients.

        As many rows as `eval_batch_size` says; where it does not, and the loader draws in order
        from a table in memory, 4096 rows, or those of half a million numbers if these are fewer.
        """
        rows = self.trainer.settings.eval_batch_size
        if not isinstance(data_loader, TableLoader) or data_loader.shuffle:
            return data_loader
        if rows is None:
            rows = max(data_loader.batch_size or 1, min(4096, 2**19 // data_loader.width))
        return data_loader.with_batch_size(rows)

    def __call__(
        self,
        data_loader: Iterable[Any],
        bar: Iterable[Any],
        *,
        model: nn.Module | None = None,
        labels: bool = True,
    ) -> Iterator[Any]:
        """The batches on the device, each checked unless the whole table was.

        Args:
            data_loader: Yields batches.
            bar: The same, behind a progress bar.
            model: What takes the inputs; None means the model being trained.
            labels: Whether labels, where there are any, will be used.
        """
        trained = self.trainer.model
        model = trained if model is None else model
        verified = model is trained and any(data_loader is one for one in self.verified)
        settings = self.trainer.settings
        # on the CPU, the lookup itself checks inputs, unless it is compiled
        inputs = not verified and (self.device.type != "cpu" or settings.compile)
        double = is_double(model)
        for batch in _ahead(bar, self.device, double) if settings.prefetch else bar:
            if batch_rows(batch) == 0:
                continue  # of no row there is no loss and no score
            x, y = split_batch(batch)
            if labels and not verified and y is not None:
                self.trainer.check_labels(tensor_of({"y": y}, "y"))
            if not verified:
                check_dense(model, x)
            if inputs:
                self.trainer.check_inputs(model, x)
            yield to_device(batch, self.device, double)


def _ahead(batches: Iterable[Any], device: torch.device, double: bool) -> Iterator[Any]:
    """The batches; on a GPU each is there, or on its way, before the one before it is used up."""
    if device.type != "cuda":
        yield from batches
        return
    stream, ahead = torch.cuda.Stream(device), None
    for batch in batches:
        with torch.cuda.stream(stream):
            pinned = _map_tensors(batch, lambda t: for_device(t, double).pin_memory())
            coming = to_device(pinned, device, double)
        if ahead is not None:
            yield ahead
        torch.cuda.current_stream(device).wait_stream(stream)
        ahead = _map_tensors(coming, _used_here)
    if ahead is not None:
        yield ahead


def _used_here(tensor: Tensor) -> Tensor:
    """Tell the allocator of a copy that the current stream reads it too."""
    tensor.record_stream(torch.cuda.current_stream(tensor.device))
    return tensor


def split_batch(batch: Any) -> tuple[Any, Tensor | None]:
    """The inputs and the labels of a batch; the labels are None where a loader yields none."""
    if isinstance(batch, Mapping | Tensor):
        return batch, None
    if len(batch) == 1:
        return batch[0], None
    *inputs, y = batch
    return inputs[0] if len(inputs) == 1 else tuple(inputs), y


def labelled_batch(batch: Any) -> tuple[Any, Tensor]:
    """The inputs and the labels of a batch.

    Raises:
        ValueError: It has no labels.
    """
    x, y = split_batch(batch)
    if y is None:
        raise ValueError("training needs labels: the loader must yield (x, y)")
    return x, y


def batch_rows(batch: Any) -> int:
    """The number of rows of a batch: the length of its first tensor."""
    return next(map(len, _tensors(batch)))


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in dicts and sequences, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(item)


def to_device(value: Any, device: torch.device, double: bool = False) -> Any:
    """Tensors, and dicts and sequences of them, on a device; anything else as it is.

    Args:
        value: What to move.
        device: Where to.
        double: Whether float64 stays float64; else it becomes float32, before it is moved.
    """
    return _map_tensors(value, lambda t: for_device(t, double).to(device, non_blocking=True))


def _map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _map_tensors(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_map_tensors(item, change) for item in value)
    return value  # such as a text, which a model of the user may read
