"""Checks of declared columns, before anything is read."""

from .columns import Column, ColumnWithVocabulary
from .parsing import Declaration


def check_columns(declaration: Declaration) -> None:
    """Check columns, labels and weights against each other.

    Raises:
        TypeError: Something else than a column is given.
        ValueError: There is no column; two have one name; a label or weight is an input; a
            vocabulary is shared with a column that has none of its own.
    """
    columns = declaration.columns
    if not columns:
        raise ValueError("Preprocessor needs at least one column")
    for column in columns:
        if not isinstance(column, Column):
            raise TypeError(f"columns must be columns such as Categorical, got {column!r}")
    names = [column.input_name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two columns have the name {name!r}: give one another name=")
    for column in columns:
        if leaked := set(declaration.label_sources).intersection(column.sources):
            raise ValueError(
                f"column {leaked.pop()!r} is a label or a weight, and an input too: a model would "
                "read what it has to predict"
            )
    owners = {c.input_name: c for c in columns if isinstance(c, ColumnWithVocabulary)}
    own = sorted(name for name, column in owners.items() if column.shared_with is None)
    for column in owners.values():
        if column.owner not in own:
            raise ValueError(
                f"column {column.input_name!r} has shared_with={column.owner!r}, which has no "
                f"vocabulary of its own; these have: {own}"
            )


def refuse_without_rows(n_rows: int) -> None:
    """Refuse data without rows.

    Raises:
        ValueError: There are none.
    """
    if not n_rows:
        raise ValueError("there are no rows to fit on: the data are empty")
