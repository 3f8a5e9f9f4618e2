"""What loaders yield: inputs with or without labels, checked and moved to a device."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .._streams import StandardStream
from ..basic.layers.inputs import tensor_of
from ..basic.layers.precision import for_device, is_double
from ..data.batch import batch_rows, map_tensors, split_batch, to_device
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
            pinned = map_tensors(batch, lambda t: for_device(t, double).pin_memory())
            coming = to_device(pinned, device, double)
        if ahead is not None:
            yield ahead
        torch.cuda.current_stream(device).wait_stream(stream)
        ahead = map_tensors(coming, _used_here)
    if ahead is not None:
        yield ahead


def _used_here(tensor: Tensor) -> Tensor:
    """Tell the allocator of a copy that the current stream reads it too."""
    tensor.record_stream(torch.cuda.current_stream(tensor.device))
    return tensor
