"""Assignment of features to tables, and of tables to slices of stacks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..features import DenseFeature, Feature, IdFeature


@dataclass(frozen=True)
class Slice:
    """The position of a feature's table: rows `start` to `start + rows` of the matrix `stack`."""

    stack: str
    start: int
    rows: int


def unique_features(features: Sequence[Feature]) -> list[Feature]:
    """Remove duplicate features, in order; refuse features that contradict each other.

    Several features may describe one column, for instance a dense and a sparse feature, or two
    sequence features that differ in pooling.
    """
    unique: dict[tuple[Any, ...], Feature] = {}
    of_column: dict[str, list[Feature]] = {}
    for feature in features:
        if not isinstance(feature, Feature):
            raise TypeError(
                f"features must be SparseFeature, SequenceFeature or DenseFeature, got {feature!r}"
            )
        if view_of(feature) not in unique:
            unique[view_of(feature)] = feature
            for other in of_column.setdefault(feature.name, []):
                _check_sizes(other, feature)
            of_column[feature.name].append(feature)
    return list(unique.values())


def view_of(feature: Feature) -> tuple[Any, ...]:
    """The properties of a feature that determine how it reads its column: not the initializer."""
    return (type(feature), *(v for n, v in vars(feature).items() if n != "initializer"))


def one_a_column(features: Iterable[Feature]) -> list[Feature]:
    """One feature for each column, in order: the first feature of ids, or else the first dense one.

    A column with both holds ids, which the dense feature reads as numbers.
    """
    found: dict[str, Feature] = {}
    for feature in features:
        known = found.setdefault(feature.name, feature)
        if isinstance(known, DenseFeature) and not isinstance(feature, DenseFeature):
            found[feature.name] = feature
    return list(found.values())


def differ(first: Feature, second: Feature) -> bool:
    """Whether two features differ in their column or in how they read it."""
    return first is not second and view_of(first) != view_of(second)


def _check_sizes(first: Feature, second: Feature) -> None:
    """Refuse two features of the same column, kind and table that differ in size."""
    if type(first) is not type(second):
        return
    names = ("embed_dim", "vocab_size", "shared_with")
    *sizes, table = ([getattr(f, name, None) for f in (first, second)] for name in names)
    if table[0] == table[1] and any(size[0] != size[1] for size in sizes):
        raise ValueError(
            f"two different features are called {first.name!r}: {first} and {second}; they must "
            "agree in vocab_size and embed_dim"
        )


class Owners:
    """Finds the table of a feature: the one of its name, or the one it shares.

    Args:
        features: The features to create tables for.

    Attributes:
        tables: The features that own a table, by name.

    Raises:
        ValueError: A feature shares a table that does not exist or differs in size.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.tables: dict[str, IdFeature] = {}
        self._shared: dict[str, str] = {}  # by the name of the feature that shares a table
        self._names = [f.name for f in features]
        ids = [f for f in features if not isinstance(f, DenseFeature)]
        for f in ids:
            if f.shared_with is None:
                self.tables.setdefault(f.name, f)
            else:
                self._shared.setdefault(f.name, f.shared_with)
        for f in ids:
            _check_size(f, self[f])

    def __getitem__(self, feature: IdFeature) -> IdFeature:
        """The feature that owns the table of `feature`.

        Args:
            feature: A feature of the layer, or another one whose table exists.

        Raises:
            KeyError: There is no table for it.
            ValueError: It shares a table that does not exist or differs in width.
        """
        name, shared_with = feature.name, feature.shared_with
        if shared_with is None and name in self.tables:  # the common case, in every lookup
            return self.tables[name]
        owner = self.named(name) if shared_with is None else self._follow(name, shared_with)
        if name not in self.tables and name not in self._shared:
            _check_size(feature, owner)
        return owner

    def named(self, name: str) -> IdFeature:
        """The feature that owns the table of the features called `name`.

        Raises:
            KeyError: There is none.
        """
        if name in self.tables:
            return self.tables[name]
        if name not in self._shared:
            raise KeyError(
                f"feature {name!r} was not among those this EmbeddingLayer was made of: "
                f"{self._said()}"
            )
        return self._follow(name, self._shared[name])

    def _follow(self, name: str, other: str) -> IdFeature:
        """The feature that owns the table of feature `name`, which shares it with `other`."""
        seen = {name}
        while other not in self.tables:
            if other in seen or other not in self._shared:
                reason = "itself shared with it" if other in seen else "not among the features: "
                said = "" if other in seen else self._said()
                raise ValueError(
                    f"feature {name!r} is shared with {other!r}, which is {reason}{said}"
                )
            seen.add(other)
            name, other = other, self._shared[other]
        return self.tables[other]

    def _said(self) -> str:
        return ", ".join(dict.fromkeys(self._names))


def _check_size(feature: IdFeature, owner: IdFeature) -> None:
    """Refuse a feature whose size differs from that of its table."""
    if feature.name == owner.name and feature.shared_with is None:
        if (feature.vocab_size, feature.embed_dim) != (owner.vocab_size, owner.embed_dim):
            raise ValueError(
                f"two different features are called {feature.name!r}: {owner} and {feature}; they "
                "must agree in vocab_size and embed_dim, as they use one table"
            )
    elif feature.embed_dim != owner.embed_dim:
        raise ValueError(
            f"feature {feature.name!r} has embed_dim={feature.embed_dim}, but shares the table "
            f"of {owner.name!r}, which has embed_dim={owner.embed_dim}"
        )
