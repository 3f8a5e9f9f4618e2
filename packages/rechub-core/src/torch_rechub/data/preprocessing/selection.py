"""Some of the fitted columns, with their vocabularies."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .columns import Column, ColumnWithVocabulary, Encoder
from .columns.with_vocabulary import VocabularyEncoder
from .parsing import Declaration


def selected(
    columns: Sequence[Column], encoders: Mapping[str, Encoder], names: Sequence[str]
) -> tuple[Declaration, dict[str, Encoder]]:
    """Return the declaration and the encoders of some columns; see `Preprocessor.select`.

    Args:
        columns: All columns.
        encoders: The fitted columns by name of the input.
        names: Names of columns or of inputs.

    Raises:
        KeyError: There is no column of a name.
        ValueError: No name is given.
    """
    if not names:
        raise ValueError("select needs the name of at least one column")
    of_name = {output: column for column in columns for output in column.outputs}
    of_name |= {column.input_name: column for column in columns}
    for name in names:
        if name not in of_name:
            raise KeyError(f"there is no column {name!r}; there are {list(encoders)}")
    chosen = {of_name[name].input_name: of_name[name] for name in names}
    kept = {name: _with_owner(column, chosen, columns) for name, column in chosen.items()}
    found = {name: _encoder_of(column, encoders[name]) for name, column in kept.items()}
    return Declaration(tuple(kept.values()), (), None), found


def _with_owner(column: Column, chosen: Mapping[str, Column], columns: Sequence[Column]) -> Column:
    """Return a column whose vocabulary is owned by one of the chosen columns."""
    if not isinstance(column, ColumnWithVocabulary) or column.owner in chosen:
        return column
    sharing = (
        name
        for name, other in chosen.items()
        if isinstance(other, ColumnWithVocabulary) and other.owner == column.owner
    )
    heir = next(sharing)
    if column.input_name != heir:
        return replace(column, shared_with=heir)
    owner = next(other for other in columns if other.input_name == column.owner)
    assert isinstance(owner, ColumnWithVocabulary)
    settings = {name: getattr(owner, name) for name in ("min_count", "max_size", "embed_dim")}
    return replace(column, shared_with=None, **settings)


def _encoder_of(column: Column, encoder: Encoder) -> Encoder:
    if column is encoder.column:
        return encoder
    assert isinstance(encoder, VocabularyEncoder)
    assert isinstance(column, ColumnWithVocabulary)
    return encoder.of_column(column)
