"""What loaders yield: inputs with or without labels, in dicts, lists or single tensors."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def split_batch(batch: Any) -> tuple[Any, Tensor | None]:
    """The inputs and the labels of a batch; the labels are None where a loader yields none."""
    if isinstance(batch, Mapping):
        return batch, None
    x, y = batch
    return x, y


def batch_rows(batch: Any) -> int:
    """The number of rows of a batch: the length of its first tensor."""
    while not isinstance(batch, Tensor):
        batch = next(iter(batch.values() if isinstance(batch, Mapping) else batch))
    return len(batch)


def to_device(value: Any, device: torch.device) -> Any:
    """Tensors, and dicts and sequences of them, on a device."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {name: to_device(item, device) for name, item in value.items()}
    return tuple(to_device(item, device) for item in value)
