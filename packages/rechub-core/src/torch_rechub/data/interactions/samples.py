"""`Samples`: targets with their histories, as the inputs of trainers."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._errors import UnknownChoiceError
from ..loader import TableLoader
from ..origin import Origin
from ..seq_dataset import SeqDataset
from ..table import PredictDataset, TorchDataset
from .negatives import NegativeSampling
from .vocabulary import vocabulary_of
from .windows import Windows

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]


class Samples(NegativeSampling, Mapping[str, Array]):
    """N targets with histories: a mapping from names of inputs to arrays of N rows.

    Made by `Interactions.samples` and `Interactions.pieces`. It is accepted wherever a dict of
    columns is, such as by `PredictDataset` and `MatchDataGenerator`.

    Attributes:
        rows: The row of each target in the data of `Interactions`, shape (N,).
        y: The labels, shape (N,), or None.
        origin: The split that the targets are a part of, and the vocabulary of their ids.

    Example:
        >>> from torch_rechub.data.interactions import Interactions
        >>> log = {"user": [1, 1, 1], "item": [7, 8, 9], "time": [10, 30, 35]}
        >>> x = Interactions(log, "user", "item", "time").samples(max_length=2)
        >>> dict(x)
        {'user': array([1, 1]), 'item': array([8, 9]), 'hist_item': array([[0, 7],
               [7, 8]])}
        >>> next(iter(x.loader(batch_size=1)))["hist_item"]
        tensor([[0, 7]])
    """

    def __init__(
        self,
        columns: Mapping[str, Array],
        windows: Windows,
        attributes: tuple[str, ...] = (),
        y: Array | None = None,
        in_steps: bool = False,
        split: Mapping[str, Any] | None = None,
    ) -> None:
        self._columns, self._windows = dict(columns), windows
        self._attributes, self._in_steps = attributes, in_steps
        self.y = y
        self.rows: Ids = windows.log.row[windows.target]
        self.origin = Origin(split, vocabulary_of(windows.log))

    def __getitem__(self, name: str) -> Array:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns, as of every mapping; `len(samples.rows)` is N."""
        return len(self._columns)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {column.shape}" for name, column in self.items())
        labels = "" if self.y is None else f"; y: {self.y.shape}"
        return f"Samples({shapes}{labels})"

    def loader(self, batch_size: int, shuffle: bool = False, num_workers: int = 0) -> TableLoader:
        """Return a loader of batches x, or (x, y) if there are labels.

        Args:
            batch_size: Number of rows per batch.
            shuffle: Whether to shuffle in each epoch.
            num_workers: Number of worker processes; see `TableLoader`.
        """
        x = self._columns
        dataset = PredictDataset(x) if self.y is None else TorchDataset(x, self.y)
        dataset.origin = self.origin
        return TableLoader(dataset, batch_size, shuffle, num_workers)

    def sequence_loader(
        self, batch_size: int, shuffle: bool = False, *, reference: str = "last"
    ) -> TableLoader:
        """Return a loader for `SeqTrainer`, of (tokens, positions, seconds, targets).

        Args:
            batch_size: Number of rows per batch.
            shuffle: Whether to shuffle in each epoch.
            reference: The end of the seconds; see `sequence_inputs`.

        Raises:
            UnknownChoiceError: `reference` has another value.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"user": [1, 1, 1], "item": [7, 8, 9], "time": [10, 30, 35]}
            >>> x = Interactions(log, "user", "item", "time").pieces(max_length=2)
            >>> tokens, positions, seconds, targets = next(iter(x.sequence_loader(batch_size=1)))
            >>> tokens, seconds, targets
            (tensor([[7, 8]]), tensor([[20,  0]]), tensor([9]))
        """
        dataset = SeqDataset(**self.sequence_inputs(reference))
        dataset.origin = self.origin
        return TableLoader(dataset, batch_size, shuffle)

    def sequence_inputs(self, reference: str = "last") -> dict[str, Array]:
        """Return the arguments of `SequenceDataGenerator` and `SeqDataset`.

        Args:
            reference: The end of `seq_time_diffs`: "last", the last row of the history; "request",
                the target, for models with `time_reference="request"`.

        Returns:
            seq_tokens, seq_positions and seq_time_diffs, (N, L) each, and targets (N,).

        Raises:
            UnknownChoiceError: `reference` has another value.

        Example:
            >>> from torch_rechub.data.interactions import Interactions
            >>> log = {"user": [1, 1, 1], "item": [7, 8, 9], "time": [10, 30, 35]}
            >>> x = Interactions(log, "user", "item", "time").pieces(max_length=2)
            >>> x.sequence_inputs()["seq_time_diffs"]
            array([[20,  0]])
        """
        if reference not in ("last", "request"):
            raise UnknownChoiceError(f"reference must be 'last' or 'request', got {reference!r}")
        windows, item = self._windows, self._windows.log.item_name
        tokens = self._columns[f"hist_{item}"]
        return {
            "seq_tokens": tokens,
            "seq_positions": np.broadcast_to(np.arange(windows.width), tokens.shape),
            "targets": self._columns[item],
            "seq_time_diffs": windows.seconds(f"until_{reference}"),
        }
