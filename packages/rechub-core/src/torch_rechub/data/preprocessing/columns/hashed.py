"""Categories by hash: ids without a vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...._bounds import check_whole, refuse_none
from ....basic.features import SparseFeature
from ..cells import Cells, Distinct, distinct
from ..statistics.text_hash import mix, text_hash
from ..vocabulary import FIRST, UNKNOWN, Ids, Vocabulary
from .base import Column, Encoder, Feature, Inputs, NoState, ReadAs
from .saved_settings import check_saved

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = npt.NDArray[np.uint64]

MOST_BUCKETS = 2**31 - 1 - FIRST
"""Ids are int32."""


@dataclass(frozen=True)
class Hashed(Column):
    """A column of categories whose ids are hashes: nothing to fit, values may share an id.

    The id of a value is 2 + hash mod `buckets`, with a hash of its text that is the same on every
    machine; missing cells have id 1. Of n values, about n (1 − e^(−n / buckets)) share an id.

    Args:
        column: Name of the raw column: text or whole numbers.
        buckets: Number of ids for values.
        embed_dim: Width of the embedding; None means that of `Preprocessor.features`.
        name: Name of the input; None means that of the raw column.

    Example:
        >>> from torch_rechub.data.preprocessing import Preprocessor
        >>> encoded = Preprocessor([Hashed("url", buckets=1000)]).fit_transform({"url": ["a", "b"]})
        >>> encoded["url"]
        array([228, 846], dtype=int32)

    Reference:
        Weinberger et al., Feature hashing for large scale multitask learning, ICML 2009.
    """

    buckets: int = field(kw_only=True)
    embed_dim: int | None = field(default=None, kw_only=True)

    read_as: ClassVar[ReadAs] = "text"

    def check(self) -> None:
        """Check the arguments."""
        check_whole(1, embed_dim=self.embed_dim)
        check_buckets(self.buckets)

    def prepare(self, cells: Mapping[str, Cells]) -> Ids:
        """Return the ids of a block, shape (N,)."""
        found = distinct(cells[self.column])
        return found.ids(in_buckets(hashes(found), self.buckets), UNKNOWN)

    def new_state(self) -> NoState:
        """Return the counts of no cells."""
        return NoState(UNKNOWN)

    def fitted(self, state: NoState, vocabulary: Vocabulary | None) -> "HashedEncoder":
        """Return the encoder."""
        return HashedEncoder(self, state.n_rows, state.n_missing)

    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> "HashedEncoder":
        """Return the saved encoder."""
        check_saved(settings)
        return HashedEncoder(self, settings["rows"], settings["missing"])


class HashedEncoder(Encoder):
    """A column whose ids were computed when it was parsed."""

    def __init__(self, column: "Hashed | Any", n_rows: int, n_missing: int) -> None:
        self.column, self.n_rows, self.n_missing = column, n_rows, n_missing

    def encode(self, prepared: Ids) -> Inputs:
        """Return the id of each cell, shape (N,)."""
        return {self.column.input_name: prepared}

    def features(self, embed_dim: int | None) -> list[Feature]:
        """Return the one feature."""
        column = self.column
        size = FIRST + column.buckets
        return [SparseFeature(column.input_name, size, column.embed_dim or embed_dim)]

    def facts(self) -> dict[str, Any]:
        """Return the counts of rows and missing cells, and the number of ids."""
        return {
            "rows": self.n_rows,
            "missing": self.n_missing,
            "size": FIRST + self.column.buckets,
        }

    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return the counts."""
        return {"rows": self.n_rows, "missing": self.n_missing}, {}


def check_buckets(buckets: Any) -> None:
    """Refuse a number of buckets whose ids are beyond int32."""
    refuse_none(buckets=buckets)
    check_whole(1, buckets=buckets)
    if buckets > MOST_BUCKETS:
        raise ValueError(f"buckets must be at most {MOST_BUCKETS}, got {buckets!r}")


def hashes(found: Distinct) -> Hashes:
    """Return the hash of each distinct value, of its text."""
    import pyarrow as pa

    return text_hash(found.values.cast(pa.large_string()))


def in_buckets(of_value: Hashes, buckets: int) -> Ids:
    """Return the ids of hashes."""
    return np.asarray((of_value % np.uint64(buckets)).astype(np.int32) + np.int32(FIRST))


@dataclass(frozen=True)
class Crossed(Column):
    """The pair of two columns of categories, as one hashed id.

    The id of a pair is 2 + hash mod `buckets`, of the hashes of both texts; it is 1 where a cell is
    missing.

    Args:
        column: Name of the first raw column.
        other: Name of the second.
        buckets: Number of ids for pairs.
        embed_dim: Width of the embedding; None means that of `Preprocessor.features`.
        name: Name of the input; None means "<column>_x_<other>".

    Example:
        >>> from torch_rechub.data.preprocessing import Preprocessor
        >>> log = {"city": ["a", "a", "b"], "device": ["x", "x", "x"]}
        >>> ids = Preprocessor([Crossed("city", "device", buckets=100)]).fit_transform(log)
        >>> len(set(ids["city_x_device"].tolist()))
        2

    Reference:
        Cheng et al., Wide & deep learning for recommender systems, DLRS 2016.
    """

    other: str
    buckets: int = field(kw_only=True)
    embed_dim: int | None = field(default=None, kw_only=True)

    read_as: ClassVar[ReadAs] = "text"

    def check(self) -> None:
        """Check the arguments."""
        if not isinstance(self.other, str) or not self.other:
            raise ValueError(f"Crossed: other must be a name, got {self.other!r}")
        check_whole(1, embed_dim=self.embed_dim)
        check_buckets(self.buckets)

    @property
    def input_name(self) -> str:
        """Name of the input."""
        return f"{self.column}_x_{self.other}" if self.name is None else self.name

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the raw columns that are read."""
        return (self.column, self.other)

    def prepare(self, cells: Mapping[str, Cells]) -> Ids:
        """Return the ids of a block, shape (N,)."""
        first, second = (distinct(cells[name]) for name in self.sources)
        missing = (first.codes < 0) | (second.codes < 0)
        pair = pair_hashes(_of_cells(first), _of_cells(second))
        return np.where(missing, np.int32(UNKNOWN), in_buckets(pair, self.buckets))

    def new_state(self) -> NoState:
        """Return the counts of no cells."""
        return NoState(UNKNOWN)

    def fitted(self, state: NoState, vocabulary: Vocabulary | None) -> HashedEncoder:
        """Return the encoder."""
        return HashedEncoder(self, state.n_rows, state.n_missing)

    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> HashedEncoder:
        """Return the saved encoder."""
        check_saved(settings)
        return HashedEncoder(self, settings["rows"], settings["missing"])


def pair_hashes(first: Hashes, second: Hashes) -> Hashes:
    """Return the hashes of pairs, given those of both values."""
    # the order of the two matters: (a, b) is another pair than (b, a)
    return mix(mix(first + np.uint64(1)) ^ second)


def _of_cells(found: Distinct) -> Hashes:
    """Return the hash of each cell; any number for missing ones."""
    return np.asarray(np.append(hashes(found), np.uint64(0))[found.codes])
