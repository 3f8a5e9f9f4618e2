"""Statistics of columns, and the encoders that they lead to."""

from collections.abc import Iterable, Mapping, Sequence

from .cells import IN_MEMORY
from .columns import Column, ColumnWithVocabulary, Encoder, State
from .columns.with_vocabulary import CountedState
from .parsing import Parsed, in_threads
from .statistics.value_counts import ValueCounts
from .vocabulary import Vocabulary, vocabulary_of

States = dict[str, State]


def states_of(columns: Sequence[Column], blocks: Iterable[Parsed]) -> States:
    """Return the statistics of blocks, by name of the input.

    Raises:
        ValueError: There are no rows.
    """
    states, n_rows = {column.input_name: column.new_state() for column in columns}, 0
    source = ""
    for parsed in blocks:
        pairs = zip(states.values(), parsed.prepared, strict=True)
        in_threads(lambda pair: pair[0].observe(pair[1]), pairs)
        n_rows, source = n_rows + parsed.n_rows, parsed.source
    if not n_rows:
        empty = "the data are empty" if source in ("", IN_MEMORY.source) else f"{source} is empty"
        raise ValueError(f"there are no rows to fit on: {empty}")
    return states


def merged(states: States, others: States) -> States:
    """Add other statistics to the first ones, and return these."""
    for name, state in others.items():
        states[name].merge(state)
    return states


def encoders_of(columns: Sequence[Column], states: Mapping[str, State]) -> dict[str, Encoder]:
    """Return the fitted columns by name of the input; columns that share a vocabulary have one."""
    vocabularies = _vocabularies(columns, states)

    def fitted(column: Column) -> Encoder:
        shared = column.owner if isinstance(column, ColumnWithVocabulary) else None
        vocabulary = None if shared is None else vocabularies[shared]
        return column.fitted(states[column.input_name], vocabulary)

    return {column.input_name: fitted(column) for column in columns}


def _vocabularies(columns: Sequence[Column], states: Mapping[str, State]) -> dict[str, Vocabulary]:
    """Return the vocabulary of each owner, in which all columns that share it are counted."""
    counts = counts_by_owner(columns, states)
    owners = [
        column
        for column in columns
        if isinstance(column, ColumnWithVocabulary) and column.shared_with is None
    ]

    def vocabulary(owner: ColumnWithVocabulary) -> Vocabulary:
        of_all = counts[owner.owner]
        return vocabulary_of(of_all, owner.min_count, owner.max_size, owner.own_missing)

    return dict(zip((c.owner for c in owners), in_threads(vocabulary, owners), strict=True))


def counts_by_owner(
    columns: Sequence[Column], states: Mapping[str, State]
) -> dict[str, ValueCounts]:
    """Return the counts of all columns that share a vocabulary, by name of its owner."""
    parts: dict[str, list[ValueCounts]] = {}
    for column in columns:
        if isinstance(column, ColumnWithVocabulary):
            state = states[column.input_name]
            assert isinstance(state, CountedState)
            parts.setdefault(column.owner, []).append(state.counts)

    def merged_counts(of_columns: list[ValueCounts]) -> ValueCounts:
        of_all = ValueCounts()
        for counts in of_columns:
            of_all.merge(counts)
        return of_all

    return dict(zip(parts, in_threads(merged_counts, parts.values()), strict=True))
