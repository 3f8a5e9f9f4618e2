"""Cross-batch negatives: a memory of item vectors of earlier batches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .._bounds import check_whole
from ..losses.blockwise_softmax import Pairs
from ..losses.in_batch import repeated_items
from ..models.protocols import GroupsItems


@dataclass(frozen=True)
class Remembered:
    """Items of earlier batches, as negatives of a batch.

    Attributes:
        vectors: Item vectors (M, D), without gradient.
        bias: The term of each item's score (M,), −ln q with a logQ correction; None means 0.
        same: The pairs (i, j), sorted by i, of rows of the batch and stored items that equal the
            row's own item, which are not negatives; None if the model does not identify items.
    """

    vectors: Tensor
    bias: Tensor | None
    same: Pairs | None

    def scores(self, user: Tensor) -> Tensor:
        """The score of each user (B, D) with each item, (B, M); −∞ where it is the row's own."""
        scores = user @ self.vectors.to(user.dtype).T
        if self.bias is not None:
            scores = scores + self.bias
        if self.same is not None:
            own = torch.zeros_like(scores, dtype=torch.bool)
            own[self.same] = True
            scores = scores.masked_fill(own, -torch.inf)
        return scores


class CrossBatchMemory:
    """A FIFO queue of the items of recent batches: negatives without a pass of the item tower.

    Item vectors change slowly after the start of training, so vectors computed a few batches ago
    are still accurate enough. Early in training they change quickly: the items of `warmup` batches
    are stored before they are used.

    Args:
        size: M, the number of stored items.
        warmup: The number of batches before remembered items are negatives.
        model: If it is one of `GroupsItems`, a remembered item that equals a row's own item is
            not a negative of the row.

    Raises:
        TypeError: A number is not a whole number.
        ValueError: A number is out of range.

    Reference:
        Wang et al., Cross-Batch Negative Sampling for Training Two-Tower Recommenders, SIGIR 2021,
        arXiv 2110.15154.
    """

    def __init__(self, size: int, warmup: int, model: nn.Module) -> None:
        check_whole(1, cross_batch_negatives=size)
        check_whole(0, cross_batch_warmup=warmup)
        self.size, self.warmup, self.model = size, warmup, model
        self.reset()

    def reset(self) -> None:
        """Remove all items."""
        self.batches = 0
        self.vectors: Tensor | None = None
        self.bias: Tensor | None = None
        self.columns: dict[str, Tensor] = {}

    def recall(self, x: Mapping[str, Tensor]) -> Remembered | None:
        """Return the negatives for a batch; None if there are none yet."""
        if self.vectors is None or self.batches < self.warmup:
            return None
        return Remembered(self.vectors, self.bias, self._same(x))

    def add(self, x: Mapping[str, Tensor], item: Tensor, bias: Tensor | None) -> None:
        """Store the items of a batch, and drop the oldest ones.

        Args:
            x: The inputs of the batch.
            item: The vectors of its items, (B, D).
            bias: The term of each item's score, (B,), or None.
        """
        self.batches += 1
        self.vectors = self._appended(self.vectors, item.detach())
        self.bias = None if bias is None else self._appended(self.bias, bias.detach())
        columns = self.columns or dict.fromkeys(self._columns_of_items(x))
        self.columns = {
            name: self._appended(values, _fitting(name, x[name], values))
            for name, values in columns.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the stored items."""
        parts = {"vectors": self.vectors, "bias": self.bias, "columns": self.columns}
        return {"batches": self.batches, **parts}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Restore the stored items on a device."""

        def moved(values: Tensor | None) -> Tensor | None:
            return None if values is None else values[-self.size :].to(device)

        self.batches = int(state["batches"])
        self.vectors, self.bias = moved(state["vectors"]), moved(state["bias"])
        self.columns = {name: v[-self.size :].to(device) for name, v in state["columns"].items()}

    def _appended(self, old: Tensor | None, new: Tensor) -> Tensor:
        return (new if old is None else torch.cat([old, new]))[-self.size :].clone()

    def _same(self, x: Mapping[str, Tensor]) -> Pairs | None:
        if not self.columns or not isinstance(self.model, GroupsItems):
            return None
        n = len(x[next(iter(self.columns))])
        both = {c: torch.cat([_fitting(c, x[c], v), v]) for c, v in self.columns.items()}
        row, other = repeated_items(self.model.item_groups({**x, **both}), n)
        return row[other >= n], other[other >= n] - n

    def _columns_of_items(self, x: Mapping[str, Tensor]) -> list[str]:
        """Return the columns that `item_groups` of the model reads."""
        if not isinstance(self.model, GroupsItems):
            return []
        reads = _Reads(x)
        self.model.item_groups(reads)
        return reads.names


class _Reads(Mapping[str, Tensor]):
    """Wraps a batch and records the names of the columns that are read."""

    def __init__(self, x: Mapping[str, Tensor]) -> None:
        self.x = x
        self.names: list[str] = []

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            self.names.append(name)
        return self.x[name]

    def __contains__(self, name: object) -> bool:
        return name in self.x  # which reads no values

    def __iter__(self) -> Iterator[str]:
        return iter(self.x)

    def __len__(self) -> int:
        return len(self.x)


def _fitting(name: str, new: Tensor, old: Tensor | None) -> Tensor:
    """Check that a column can be concatenated with the stored one.

    Raises:
        ValueError: The widths differ.
    """
    if old is not None and new.shape[1:] != old.shape[1:]:
        raise ValueError(
            f"cross_batch_negatives compares the items of several batches, but their column "
            f"{name!r} has shape {tuple(new.shape)} after one of {tuple(old.shape)}: pad it to one "
            "length"
        )
    return new
