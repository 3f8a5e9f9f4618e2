"""Encoded rows: inputs of a model by name, labels and weights apart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..loader import TableLoader
from ..origin import Origin
from ..table import PredictDataset, TorchDataset

Array = npt.NDArray[Any]


class EncodedTable(Mapping[str, Array]):
    """N encoded rows in memory: a mapping of inputs, which trainers take as x.

    Attributes:
        y: Labels, float32, shape (N,), or (N, T) for T targets; None if there are none.
        weights: Weights of rows, float32, shape (N,); None if there are none.
        unknown: Number of unknown values of each input that has some.
        origin: The vocabulary, and the split that the rows are a part of, if any.

    Args:
        inputs: The inputs by name, each of N rows.
        y: The labels.
        weights: The weights.
        unknown: Number of unknown values by input.
    """

    def __init__(
        self,
        inputs: Mapping[str, Array],
        y: Array | None = None,
        weights: Array | None = None,
        unknown: Mapping[str, int] | None = None,
    ) -> None:
        self._inputs = dict(inputs)
        self.y, self.weights = y, weights
        self.unknown = dict(unknown or {})
        self.origin = Origin()

    def __getitem__(self, name: str) -> Array:
        return self._inputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def __repr__(self) -> str:
        return f"EncodedTable({self.n_rows} rows, inputs {', '.join(self)})"

    @property
    def n_rows(self) -> int:
        """Number of rows N."""
        return len(next(iter(self._inputs.values()))) if self._inputs else 0

    def rows(self, rows: Any) -> "EncodedTable":
        """Return some of the rows, by a slice, an array of positions or a mask.

        Example:
            >>> table = EncodedTable({"user": np.array([2, 3, 4])}, y=np.array([0, 1, 1]))
            >>> table.rows(slice(1))["user"], table.rows([2]).y
            (array([2]), array([1]))
        """
        inputs = {name: values[rows] for name, values in self._inputs.items()}
        y = None if self.y is None else self.y[rows]
        weights = None if self.weights is None else self.weights[rows]
        return self._with_origin(EncodedTable(inputs, y, weights), self.origin.split)

    def split(self, shares: Sequence[float], seed: int | None = None) -> list["EncodedTable"]:
        """Split the rows at random; the rest after the shares is the last part.

        Args:
            shares: Shares of the parts but the last, such as [0.8, 0.1] for three parts.
            seed: Seed of the permutation; None keeps the order of the rows.

        Raises:
            ValueError: The shares are below 0, or sum to more than 1.

        Example:
            >>> table = EncodedTable({"user": np.arange(10)})
            >>> [part.n_rows for part in table.split([0.8, 0.1], seed=0)]
            [8, 1, 1]
        """
        ends = np.cumsum([0.0, *shares])
        if (np.diff(ends) < 0).any() or ends[-1] > 1 + 1e-9:
            raise ValueError(f"shares must be at least 0 and sum to at most 1, got {shares!r}")
        n = self.n_rows
        order = np.arange(n) if seed is None else np.random.default_rng(seed).permutation(n)
        cuts = np.floor(ends[1:] * n + 1e-9).astype(int)
        rule = "in order" if seed is None else "random"
        split = {"rule": rule, "shares": list(shares), "seed": seed}
        return [self._with_origin(self.rows(part), split) for part in np.split(order, cuts)]

    def _with_origin(
        self, table: "EncodedTable", split: Mapping[str, Any] | None
    ) -> "EncodedTable":
        table.origin = Origin(split, self.origin.vocabulary)
        return table

    def loader(self, batch_size: int, shuffle: bool = False, **options: Any) -> TableLoader:
        """Return a loader of ``(x, y)``, ``(x, y, weights)``, or x without labels.

        Args:
            batch_size: Number of rows per batch.
            shuffle: Whether to shuffle in each epoch.
            **options: Additional arguments of `TableLoader`.
        """
        dataset = (
            PredictDataset(self._inputs)
            if self.y is None
            else TorchDataset(self._inputs, self.y, weights=self.weights)
        )
        dataset.origin = self.origin
        return TableLoader(dataset, batch_size, shuffle, **options)
