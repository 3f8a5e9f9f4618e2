"""Row order: loaders that read all rows, in the order of their data set."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
)

from .loader import BatchIndices, TableLoader
from .streaming import StreamingLoader

log = logging.getLogger("torch_rechub")

_KEPT = (
    "num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn",
    "multiprocessing_context", "generator", "prefetch_factor", "persistent_workers",
)  # fmt: skip


def in_row_order(loader: Iterable[Any]) -> Iterable[Any]:
    """Return a loader of the same data set that reads each row once, in order.

    Shuffling, `drop_last` and several workers of an `IterableDataset`, which mix its batches, are
    switched off. A loader that needs no change, and an iterable other than a `DataLoader` or a
    `StreamingLoader`, are returned unchanged.

    Raises:
        ValueError: A sampler omits or repeats rows, or the loader has a subclass of `DataLoader`
            that cannot be recreated.

    Example:
        >>> from torch_rechub.data.table import PredictDataset
        >>> list(in_row_order(TableLoader(PredictDataset({"user": [3, 4]}), 2, shuffle=True)))
        [{'user': tensor([3, 4])}]
    """
    if isinstance(loader, StreamingLoader):
        return loader.in_row_order()
    if not isinstance(loader, DataLoader) or _is_in_order(loader):
        return loader
    if isinstance(loader, TableLoader):
        found: DataLoader[Any] = loader.in_row_order()
    elif isinstance(loader.dataset, IterableDataset):
        found = _remade(loader, loader.batch_size, num_workers=min(1, loader.num_workers))
    else:
        found = _remade(loader, *_ordered_draw(loader))
    log.info("The loader shuffles or drops rows: all of them are read, in the order of the data.")
    return found


def with_every_row(loader: Iterable[Any]) -> Iterable[Any]:
    """Return a loader of the same rows with `drop_last` switched off.

    Raises:
        ValueError: The loader has a subclass of `DataLoader` that cannot be recreated.
    """
    if not isinstance(loader, DataLoader) or not _drops_last(loader):
        return loader
    batches = loader.batch_sampler
    if type(batches) is BatchSampler and not isinstance(loader.dataset, IterableDataset):
        found = _remade(loader, batches.batch_size, batches.sampler)
    else:
        found = _remade(loader, loader.batch_size)
    log.info("The loader drops its last batch (drop_last=True): it is read as well.")
    return found


def _drops_last(loader: DataLoader[Any]) -> bool:
    if isinstance(loader.dataset, IterableDataset):
        return bool(loader.drop_last)
    batches = loader.batch_sampler
    return type(batches) is BatchSampler and batches.drop_last


def _is_in_order(loader: DataLoader[Any]) -> bool:
    """Whether a loader is known to yield each row once, in order."""
    several = loader.num_workers > 1
    if isinstance(loader.dataset, IterableDataset):
        return not several and not loader.drop_last
    # workers of an iterable data set yield batches in any order
    if several and not getattr(loader, "in_order", True):
        return False
    batches, sampler = loader.batch_sampler, loader.sampler
    if type(batches) is BatchSampler:
        sampler = batches.sampler
    elif batches is not None:
        return False
    if isinstance(sampler, BatchIndices):
        return not sampler.shuffle
    whole = type(sampler) is SequentialSampler and len(sampler) == _n_rows(loader)
    return whole and not _drops_last(loader)


def _ordered_draw(loader: DataLoader[Any]) -> tuple[int | None, Sampler[Any]]:
    """Return a batch size and a sampler that read the data set of a loader in order.

    Raises:
        ValueError: The sampler of the loader omits or repeats rows.
    """
    n_rows, batches, sampler = _n_rows(loader), loader.batch_sampler, loader.sampler
    in_order: Sampler[Any] = SequentialSampler(range(n_rows))
    if type(batches) is BatchSampler:
        _check_draws(batches.sampler, n_rows)
        return batches.batch_size, in_order
    if batches is not None:
        return _check_draws(batches, n_rows), in_order
    if isinstance(sampler, BatchIndices):
        return None, BatchIndices(n_rows, sampler.batch_size)
    _check_draws(sampler, n_rows)
    return None, in_order


def _check_draws(sampler: Iterable[Any], n_rows: int) -> int:
    """Refuse a sampler of rows or batches that does not draw each row once.

    Returns:
        The size of the largest batch.

    Raises:
        ValueError: The sampler omits or repeats rows.
    """
    whole = isinstance(sampler, RandomSampler) and sampler.num_samples == n_rows
    if whole and not sampler.replacement:  # type: ignore[attr-defined]
        return 1
    times, drawn, largest = np.zeros(n_rows, dtype=np.int64), 0, 1
    # this draw must not change the random state of training
    with torch.random.fork_rng(devices=[]):
        for given in sampler:
            rows = np.atleast_1d(np.asarray(given))
            np.add.at(times, rows, 1)
            drawn, largest = drawn + len(rows), max(largest, len(rows))
            if drawn > n_rows:
                break
    if drawn != n_rows or times.min(initial=1) != 1:
        raise ValueError(
            f"predictions are those of each row, in order, but {type(sampler).__name__} leaves out "
            f"or repeats some of the {n_rows} rows: predict with a loader without a sampler; of "
            "some of the rows, with torch.utils.data.Subset(dataset, rows)"
        )
    return largest


def _n_rows(loader: DataLoader[Any]) -> int:
    return len(loader.dataset)  # type: ignore[arg-type]


def _remade(
    loader: DataLoader[Any], batch_size: int | None, sampler: Any = None, **changes: Any
) -> DataLoader[Any]:
    """Recreate a loader with another sampler and without `drop_last`.

    Raises:
        ValueError: The loader has a subclass of `DataLoader`.
    """
    if type(loader) is not DataLoader:
        raise ValueError(
            f"{type(loader).__name__} shuffles its rows, or drops some, and is no plain "
            "torch.utils.data.DataLoader that could be read in another way: give one that reads "
            "all rows in order (shuffle=False, drop_last=False)"
        )
    kept = {name: getattr(loader, name) for name in _KEPT} | changes
    return DataLoader(loader.dataset, batch_size, sampler=sampler, **kept)
