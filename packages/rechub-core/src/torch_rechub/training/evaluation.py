"""A pass of a model over data, without gradients."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import RandomSampler

from ..data.batch import split_batch
from .data_feed import BatchFeed

log = logging.getLogger("torch_rechub")


def predictions_of(
    feed: BatchFeed,
    model: nn.Module,
    data_loader: Iterable[Any],
    predict: Callable[[Any], Tensor],
    labels_of: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """The labels and what a model predicts for every row, on the CPU, in the order of the loader.

    Args:
        feed: Hands out the batches.
        model: Is put into evaluation mode.
        data_loader: Yields x or (x, y).
        predict: Maps x to predictions (B, ...).
        labels_of: Maps y to labels (B, ...); None leaves y alone, and no labels are returned.

    Raises:
        ValueError: Labels are wanted, and rows lack them.
    """
    model.eval()
    if labels_of is None:
        warn_if_shuffled(data_loader)
    truth, found = [torch.empty(0)], [torch.empty(0)]
    bar = feed.bar(feed.in_large_batches(data_loader), "predict")
    with torch.inference_mode():
        for batch in feed(data_loader, bar, model=model, labels=labels_of is not None):
            x, y = split_batch(batch)
            found.append(predict(x).cpu())
            if labels_of is not None:
                if y is None:
                    raise ValueError("evaluation needs labels: the loader must yield (x, y)")
                truth.append(labels_of(y).cpu())
    return _concatenated(truth), _concatenated(found)


def warn_if_shuffled(data_loader: Iterable[Any]) -> None:
    """Warn of a loader that is known to yield its rows in a random order."""
    sampler = getattr(data_loader, "sampler", None)
    if getattr(sampler, "shuffle", False) or isinstance(sampler, RandomSampler):
        log.warning(
            "The loader shuffles its rows, so the predictions are not in the order of the data: "
            "predict with a loader that does not."
        )


def _concatenated(parts: list[Tensor]) -> Tensor:
    """The parts after the first, which is empty, one behind the other."""
    return torch.cat(parts[1:] or parts)
