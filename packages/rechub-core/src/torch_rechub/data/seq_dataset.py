"""Sequences of tokens in memory, each with the next token."""

from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from ..basic.layers.values import check_finite, check_whole_numbers, extremes
from .origin import Origin
from .table import Column, Index, check_tensors, to_column, to_tensor, to_weights


class SeqDataset(Dataset[Any]):
    """A data set of sequences of tokens, each with the next token.

    ``dataset[i]`` is one sequence, ``dataset[indices]`` (a slice, a list or a tensor) many at once:
    ``(seq_tokens, seq_positions, seq_time_diffs, target)`` either way, tensors of int64. Sequences
    of different lengths need a `collate_fn` of a `torch.utils.data.DataLoader`. With
    weights it is ``((seq_tokens, seq_positions, seq_time_diffs), target, weights)``.

    Args:
        seq_tokens: Ids of the tokens, shape (N, L), or N lists of different lengths.
        seq_positions: The position of each token in its sequence, in the same shape.
        targets: The id of the token to predict, shape (N,).
        seq_time_diffs: The time difference of each token, in the same shape.
        weights: The weight of each sequence in losses and metrics, at least 0, shape (N,); None
            weighs all equally.

    Raises:
        TypeError: An argument is not numeric.
        ValueError: The shapes do not match, or an id is not a whole number.

    Example:
        >>> SeqDataset([[5, 6], [7, 8]], [[0, 1], [0, 1]], [7, 9], [[60, 5], [9, 1]])[0]
        (tensor([5, 6]), tensor([0, 1]), tensor([60,  5]), tensor(7))
    """

    def __init__(
        self,
        seq_tokens: Any,
        seq_positions: Any,
        targets: Any,
        seq_time_diffs: Any,
        *,
        weights: Any = None,
    ) -> None:
        self.seq_tokens = to_column(seq_tokens, "seq_tokens")
        self.seq_positions = to_column(seq_positions, "seq_positions")
        self.targets = to_tensor(targets, "targets")
        self.seq_time_diffs = to_column(seq_time_diffs, "seq_time_diffs")
        for name in ("seq_tokens", "seq_positions", "targets"):
            if isinstance(ids := getattr(self, name), Tensor):
                check_whole_numbers(ids, name)
        if isinstance(self.seq_time_diffs, Tensor):
            _check_times(self.seq_time_diffs)
        if isinstance(self.seq_tokens, Tensor) and self.seq_tokens.dim() != 2:
            shape = tuple(self.seq_tokens.shape)
            raise ValueError(f"seq_tokens must have the shape (N, L), got {shape}")
        _check_alike(self.seq_tokens, self.seq_positions, "seq_positions")
        _check_alike(self.seq_tokens, self.seq_time_diffs, "seq_time_diffs")
        if len(self.targets) != len(self.seq_tokens):
            raise ValueError(
                f"there are {len(self.seq_tokens)} sequences, but {len(self.targets)} targets"
            )
        self.weights, self.origin = to_weights(weights, len(self.targets)), Origin()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: Index) -> tuple[Any, ...]:
        """Return the sequences at `index`, their targets, and their weights, if any."""
        sequences = (self.seq_tokens, self.seq_positions, self.seq_time_diffs)
        tokens, positions, time_diffs = (_whole_numbers(column[index]) for column in sequences)
        targets = self.targets[index].long()
        if self.weights is None:
            return tokens, positions, time_diffs, targets
        return (tokens, positions, time_diffs), targets, self.weights[index]

    def check_tensors(self) -> None:
        """Refuse sequences that cannot be loaded by the batch; see `check_tensors`."""
        check_tensors([self.seq_tokens, self.seq_positions, self.seq_time_diffs])


def _check_alike(tokens: Column, other: Column, name: str) -> None:
    """Refuse arguments without one number per token."""
    if isinstance(tokens, Tensor) and isinstance(other, Tensor):
        if tokens.shape != other.shape:
            raise ValueError(
                f"seq_tokens has the shape {tuple(tokens.shape)}, but {name} has "
                f"{tuple(other.shape)}"
            )
        return
    if len(tokens) != len(other):
        raise ValueError(f"there are {len(tokens)} sequences, but {len(other)} of {name}")
    for i, (row, its) in enumerate(zip(tokens, other, strict=True)):
        if len(row) != len(its):
            raise ValueError(f"sequence {i} has {len(row)} tokens, but {len(its)} {name}")


def _check_times(time_diffs: Tensor) -> None:
    """Refuse time differences that are not numbers, or are beyond int64."""
    check_finite(time_diffs, "column 'seq_time_diffs'")
    for value in extremes(time_diffs):
        if abs(value) >= 2**63:
            raise ValueError(f"column 'seq_time_diffs' holds {value:g}, which int64 cannot hold")


def _whole_numbers(rows: Any) -> Any:
    """Convert rows to int64: a tensor, or a list of tensors if they differ in length."""
    if isinstance(rows, Tensor):
        return rows.long()
    if len(rows) and hasattr(rows[0], "__len__") and not isinstance(rows[0], str):
        return [_whole_numbers(row) for row in rows]
    return to_tensor(rows, "a sequence").long()
