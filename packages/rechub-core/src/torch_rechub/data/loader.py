"""Loading by the batch: one index operation per column and batch, not row by row."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, Subset

from .._bounds import refuse_none, whole_number
from .group_batches import GroupIndices, groups_of, random_parts_of_groups
from .shares import check_two_shares, random_parts
from .table import PredictDataset, TorchDataset
from .table_position import TablePosition


def rows_at_once(width: int) -> int:
    """Return how many rows of so many values are evaluated at once, if no number is given.

    Trainers and bundles share it, so that their predictions agree to the last bit: the order of a
    sum may depend on the number of rows.

    Example:
        >>> rows_at_once(39), rows_at_once(1000)
        (4096, 524)
    """
    return max(1, min(4096, 2**19 // width))


class BatchIndices(Sampler[Any]):
    """Sampler of the row indices of batches: slices in order, or tensors in a random order.

    Args:
        n_rows: Number of rows.
        batch_size: Number of rows per batch; the last batch may be smaller.
        shuffle: Whether to shuffle in each epoch, by torch's global random state.

    Example:
        >>> [b.tolist() for b in BatchIndices(5, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, n_rows: int, batch_size: int, shuffle: bool = False) -> None:
        refuse_none(batch_size=batch_size)
        self.batch_size: int = whole_number(1, batch_size=batch_size)
        self.n_rows, self.shuffle = n_rows, shuffle

    def __len__(self) -> int:
        return -(-self.n_rows // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.arange(self.n_rows)
        if self.shuffle:
            # seeded like torch's RandomSampler and at the same time (at the first batch, after
            # DataLoader drew its own seed), so that a seed gives the same order as in torch
            generator = torch.Generator()
            generator.manual_seed(int(torch.empty((), dtype=torch.int64).random_().item()))
            order = torch.randperm(self.n_rows, generator=generator)
        if self.n_rows:
            yield from order.split(self.batch_size)


class TableLoader(DataLoader[Any]):
    """A `torch.utils.data.DataLoader` that fetches whole batches.

    Args:
        dataset: A data set that is indexed by tensors of row numbers, such as `TorchDataset`.
        batch_size: Number of rows per batch.
        shuffle: Whether to shuffle in each epoch.
        num_workers: Number of worker processes; 0, in this process, is fastest for tables in
            memory.
        group_column: Column of groups; a batch holds whole groups, see `GroupIndices`. None makes
            batches of rows.
        **kwargs: Additional arguments of `DataLoader`, such as pin_memory.

    Raises:
        TypeError: A column is not numeric.
        ValueError: The rows of a column differ in length, or `batch_size` is below 1.

    Example:
        >>> loader = TableLoader(PredictDataset({"user": [3, 4, 5]}), batch_size=2)
        >>> list(loader)
        [{'user': tensor([3, 4])}, {'user': tensor([5])}]
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int,
        shuffle: bool = False,
        num_workers: int = 0,
        *,
        group_column: str | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_none(num_workers=num_workers)
        num_workers = whole_number(0, num_workers=num_workers)
        n_rows = len(dataset)  # type: ignore[arg-type]
        table: Any = dataset
        while isinstance(table, Subset):
            table = table.dataset
        if hasattr(table, "check_tensors"):
            table.check_tensors()
        self.shuffle, self._options = shuffle, {"group_column": group_column, **kwargs}
        batches: BatchIndices | GroupIndices = (
            BatchIndices(n_rows, batch_size, shuffle)
            if group_column is None
            else GroupIndices(groups_of(dataset, group_column), batch_size, shuffle)
        )
        super().__init__(
            dataset,
            batch_size=None,  # the sampler yields batches, so rows are not collated
            sampler=batches,
            num_workers=num_workers,
            collate_fn=as_fetched,
            **kwargs,
        )
        # DataLoader forbids setting it, but scripts read the size of a batch from here
        vars(self)["batch_size"] = batches.batch_size
        identity = {"rows": n_rows, "batch_size": batches.batch_size, "shuffle": shuffle}
        self._position = TablePosition(identity | {"group_column": group_column})

    def __iter__(self) -> Any:
        skipped = self._position.begin()
        return self._position.counted(super().__iter__(), skipped)

    def state_dict(self) -> dict[str, Any]:
        """The position in an epoch, from which training continues."""
        return self._position.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a position with the next `iter`; sets torch's global random state then."""
        self._position.load_state_dict(state)

    @property
    def width(self) -> int:
        """Number of values per row, without labels."""
        if len(self) == 0:
            return 1
        row = self.dataset[0]
        x = row[0] if isinstance(row, tuple) else row
        parts = x if isinstance(x, tuple) else row
        return sum(part.numel() for part in (x.values() if isinstance(x, dict) else parts)) or 1

    def with_batch_size(self, batch_size: int) -> "TableLoader":
        """Return a loader of the same rows with another batch size."""
        return TableLoader(
            self.dataset, batch_size, self.shuffle, self.num_workers, **self._options
        )

    def in_row_order(self) -> "TableLoader":
        """Return a loader of the same rows, in the order of the data set."""
        options = {name: value for name, value in self._options.items() if name != "in_order"}
        size = self.batch_size or 1
        return TableLoader(self.dataset, size, False, self.num_workers, **options)


def as_fetched(batch: Any) -> Any:
    """Return the batch of the data set unchanged."""
    return batch


class DataGenerator:
    """Creates the loaders of training, validation and test from tables with labels.

    Args:
        x: The inputs: a dict of arrays, or a pandas, polars or Arrow table.
        y: The labels, shape (N,), or (N, T) for T tasks.
        weights: The weights of rows in the loss and in metrics, shape (N,), at least 0; None means
            equal weights. With weights, batches are ``(x, y, weights)``.

    Example:
        >>> import numpy as np
        >>> data = DataGenerator({"user": np.arange(10)}, np.arange(10) % 2)
        >>> loaders = data.generate_dataloader(split_ratio=[0.7, 0.1], batch_size=4)
        >>> [len(loader.dataset) for loader in loaders]
        [7, 1, 2]
    """

    def __init__(self, x: Any, y: Any, *, weights: Any = None) -> None:
        self.dataset = TorchDataset(x, y, weights=weights)
        self.length = len(self.dataset)

    def generate_dataloader(
        self,
        x_val: Any = None,
        y_val: Any = None,
        x_test: Any = None,
        y_test: Any = None,
        split_ratio: list[float] | None = None,
        batch_size: int = 16,
        num_workers: int = 0,
        *,
        w_val: Any = None,
        w_test: Any = None,
        group_column: str | None = None,
    ) -> tuple[TableLoader, TableLoader | None, TableLoader | None]:
        """Create loaders over a random split of the data, or over given tables.

        Args:
            x_val: Inputs of validation.
            y_val: Labels of validation.
            x_test: Inputs of the test.
            y_test: Labels of the test.
            split_ratio: Shares of training and validation, such as [0.7, 0.1]; the rest is for
                testing. Drawn from torch's global random state.
            batch_size: Number of rows per batch.
            num_workers: Number of worker processes; see `TableLoader`.
            w_val: Weights of the rows of `x_val`; None means equal weights.
            w_test: Weights of the rows of `x_test`.
            group_column: The column of groups, such as users, whose rows a loss compares: a batch
                of training holds whole groups, and a random split cuts between groups.

        Returns:
            (train, validation, test), with only the first shuffled; None for a loader without
            a table.

        Raises:
            ValueError: The shares are out of range, both shares and tables are given, or inputs
                without labels, or weights without inputs.
        """
        train: Dataset[Any] = self.dataset
        val: Dataset[Any] | None
        test: Dataset[Any] | None
        for part, x, weights in (("val", x_val, w_val), ("test", x_test, w_test)):
            if x is None and weights is not None:
                raise ValueError(
                    f"w_{part} are the weights of x_{part}: give x_{part} and y_{part}"
                )
        if split_ratio is not None:
            if x_val is not None or x_test is not None:
                raise ValueError("give split_ratio, or x_val and x_test, not both")
            if group_column is None:
                train, val, test = random_parts(self.dataset, split_ratio)
            else:
                check_two_shares(split_ratio)
                train, val, test = random_parts_of_groups(self.dataset, split_ratio, group_column)
        else:
            for part, x, y in (("val", x_val, y_val), ("test", x_test, y_test)):
                if (x is None) != (y is None):
                    raise ValueError(f"give both x_{part} and y_{part}, or neither")
            val = None if x_val is None else TorchDataset(x_val, y_val, weights=w_val)
            test = None if x_test is None else TorchDataset(x_test, y_test, weights=w_test)

        def loader(part: Dataset[Any] | None) -> TableLoader | None:
            return None if part is None else TableLoader(part, batch_size, False, num_workers)

        first = TableLoader(train, batch_size, True, num_workers, group_column=group_column)
        return first, loader(val), loader(test)


__all__ = [
    "BatchIndices",
    "DataGenerator",
    "PredictDataset",
    "TableLoader",
    "TorchDataset",
    "random_parts",
]
