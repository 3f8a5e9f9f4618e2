"""Loaders for retrieval models, their users and items, and for sequence models."""

from collections.abc import Sequence
from typing import Any

from .loader import TableLoader
from .seq_dataset import SeqDataset
from .shares import check_shares, random_parts
from .table import PredictDataset, TorchDataset


class MatchDataGenerator:
    """Creates the loaders for training a retrieval model and for embedding users and items.

    Args:
        x: The inputs of training: a dict of arrays, or a pandas, polars or Arrow table.
        y: The labels, shape (N,); empty or None if training needs none: pair-wise, list-wise with
            the positive first, or with in-batch negatives. Batches are then x.
        weights: The weight of each row in losses and metrics, at least 0, shape (N,); None weighs
            all rows equally. Batches are then ``(x, y, weights)``. Without labels, weights are a
            column of x that the trainer's `weight_column` names.

    Raises:
        ValueError: There are weights without labels.

    Example:
        >>> x = {"user": [1, 2, 3], "item": [4, 5, 6]}
        >>> data = MatchDataGenerator(x, [1, 0, 1])
        >>> train, users, items = data.generate_dataloader({"user": [1]}, {"item": [4, 5]}, 2)
        >>> list(items)
        [{'item': tensor([4, 5])}]
    """

    def __init__(self, x: Any, y: Any = (), *, weights: Any = None) -> None:
        unlabeled = y is None or len(y) == 0
        if unlabeled and weights is not None:
            raise ValueError(
                "weights without labels must be a column of x: add it, and name it to the trainer "
                "by weight_column"
            )
        self.dataset = PredictDataset(x) if unlabeled else TorchDataset(x, y, weights=weights)

    def generate_dataloader(
        self, x_test_user: Any, x_all_item: Any, batch_size: int, num_workers: int = 0
    ) -> tuple[TableLoader, TableLoader, TableLoader]:
        """Create the loaders, which fetch whole batches.

        Args:
            x_test_user: Inputs of the users to recommend to.
            x_all_item: Inputs of all items.
            batch_size: Number of rows per batch.
            num_workers: Number of worker processes; 0, in this process, is fastest for tables in
                memory.

        Returns:
            (train, test_user, all_item). The first is shuffled and yields ``(x, y)``, or x without
            labels; the others keep the order of their rows and yield x.
        """
        return (
            TableLoader(self.dataset, batch_size, True, num_workers),
            TableLoader(PredictDataset(x_test_user), batch_size, False, num_workers),
            TableLoader(PredictDataset(x_all_item), batch_size, False, num_workers),
        )


def first_two(shares: Sequence[float]) -> Sequence[float]:
    """Return the first two of three shares, whose sum must be 1.

    Raises:
        ValueError: The sum is not 1.
    """
    check_shares(shares)
    if len(shares) != 3:
        return shares
    if abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"three shares of split_ratio must add up to 1, got {shares!r}")
    return shares[:2]


class SequenceDataGenerator:
    """Creates the loaders for a sequence model, which predicts the token after each sequence.

    Args:
        seq_tokens: Ids of the tokens, shape (N, L).
        seq_positions: The position of each in its sequence, shape (N, L).
        targets: The id of the token to predict, shape (N,).
        seq_time_diffs: Seconds from each event to a common reference, such as the last event;
            shape (N, L).
        weights: The weight of each sequence in losses and metrics, at least 0, shape (N,); None
            weighs all equally.

    Example:
        >>> data = SequenceDataGenerator([[5, 6]], [[0, 1]], [7], [[60, 5]])
        >>> loader, = data.generate_dataloader()
        >>> list(loader)
        [(tensor([[5, 6]]), tensor([[0, 1]]), tensor([[60,  5]]), tensor([7]))]
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
        columns = (seq_tokens, seq_positions, targets, seq_time_diffs)
        self.dataset = SeqDataset(*columns, weights=weights)

    def generate_dataloader(
        self,
        batch_size: int = 32,
        num_workers: int = 0,
        split_ratio: Sequence[float] | None = None,
        shuffle: bool = True,
    ) -> tuple[TableLoader, ...]:
        """Create one loader of all sequences, or three over a random split.

        Args:
            batch_size: Number of sequences per batch.
            num_workers: Number of worker processes; see `TableLoader`.
            split_ratio: Shares of training, validation and test, such as (0.7, 0.1, 0.2); the
                last may be left out. Drawn from torch's global random state.
            shuffle: Whether to shuffle the loader; of three loaders only that of training.

        Returns:
            (loader,), or (train, validation, test). Each yields
            ``(seq_tokens, seq_positions, seq_time_diffs, target)``, or with weights
            ``((seq_tokens, seq_positions, seq_time_diffs), target, weights)``.

        Raises:
            ValueError: The shares are out of range.
        """
        if split_ratio is None:
            return (TableLoader(self.dataset, batch_size, shuffle, num_workers),)
        train, val, test = random_parts(self.dataset, first_two(split_ratio))
        return (
            TableLoader(train, batch_size, True, num_workers),
            TableLoader(val, batch_size, False, num_workers),
            TableLoader(test, batch_size, False, num_workers),
        )
