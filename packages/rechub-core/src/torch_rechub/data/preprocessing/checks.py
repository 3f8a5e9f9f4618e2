"""Checks of declared columns, before anything is read."""

from collections.abc import Iterable
from dataclasses import fields

from .columns import Column, ColumnWithVocabulary
from .parsing import Declaration


def check_columns(declaration: Declaration) -> None:
    """Check columns, labels and weights against each other.

    Raises:
        TypeError: Something else than a column is given, or the weight is no name.
        ValueError: There is no column; two inputs or labels have one name; a label or weight is an
            input; there is a weight, but no label; a vocabulary is shared with a column that has
            none of its own, or a column that shares one has settings of its own.
    """
    columns, weight = declaration.columns, declaration.weight
    if not columns:
        raise ValueError("Preprocessor needs at least one column")
    for column in columns:
        if not isinstance(column, Column):
            raise TypeError(f"columns must be columns such as Categorical, got {column!r}")
    if weight is not None and not isinstance(weight, str):
        raise TypeError(f"weight must be the name of a column, got {weight!r}")
    if weight is not None and not declaration.targets:
        raise ValueError(f"weight={weight!r} weighs labels, but there are no targets")
    _check_names(declaration)
    _check_vocabularies(columns)


def _check_names(declaration: Declaration) -> None:
    inputs = [name for column in declaration.columns for name in column.outputs]
    _refuse_twice(inputs, "inputs")
    labels = [target.label_name for target in declaration.targets]
    labels += [] if declaration.weight is None else [declaration.weight]
    _refuse_twice(labels, "labels or weights")
    for column in declaration.columns:
        if leaked := sorted(set(declaration.label_sources).intersection(column.sources)):
            raise ValueError(
                f"column {leaked[0]!r} is a label or a weight, and an input too: a model would "
                "read what it has to predict"
            )
    if both := sorted(set(labels).intersection(inputs)):
        raise ValueError(
            f"an input and a label or weight have the name {both[0]!r}: give one another name="
        )


def _refuse_twice(names: list[str], kind: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two {kind} have the name {name!r}: give one another name=")


def _check_vocabularies(columns: Iterable[Column]) -> None:
    all_of_them = [c for c in columns if isinstance(c, ColumnWithVocabulary)]
    owners = {c.input_name: c for c in all_of_them if c.shared_with is None}
    for column in all_of_them:
        owner = owners.get(column.owner)
        if owner is None:
            raise ValueError(
                f"column {column.input_name!r} has shared_with={column.owner!r}, which has no "
                f"vocabulary of its own; these have: {sorted(owners)}"
            )
        if owner is column:
            continue
        defaults = {field.name: field.default for field in fields(column)}
        for name in ("min_count", "max_size", "embed_dim"):
            own = getattr(column, name)
            if own not in (defaults[name], getattr(owner, name)):
                raise ValueError(
                    f"column {column.input_name!r} has {name}={own!r}, but shares the vocabulary "
                    f"of {column.owner!r}, which has {getattr(owner, name)!r}: set it there"
                )
