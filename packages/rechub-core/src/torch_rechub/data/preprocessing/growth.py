"""Fitted columns with the new values of later data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .columns import Column, ColumnWithVocabulary, Encoder
from .columns.with_vocabulary import VocabularyEncoder
from .fitting import counts_by_owner, states_of
from .parsing import Declaration
from .statistics.value_counts import ValueCounts
from .vocabulary import UNKNOWN, Vocabulary, vocabulary_of

if TYPE_CHECKING:
    import pyarrow as pa


def grown_encoders(
    columns: Sequence[Column],
    encoders: Mapping[str, Encoder],
    data: Any,
    reading: Mapping[str, Any],
) -> dict[str, Encoder]:
    """Return the fitted columns, those with a vocabulary with new values; see `Preprocessor.grown`.

    Args:
        columns: The columns.
        encoders: The fitted columns by name of the input.
        data: The rows.
        reading: How files are read.
    """
    counted = [column for column in columns if isinstance(column, ColumnWithVocabulary)]
    if not counted:
        return dict(encoders)
    declaration = Declaration(counted, (), None)
    blocks = (declaration.parsed(*block) for block in declaration.read(data, False, reading))
    states = states_of(counted, blocks)
    counts = counts_by_owner(counted, states)
    fitted = {name: e for name, e in encoders.items() if isinstance(e, VocabularyEncoder)}
    vocabularies = {
        name: grown_vocabulary(fitted[name].vocabulary, counts[name], fitted[name].column)
        for name in counts
    }
    grown = {
        column.input_name: fitted[column.input_name].grown(
            vocabularies[column.owner], states[column.input_name]
        )
        for column in counted
    }
    return {**encoders, **grown}


def grown_vocabulary(
    old: Vocabulary, counts: ValueCounts, owner: ColumnWithVocabulary
) -> Vocabulary:
    """Append new values to a vocabulary, the most frequent first.

    Args:
        old: The vocabulary.
        counts: The counts of later data.
        owner: The column with the limits of the vocabulary.

    Returns:
        The vocabulary, whose `n_dropped` counts a value that both data dropped twice.
    """
    import pyarrow as pa

    values, numbers = counts.by_frequency()
    ids = old.ids_of(values)
    known = ids != UNKNOWN
    seen = old.counts.copy()
    seen[old.ranks_of(ids[known])] += numbers[known]
    fresh = ValueCounts()
    fresh.add_counts(values.filter(pa.array(~known)), numbers[~known])
    own_missing = owner.own_missing and old.missing_id == UNKNOWN
    fresh.n_missing = counts.n_missing if own_missing else 0
    n_old = len(old.values) + (old.missing_id != UNKNOWN)
    left = None if owner.max_size is None else max(owner.max_size - n_old, 0)
    new = vocabulary_of(fresh, owner.min_count, left, own_missing)
    missing_id = old.missing_id
    if new.missing_id != UNKNOWN:
        missing_id = new.missing_id + len(old.values)
    return Vocabulary(
        _joined(old.values, new.values),
        np.concatenate([seen, new.counts]),
        missing_id,
        old.n_dropped + new.n_dropped,
        old.cells_dropped + new.cells_dropped,
    )


def _joined(old: "pa.Array", new: "pa.Array") -> "pa.Array":
    """Append values, as text if one of both is."""
    import pyarrow as pa

    if old.type != new.type:
        old, new = old.cast(pa.large_string()), new.cast(pa.large_string())
    return pa.concat_arrays([old, new])
