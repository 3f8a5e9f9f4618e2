"""The evaluation loop: a model over data, without gradients, for validation, test, prediction."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..basic.layers.precision import widened
from ..data.batch import Batch
from .device_loader import DeviceLoader

Result = TypeVar("Result")


@dataclass(frozen=True)
class Predictions:
    """The results of an evaluation, on the CPU, in the order of the rows.

    Attributes:
        scores: The predictions, (N, ...).
        labels: Their labels, (N, ...); empty where they were not asked for.
        groups: The group of each row, (N,); None where none was asked for.
        weights: How much each row counts, (N,); None where all count alike.
    """

    scores: Tensor
    labels: Tensor
    groups: Tensor | None = None
    weights: Tensor | None = None

    def as_numpy(
        self,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
        """Labels, scores, groups and weights as NumPy arrays, in at least single precision."""
        groups = None if self.groups is None else self.groups.numpy()
        weights = None if self.weights is None else self.weights.numpy()
        return widened(self.labels).numpy(), widened(self.scores).numpy(), groups, weights


class Evaluation:
    """Runs a step on each batch of a loader, in evaluation mode and without gradients.

    Every trainer validates, tests and predicts with it.

    Args:
        batches: Hands out the batches.
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
        """The results of the step, one for each batch.

        Args:
            model: The model that the step calls.
            data_loader: Yields batches; or data as `as_loader` takes them.
            step: Maps a batch on the device to a result.
            title: The title of the progress bar.
            labels: Whether the step reads labels.
            group_column: The column of groups that the step reads.
            in_order: Whether the rows come in the order of the data, whatever the loader's.

        Raises:
            TypeError: The model is none, or the data are of no known form.
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
        """The predictions for every row; labels, groups and weights too where labels are asked for.

        Without labels, they are in the order of the rows, of a loader that shuffles too.

        Args:
            model: The model that `predict` calls.
            data_loader: Yields x, (x, y) or (x, y, weights); or data as `as_loader` takes them.
            predict: Maps x to predictions (B, ...).
            labels_of: Maps y to labels (B, ...); None leaves labels out.
            group_column: The column of groups; None leaves them out.

        Raises:
            ValueError: Labels are asked for, and rows lack them.
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
        parts = map(_concatenated, zip(*results)) if results else [None] * 4
        scores, labels, groups, weights = parts
        empty = torch.empty(0)
        scores, labels = (empty if part is None else part for part in (scores, labels))
        return Predictions(scores, labels, groups, weights)


def _concatenated(parts: tuple[Tensor | None, ...]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    if present and len(present) < len(parts):
        raise ValueError(
            "some batches have weights and others have none: give all of them weights, or none"
        )
    return torch.cat(present) if present else None
