"""Descriptions of a model's inputs: plain data that owns no weights.

A model is built from features; `EmbeddingLayer` makes one table for each. Two models built from
the same features share nothing.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import nn

from .initializers import Initializer, RandomNormal

POOLINGS = ("mean", "sum", "concat")


def get_auto_embedding_dim(num_classes: int) -> int:
    """The default embedding width for `num_classes` ids: ⌊6 · num_classes^¼⌋.

    Example:
        >>> get_auto_embedding_dim(10_000)
        60
    """
    return int(6 * math.pow(num_classes, 0.25))


def _default_initializer() -> Initializer:
    return RandomNormal(0, 0.02)


def _at_least_one(feature: str, argument: str, value: Any, meaning: str = "") -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError(
            f"feature {feature!r}: {argument} must be a whole number of at least 1{meaning}, "
            f"got {value!r}"
        )
    return number


class _PlainData:
    """Features with the same settings compare equal and have the same hash."""

    name: str

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(self.name)


class _IdFeature(_PlainData):
    """The base of features of ids: a vocabulary and a table."""

    vocab_size: int
    embed_dim: int | None
    shared_with: str | None
    padding_idx: int | None
    initializer: Initializer

    def _check(self) -> None:
        self.vocab_size = _at_least_one(
            self.name, "vocab_size", self.vocab_size, " (the largest id + 1)"
        )
        self.embed_dim = (
            get_auto_embedding_dim(self.vocab_size)
            if self.embed_dim is None
            else _at_least_one(self.name, "embed_dim", self.embed_dim)
        )
        if self.padding_idx is not None and not 0 <= self.padding_idx < self.vocab_size:
            raise ValueError(
                f"feature {self.name!r}: padding_idx must be an id, 0 to {self.vocab_size - 1}, "
                f"got {self.padding_idx!r}"
            )

    def get_embedding_layer(self) -> nn.Embedding:
        """A new table of shape (vocab_size, embed_dim) as the initializer makes it."""
        assert self.embed_dim is not None
        return self.initializer(self.vocab_size, self.embed_dim, self.padding_idx)


@dataclass(eq=False)
class SparseFeature(_IdFeature):
    """One id a sample, such as a user, a city or a bucket: a column of shape (B,), integers.

    Args:
        name: Name of the column.
        vocab_size: Number of ids; they run from 0 to vocab_size − 1.
        embed_dim: Width D of the embedding; None means ⌊6 · vocab_size^¼⌋.
        shared_with: Name of the feature whose table this one uses; None means its own.
        padding_idx: The padding id: its row is zero and never trained.
        initializer: Makes the table.

    Example:
        >>> SparseFeature("city", vocab_size=300, embed_dim=16).embed_dim
        16
    """

    name: str
    vocab_size: int
    embed_dim: int | None = None
    shared_with: str | None = None
    padding_idx: int | None = None
    initializer: Initializer = field(default_factory=_default_initializer)

    def __post_init__(self) -> None:
        self._check()


@dataclass(eq=False)
class SequenceFeature(_IdFeature):
    """Several ids a sample, such as a history or genres: a column of shape (B, L), integers.

    Shorter sequences are padded with `padding_idx`, or with 0 if it is None. Pooling and attention
    ignore the padding id. With `padding_idx`, its row is also zero and never trained.

    Args:
        name: Name of the column.
        vocab_size: Number of ids, the padding id included; they run from 0 to vocab_size − 1.
        embed_dim: Width D of the embedding; None means ⌊6 · vocab_size^¼⌋.
        pooling: "mean" or "sum" over the ids other than padding, giving (B, D); "concat" keeps the
            sequence, giving (B, L, D).
        shared_with: Name of the feature whose table this one uses; None means its own.
        padding_idx: The padding id; None means 0.
        initializer: Makes the table.

    Example:
        >>> SequenceFeature("genres", vocab_size=20, embed_dim=8, padding_idx=0).pooling
        'mean'
    """

    name: str
    vocab_size: int
    embed_dim: int | None = None
    pooling: str = "mean"
    shared_with: str | None = None
    padding_idx: int | None = None
    initializer: Initializer = field(default_factory=_default_initializer)

    def __post_init__(self) -> None:
        self._check()
        if self.pooling not in POOLINGS:
            raise ValueError(
                f"feature {self.name!r}: pooling must be one of {', '.join(POOLINGS)}, "
                f"got {self.pooling!r}"
            )

    @property
    def padding_id(self) -> int:
        """The padding id: `padding_idx`, or 0."""
        return 0 if self.padding_idx is None else self.padding_idx


@dataclass(eq=False)
class DenseFeature(_PlainData):
    """A number a sample, or a vector of them: a column of shape (B,) or (B, embed_dim), floats.

    Args:
        name: Name of the column.
        embed_dim: Number of values per sample.
    """

    name: str
    embed_dim: int = 1

    def __post_init__(self) -> None:
        self.embed_dim = _at_least_one(self.name, "embed_dim", self.embed_dim)


def flat_width(features: "Sequence[Feature]") -> int:
    """The width of the concatenated features: Σ embed_dim.

    Raises:
        ValueError: A sequence feature is not pooled ("concat"), so its width depends on the data.

    Example:
        >>> flat_width([SparseFeature("user", 10, embed_dim=4), DenseFeature("age")])
        5
    """
    for f in features:
        if isinstance(f, SequenceFeature) and f.pooling == "concat":
            raise ValueError(
                f"feature {f.name!r}: with pooling='concat' its width depends on the length of its "
                "sequences; this model needs it pooled: 'mean' or 'sum'"
            )
    return sum(f.embed_dim or 0 for f in features)


Feature: TypeAlias = SparseFeature | SequenceFeature | DenseFeature
IdFeature: TypeAlias = SparseFeature | SequenceFeature


def fields_of(argument: str, features: Sequence[Feature]) -> tuple[list[IdFeature], int]:
    """The fields of one width, for feature interactions, and that width.

    Dense features are left out.

    Args:
        argument: The model's argument that holds the features, for the message.
        features: Features of any kind.

    Raises:
        ValueError: There is no field, a sequence is not pooled, or the widths differ.

    Example:
        >>> fields_of("features", [SparseFeature("user", 10, embed_dim=4), DenseFeature("age")])[1]
        4
    """
    fields = [f for f in features if not isinstance(f, DenseFeature)]
    flat_width(fields)
    widths = {f.name: f.embed_dim for f in fields}
    if len(set(widths.values())) != 1:
        raise ValueError(
            f"{argument} must hold sparse or pooled sequence features of one embed_dim, got "
            f"{widths or 'none'}"
        )
    return fields, fields[0].embed_dim or 0


def check_sequences(argument: str, features: Sequence[Feature]) -> list[SequenceFeature]:
    """Refuse features other than sequence features with pooling "concat".

    Raises:
        ValueError: Names the first.
    """
    for f in features:
        if not isinstance(f, SequenceFeature) or f.pooling != "concat":
            raise ValueError(
                f"{argument} must hold features SequenceFeature(..., pooling='concat'), got {f}"
            )
    return [f for f in features if isinstance(f, SequenceFeature)]
