"""The common parts of columns with a vocabulary."""

from copy import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ...._bounds import check_whole
from ..statistics.value_counts import ValueCounts
from ..vocabulary import PADDING, UNKNOWN, Vocabulary
from .base import Column, Encoder, Inputs, ReadAs, State


@dataclass(frozen=True)
class ColumnWithVocabulary(Column):
    """A column whose values become ids of a vocabulary, its own or that of another column."""

    min_count: int = field(default=1, kw_only=True)
    max_size: int | None = field(default=None, kw_only=True)
    embed_dim: int | None = field(default=None, kw_only=True)
    shared_with: str | None = field(default=None, kw_only=True)

    read_as: ClassVar[ReadAs] = "text"

    def check(self) -> None:
        """Check the arguments."""
        check_whole(1, min_count=self.min_count, max_size=self.max_size, embed_dim=self.embed_dim)

    @property
    def owner(self) -> str:
        """Name of the input that owns the vocabulary."""
        return self.shared_with or self.input_name

    @property
    def own_missing(self) -> bool:
        """Whether missing cells have an id of their own."""
        return False


class CountedState(State):
    """The counts of a column's values.

    Attributes:
        counts: How often each value occurs.
        n_rows: Number of rows.
        n_missing: Number of rows without a value.
    """

    def __init__(self) -> None:
        self.counts = ValueCounts()
        self.n_rows = self.n_missing = 0

    def merge(self, other: "CountedState") -> None:
        """Add the counts of another."""
        self.counts.merge(other.counts)
        self.n_rows += other.n_rows
        self.n_missing += other.n_missing


class VocabularyEncoder(Encoder):
    """A column with its vocabulary.

    Attributes:
        column: The column.
        vocabulary: The vocabulary, which columns may share.
        n_rows: Number of fitted rows.
        n_missing: Number of rows without a value.
    """

    column: Any
    vocabulary: Vocabulary
    n_rows: int
    n_missing: int

    def grown(self, vocabulary: Vocabulary, state: Any) -> "VocabularyEncoder":
        """Return the column with another vocabulary, and the rows of later data."""
        found = copy(self)
        found.vocabulary = vocabulary
        found.n_rows, found.n_missing = self.n_rows + state.n_rows, self.n_missing + state.n_missing
        return found

    def of_column(self, column: ColumnWithVocabulary) -> "VocabularyEncoder":
        """Return the encoder of a column with other settings."""
        found = copy(self)
        found.column = column
        return found

    def unknown(self, inputs: Inputs) -> tuple[int, int]:
        """Return the number of unknown ids, and that of ids other than padding."""
        return unknown_ids(inputs[self.column.input_name])


def facts_of(vocabulary: Vocabulary, n_rows: int, n_missing: int) -> dict[str, Any]:
    """Return sizes and shares of a vocabulary, for people."""
    cells = int(np.sum(vocabulary.counts)) + vocabulary.cells_dropped
    return {
        "rows": n_rows,
        "missing": n_missing,
        "distinct": len(vocabulary.values) + vocabulary.n_dropped,
        "size": vocabulary.size,
        "unknown share": vocabulary.cells_dropped / cells if cells else 0.0,
    }


def unknown_ids(ids: Any) -> tuple[int, int]:
    """Return the number of unknown ids, and that of ids other than padding."""
    return int((ids == UNKNOWN).sum()), int((ids != PADDING).sum())
