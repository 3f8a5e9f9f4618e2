"""Batches: what loaders yield, split into inputs and labels, and moved to a device."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..basic.layers.precision import for_device


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
    return map_tensors(value, lambda t: for_device(t, double).to(device, non_blocking=True))


def map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A value with each tensor changed, in dicts and sequences too; anything else as it is."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: map_tensors(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(map_tensors(item, change) for item in value)
    return value  # such as a text, which a model of the user may read
