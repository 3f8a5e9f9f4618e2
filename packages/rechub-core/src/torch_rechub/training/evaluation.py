"""The evaluation loop: runs a model on data for validation, test and prediction."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..basic.layers.precision import widened
from ..data.batch import Batch
from ..data.weights import joined_weights
from .device_loader import DeviceLoader

Result = TypeVar("Result")


@dataclass(frozen=True)
class Predictions:
    """The results of an evaluation, on the CPU, in the order of the rows.

    Attributes:
        scores: The predictions, (N, ...).
        labels: The labels, (N, ...); empty if they were not requested.
        groups: The group of each row, (N,); None if groups were not requested.
        weights: The weight of each row, (N,); None means equal weights.
    """

    scores: Tensor
    labels: Tensor
    groups: Tensor | None = None
    weights: Tensor | None = None

    def as_numpy(
        self,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
        """Return labels, scores, groups and weights as NumPy arrays, float32 at least."""
        groups = None if self.groups is None else self.groups.numpy()
        weights = None if self.weights is None else self.weights.numpy()
        return widened(self.labels).numpy(), widened(self.scores).numpy(), groups, weights


class Evaluation:
    """Runs a step on each batch of a loader, in evaluation mode and without gradients.

    All trainers use it for validation, test and prediction.

    Args:
        batches: The device loader.
    """

    def __init__(self, batches: DeviceLoader) -> None:
        self.batches = batches

    def __call__(
        self,
        model: nn.Module,
        data_loader: Iterable[Any],
        step: Callable[[Batch], Result],
        title: str = "evaluate",
        *,
        labels: bool = True,
        group_column: str | None = None,
        in_order: bool = False,
    ) -> list[Result]:
        """Iterate over the results of the step, one for each batch.

        Args:
            model: The model that the step calls.
            data_loader: A loader, or data that `as_loader` accepts.
            step: A function from a batch on the device to a result.
            title: The title of the progress bar.
            labels: Whether the step uses labels.
            group_column: The column of groups for the step.
            in_order: Whether the rows must be in the order of the data, also of a shuffling loader.

        Raises:
            TypeError: The model is not a module, or the data have an unknown type.
        """
        data_loader = self.batches.loader_of(data_loader, model, in_order=in_order)
        model.eval()
        bar = self.batches.bar(data_loader, title)
        batches = self.batches(
            data_loader, bar, model=model, labels=labels, group_column=group_column
        )
        with torch.inference_mode():
            return [step(batch) for batch in batches]

    def predictions(
        self,
        model: nn.Module,
        data_loader: Iterable[Any],
        predict: Callable[[Any], Tensor],
        labels_of: Callable[[Tensor], Tensor] | None = None,
        group_column: str | None = None,
    ) -> Predictions:
        """Return the predictions for all rows, and labels, groups and weights if requested.

        Without labels, the rows are in the order of the data, also of a shuffling loader.

        Args:
            model: The model that `predict` calls.
            data_loader: A loader of x, (x, y) or (x, y, weights), or data that `as_loader` accepts.
            predict: A function from x to predictions (B, ...).
            labels_of: A function from y to labels (B, ...); None means no labels.
            group_column: The column of groups; None means no groups.

        Raises:
            ValueError: Labels are requested and missing.
        """
        needs_labels = labels_of is not None
        loader = self.batches.loader_of(data_loader, model, in_order=not needs_labels)

        def step(batch: Batch) -> tuple[Tensor | None, ...]:
            scores = predict(batch.inputs).cpu()
            if labels_of is None:
                return scores, None, None, None
            if batch.labels is None:
                raise ValueError("evaluation needs labels: give (x, y), or a loader of them")
            weights = None if batch.weights is None else batch.weights.cpu()
            return scores, labels_of(batch.labels).cpu(), batch.groups, weights

        large = self.batches.in_large_batches(loader)
        results = self(model, large, step, labels=needs_labels, group_column=group_column)
        *parts, weights = zip(*results) if results else [()] * 4
        scores, labels, groups = map(_concatenated, parts)
        empty = torch.empty(0)
        scores, labels = (empty if part is None else part for part in (scores, labels))
        return Predictions(scores, labels, groups, joined_weights(weights))


def _concatenated(parts: tuple[Tensor | None, ...]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present) if present else None
