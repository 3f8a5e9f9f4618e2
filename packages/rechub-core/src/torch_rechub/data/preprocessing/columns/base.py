"""The interface of columns: declared by the user, fitted on data, applied to cells."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ....basic.features import DenseFeature, SequenceFeature, SparseFeature
from ..cells import Cells
from ..vocabulary import Vocabulary

if TYPE_CHECKING:
    import pyarrow as pa

Feature: TypeAlias = SparseFeature | SequenceFeature | DenseFeature
Inputs: TypeAlias = dict[str, npt.NDArray[Any]]
ReadAs: TypeAlias = Literal["text", "number", "any"]


class Encoder(ABC):
    """A fitted column: cells in, inputs of a model out.

    Attributes:
        column: The column.
    """

    column: Any

    @abstractmethod
    def encode(self, prepared: Any) -> Inputs:
        """Return the inputs of N cells as `Column.prepare` returned them, by name."""

    @abstractmethod
    def features(self, embed_dim: int | None) -> list[Feature]:
        """Return the features of the inputs; `embed_dim` is that of features without their own."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return the fitted settings, for people: a row of `Preprocessor.describe`."""

    @abstractmethod
    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return the fitted settings, as JSON-like data and as tables by name."""

    def unknown(self, inputs: Inputs) -> tuple[int, int]:
        """Return the number of unknown values among encoded inputs, and that of all values."""
        return 0, 0


class State(ABC):
    """Statistics of a column, that add up."""

    @abstractmethod
    def observe(self, prepared: Any) -> None:
        """Add the cells of a block."""

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Add the statistics of another state of the same column."""


@dataclass(frozen=True)
class Column(ABC):
    """A raw column and how it becomes inputs of a model.

    Args:
        column: Name of the raw column.
        name: Name of the input; None means that of the raw column.
    """

    column: str
    name: str | None = field(default=None, kw_only=True)

    read_as: ClassVar[ReadAs] = "any"

    def __post_init__(self) -> None:
        for argument, value in (("column", self.column), ("name", self.input_name)):
            if not isinstance(value, str) or not value:
                raise ValueError(f"{type(self).__name__}: {argument} must be a name, got {value!r}")
        self.check()

    def check(self) -> None:  # noqa: B027 (a hook, which may stay empty)
        """Check the arguments; raise ValueError or TypeError."""

    @property
    def input_name(self) -> str:
        """Name of the input, and the prefix of names where there are several."""
        return self.column if self.name is None else self.name

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the inputs of a model that the column becomes."""
        return (self.input_name,)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the raw columns that are read."""
        return (self.column,)

    @property
    def has_lists(self) -> bool:
        """Whether all cells are lists."""
        return False

    @abstractmethod
    def prepare(self, cells: Mapping[str, Cells]) -> Any:
        """Parse the cells of a block, by raw column; the part that fitting and encoding share."""

    @abstractmethod
    def new_state(self) -> State:
        """Return the statistics of no cells."""

    @abstractmethod
    def fitted(self, state: Any, vocabulary: Vocabulary | None) -> Encoder:
        """Return the encoder that statistics lead to.

        Args:
            state: The statistics.
            vocabulary: The vocabulary of a column that has one; None for others.
        """

    @abstractmethod
    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> Encoder:
        """Return the encoder whose `saved` gave these settings and tables."""

    def settings(self) -> dict[str, Any]:
        """Return the arguments as JSON-like data."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self) if f.init}


def check_bool(**values: Any) -> None:
    """Check that arguments are True or False."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {value!r}")


def plain(value: Any) -> Any:
    """Return a number of NumPy as that of Python, which JSON has; other values as they are."""
    return value.item() if isinstance(value, np.generic) else value


class NoState(State):
    """The statistics of a column whose ids need no fitting: rows, and cells with a missing id.

    Args:
        missing: The id of missing cells.
    """

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.n_rows = self.n_missing = 0

    def observe(self, prepared: npt.NDArray[Any]) -> None:
        """Count the ids of a block."""
        self.n_rows += len(prepared)
        self.n_missing += int((prepared == self.missing).sum())

    def merge(self, other: "NoState") -> None:
        """Add the counts of another."""
        self.n_rows += other.n_rows
        self.n_missing += other.n_missing
