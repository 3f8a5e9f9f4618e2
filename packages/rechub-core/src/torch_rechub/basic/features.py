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
    """The embedding width for `num_classes` ids when none is given: ⌊6 · num_classes^¼⌋.

    Example:
        >>> get_auto_embedding_dim(10_000)
        60
    """
    return int(6 * math.pow(num_classes, 0.25))


def _default_initializer() -> Initializer:
    return RandomNormal(0, 0.0001)


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
    """Features with the same settings are equal, and count once in a set."""

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
        padding_idx: The id that stands for "nothing": its row is zero and never trained.
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

    Shorter sequences are padded with `padding_idx`, or with 0 where none is given: that id is left
    out of pooling and attention. With `padding_idx`, its row is also zero and never trained.

    Args:
        name: Name of the column.
        vocab_size: Number of ids, the padding id included; they run from 0 to vocab_size − 1.
        embed_dim: Width D of the embedding; None means ⌊6 · vocab_size^¼⌋.
        pooling: "mean" or "sum" over the ids that are no padding, giving (B, D); "concat" keeps the
            sequence, giving (B, L, D).
        shared_with: Name of the feature whose table this one uses; None means its own.
        padding_idx: The padding id; None means that 0 pads.
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
        """The id that pads: `padding_idx`, or 0."""
        return 0 if self.padding_idx is None else self.padding_idx


@dataclass(eq=False)
class DenseFeature(_PlainData):
    """A number a sample, or a vector of them: a column of shape (B,) or (B, embed_dim), floats.

    Args:
        name: Name of the column.
        embed_dim: How many numbers a sample.
    """

    name: str
    embed_dim: int = 1

    def __post_init__(self) -> None:
        self.embed_dim = _at_least_one(self.name, "embed_dim", self.embed_dim)


def flat_width(features: "Sequence[Feature]") -> int:
    """The width of features put side by side: Σ embed_dim.

    Raises:
        ValueError: A sequence is kept whole (pooling "concat"), so its width is that of the data.

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
    """The features that are fields of one width, to interact with one another; and the width.

    Dense features are left out.

    Args:
        argument: What the model calls its features, for the message.
        features: Features of any kind.

    Raises:
        ValueError: There is no field, or a sequence that is not pooled, or fields of several
            widths.

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
    """Refuse features other than sequences that keep their steps.

    Raises:
        ValueError: Names the first.
    """
    for f in features:
        if not isinstance(f, SequenceFeature) or f.pooling != "concat":
            raise ValueError(
                f"{argument} must hold features SequenceFeature(..., pooling='concat'), got {f}"
            )
    return [f for f in features if isinstance(f, SequenceFeature)]
