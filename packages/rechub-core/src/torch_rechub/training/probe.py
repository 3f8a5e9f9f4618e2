"""The probe: a model on the first rows of a table, before training, without a trace."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Subset

N_ROWS = 64


def first_rows(loader: Any) -> Any:
    """The first rows of the table in memory that a loader draws from, as a batch of the loader."""
    dataset: Any = loader.dataset
    index = torch.arange(min(N_ROWS, len(dataset)))
    while isinstance(dataset, Subset):
        index, dataset = torch.as_tensor(dataset.indices)[index], dataset.dataset
    return dataset[index]


@contextmanager
def without_trace(model: nn.Module) -> Iterator[None]:
    """Let a model be called in evaluation mode, without gradients; afterwards it is as it was.

    Random states, those of NumPy and Python too, the modes of its modules and its buffers are
    restored.
    """
    modes = {module: module.training for module in model.modules()}
    buffers = [(b, b._version, b.clone()) for b in model.buffers() if b.numel() <= 2**20]
    cuda = sorted({p.device for p in model.parameters() if p.device.type == "cuda"}, key=str)
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - models draw from it
    model.eval()
    try:
        with torch.random.fork_rng(devices=cuda), torch.no_grad():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        for module, training in modes.items():
            module.training = training
        for buffer, version, before in buffers:
            if buffer._version != version:
                _restore(buffer, before)


def _restore(buffer: Tensor, before: Tensor) -> None:
    with torch.no_grad():
        buffer.copy_(before)
