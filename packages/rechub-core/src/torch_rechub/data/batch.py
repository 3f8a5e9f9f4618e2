"""Batches: what a loader yields, unpacked once into inputs, labels, weights and groups."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..basic.layers.precision import for_device
from .weights import rows_of, taken_out


@dataclass(frozen=True, slots=True)
class Batch:
    """A mini-batch.

    Attributes:
        inputs: The inputs of the model: a dict of tensors, a tensor, or a tuple of tensors.
        rows: The number of rows: the length of the first tensor.
        labels: The labels, one row each; None if the loader yields none.
        groups: The group of each row, (B,), such as its user; None if groups are not requested.
        weights: The weight of each row, (B,); None means equal weights.

    Example:
        >>> Batch.unpacked(({"user": torch.tensor([3, 4])}, torch.tensor([0, 1])), "user").groups
        tensor([3, 4])
    """

    inputs: Any
    rows: int
    labels: Tensor | None = None
    groups: Tensor | None = None
    weights: Tensor | None = None

    @classmethod
    def unpacked(
        cls,
        given: Any,
        group_column: str | None = None,
        weight_column: str | None = None,
        weighted: bool = True,
    ) -> "Batch":
        """Unpack a batch of a loader.

        A loader yields x, (x,), (x, y), (x, y, weights), or (x_1, …, x_n, y) for an n of 3 or more;
        x may be a tuple, so that ((x_1, …, x_n), y) and ((x_1, …, x_n), y, weights) are batches for
        any n. A batch of three always ends in weights.

        Args:
            given: The batch as the loader yields it.
            group_column: The column of the groups, which stays among the inputs.
            weight_column: The column of the weights, which is taken out of the inputs.
            weighted: Whether the column of weights is required.

        Raises:
            KeyError: A column is missing.
            ValueError: A column does not hold one number per row, there is no tensor, or weights
                are given both in a column and by the loader.
        """
        x, y, weights = _split(given)
        first = next(_tensors(given), None)
        if first is None:
            raise ValueError(f"a batch holds no tensor, but {type(given).__name__}: collate it")
        groups = None if group_column is None else groups_in(x, group_column)
        if weight_column is not None:
            x, weights = taken_out(x, weights, weight_column, weighted)
        return cls(x, len(first), y, groups, weights)

    @property
    def count(self) -> int | Tensor:
        """The divisor of mean losses: the number of rows, or the sum of their weights."""
        return self.rows if self.weights is None else self.weights.sum()

    def of_weight_above_0(self) -> "Batch":
        """Return the batch without rows of weight 0.

        If all other weights are 1, the result has no weights, so that the loss is bit-equal to that
        of a batch of these rows.

        Raises:
            ValueError: An input does not have one entry for each row.
        """
        if self.weights is None or self.rows == 0:
            return self
        low, high = (float(bound) for bound in torch.aminmax(self.weights))
        kept, weights = self, self.weights.reshape(-1)
        if low == 0:
            index = weights.nonzero().squeeze(1)
            parts = (self.inputs, self.labels, self.groups, weights)
            x, y, groups, weights = rows_of(parts, index, self.rows)
            kept = Batch(x, len(index), y, groups, weights)
            low = float(weights.min()) if len(weights) else 1.0
        return replace(kept, weights=None if low == high == 1 else weights)

    def labeled(self) -> Tensor:
        """Return the labels.

        Raises:
            ValueError: The batch has no labels.
        """
        if self.labels is None:
            raise ValueError("training needs labels: the loader must yield (x, y)")
        return self.labels

    def to(self, device: torch.device, double: bool = False) -> "Batch":
        """Move the batch to a device; see `to_device`."""
        x, y = to_device((self.inputs, self.labels), device, double)
        if self.weights is None:
            return replace(self, inputs=x, labels=y)
        w = to_device(self.weights.reshape(-1), device, double)
        return replace(self, inputs=x, labels=y, weights=w if w.is_floating_point() else w.float())


def to_device(value: Any, device: torch.device, double: bool = False) -> Any:
    """Move tensors, and those in dicts and sequences, to a device; return other values unchanged.

    Args:
        value: The value to move.
        device: The target device.
        double: Whether to keep float64; otherwise it is converted to float32 before the move.
    """
    return map_tensors(value, lambda t: for_device(t, double).to(device, non_blocking=True))


def map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to tensors, and those in dicts and sequences; other values are unchanged."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: map_tensors(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(map_tensors(item, change) for item in value)
    return value  # such as text for a custom model


def _split(batch: Any) -> tuple[Any, Tensor | None, Tensor | None]:
    """Split a batch into inputs, labels and weights."""
    if isinstance(batch, Mapping | Tensor):
        return batch, None, None
    if len(batch) == 1:
        return batch[0], None, None
    if len(batch) == 3:
        x, y, weights = batch
        return tuple(x) if isinstance(x, list) else x, y, weights
    *inputs, y = batch
    x = inputs[0] if len(inputs) == 1 else inputs
    return tuple(x) if isinstance(x, list) else x, y, None


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in dicts and sequences, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(item)


def groups_in(x: Any, column: str, rows: str = "B") -> Tensor:
    """The column of groups among inputs, whose number of rows messages call `rows`.

    Raises:
        KeyError: There is no such column.
        ValueError: It does not hold one number a row.
    """
    if not isinstance(x, Mapping) or column not in x:
        there = ", ".join(map(str, x)) if isinstance(x, Mapping) else "none, as inputs are no dict"
        raise KeyError(f"group_column={column!r} is not in the data; columns there are: {there}")
    groups = x[column]
    if not isinstance(groups, Tensor) or groups.dim() != 1:
        form = f"shape {tuple(groups.shape)}" if isinstance(groups, Tensor) else "no numbers"
        raise ValueError(
            f"group_column={column!r} must hold one number a row, ({rows},), but has {form}"
        )
    return groups
