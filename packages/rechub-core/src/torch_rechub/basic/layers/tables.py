"""Which feature uses which table, and where a table lies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..features import DenseFeature, Feature, IdFeature


@dataclass(frozen=True)
class Slice:
    """Where one feature's table lies: rows `start` to `start + rows` of the matrix `stack`."""

    stack: str
    start: int
    rows: int


def unique_features(features: Sequence[Feature]) -> list[Feature]:
    """Each description of a column once, in order; those that contradict each other are refused.

    A column may be described in several ways, such as by a dense and a sparse feature, or by two
    sequence features of other pooling.
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
    """The properties of a feature that decide how it reads its column: all but the initializer."""
    return (type(feature), *(v for n, v in vars(feature).items() if n != "initializer"))


def one_a_column(features: Iterable[Feature]) -> list[Feature]:
    """The first feature of each column, in order; if it is a dense one, the first of ids if any.

    The column then holds ids, and the dense feature reads them as numbers.
    """
    found: dict[str, Feature] = {}
    for feature in features:
        known = found.setdefault(feature.name, feature)
        if isinstance(known, DenseFeature) and not isinstance(feature, DenseFeature):
            found[feature.name] = feature
    return list(found.values())


def differ(first: Feature, second: Feature) -> bool:
    """Whether two features read other columns, or one in another way."""
    return first is not second and view_of(first) != view_of(second)


def _check_sizes(first: Feature, second: Feature) -> None:
    """Refuse two features of one column and kind, of one table, that differ in size."""
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
    """Which table a feature uses: that of its name, or the one it shares.

    Args:
        features: Those whose tables there are.

    Attributes:
        tables: The features that own a table, by name.

    Raises:
        ValueError: A feature shares a table that there is not, or of another size.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.tables: dict[str, IdFeature] = {}
        self._shared: dict[str, str] = {}  # by the name of a feature without a table of its own
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
        """The owner of a feature's table.

        Args:
            feature: One of those given, or another one whose table there is.

        Raises:
            KeyError: There is no table for it.
            ValueError: It shares a table that there is not, or of another width.
        """
        name, shared_with = feature.name, feature.shared_with
        if shared_with is None and name in self.tables:  # most, in every lookup
            return self.tables[name]
        owner = self.named(name) if shared_with is None else self._follow(name, shared_with)
        if name not in self.tables and name not in self._shared:
            _check_size(feature, owner)
        return owner

    def named(self, name: str) -> IdFeature:
        """The owner of the table that the features called `name` use.

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
        """The owner of the table that feature `name` uses, which is shared with `other`."""
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
    """Refuse a feature of another size than the table that it uses."""
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
