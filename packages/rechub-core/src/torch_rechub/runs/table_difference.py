"""Two fingerprints of a table: which columns, rows or types differ."""

from collections.abc import Iterator, Mapping, Sequence

from .changes import Change
from .identity import ColumnRecord, DataRecord

_Key = tuple[str, str]
_Pair = tuple[ColumnRecord, ColumnRecord]


def table_changes(a: DataRecord, b: DataRecord, name: str, content: bool = True) -> list[Change]:
    """Return the differences between two fingerprints of one data set.

    Args:
        a: The fingerprint of the first run.
        b: That of the second run.
        name: The name of the data set.
        content: Whether to compare rows and values, and not only columns and types.
    """
    found = list(_of_columns(a, b))
    if content:
        if a.rows != b.rows and a.rows is not None and b.rows is not None:
            rates = _rates(a), _rates(b)
            found.append(Change("data", "", "number of rows", a.rows, b.rows))
            if None not in rates and rates[0] != rates[1]:
                found.append(Change("data", "", "label rate", *rates))
        elif comparable(a, b):
            found += _of_values(a, b)
    return [_placed(change, name) for change in found]


def comparable(a: DataRecord, b: DataRecord) -> bool:
    """Whether both contents were read, and as many rows of each."""
    there = a.digest is not None and b.digest is not None
    return there and a.hashed_rows == b.hashed_rows and a.rows == b.rows


def same_content(a: DataRecord, b: DataRecord) -> bool:
    """Whether rows and values are the same, as far as they are recorded."""
    totals = ({_key(c): c.total for c in record.columns} for record in (a, b))
    first, second = totals
    shared = first.keys() & second.keys()
    return (
        comparable(a, b)
        and a.digest == b.digest
        and all(first[key] == second[key] for key in shared if _is_total(a, b, key))
    )


def _is_total(a: DataRecord, b: DataRecord, key: _Key) -> bool:
    """Whether the sums of a column can be compared: they depend on the type."""
    kinds = {c.kind for record in (a, b) for c in record.columns if _key(c) == key}
    return len(kinds) == 1


def _placed(change: Change, name: str) -> Change:
    return Change(change.kind, change.name, change.how, change.before, change.after, (name,))


def _of_columns(a: DataRecord, b: DataRecord) -> Iterator[Change]:
    """Columns that one run has and the other has not, and columns of another type."""
    before, after = _by_name(a), _by_name(b)
    gone = [before[key] for key in before if key not in after]
    new = [after[key] for key in after if key not in before]
    for column in gone:
        other = next((o for o in new if _is_renamed(column, o)), None)
        if other is None:
            yield Change("data", column.name, "column removed", column.kind, None)
        else:
            new.remove(other)
            yield Change("data", column.name, "column renamed", column.name, other.name)
            yield from _of_types([(column, other)])
    for column in new:
        yield Change("data", column.name, "column added", None, column.kind)
    yield from _of_types([(before[key], after[key]) for key in before if key in after])
    wide = _is_cut(a) or _is_cut(b)
    if wide and before == after and a.schema != b.schema:
        yield Change("data", "", "columns beyond those listed")


def _of_types(pairs: Sequence[_Pair]) -> Iterator[Change]:
    for column, other in pairs:
        if column.kind != other.kind:
            yield Change("data", column.name, "type", column.kind, other.kind)


def _of_values(a: DataRecord, b: DataRecord) -> Iterator[Change]:
    """Values and their order, of as many rows."""
    if same_content(a, b):
        return
    before, after = _by_name(a), _by_name(b)
    both = [(before[key], after[key]) for key in before if key in after]
    pairs = [(c, o) for c, o in both if c.ordered is not None and o.ordered is not None]
    unread = any((c.ordered is None) != (o.ordered is None) for c, o in both)
    sampled = a.hashed_rows is not None
    other = [pair for pair in pairs if _has_other_values(*pair, sampled)]
    moved = [p for p in pairs if p not in other and p[0].ordered != p[1].ordered]
    if sampled and moved and len(other) + len(moved) == len(pairs):
        # other rows are in the sample, which explains other cells of columns without sums
        other = [pair for pair in other if _is_summed(*pair)]
        moved = [pair for pair in pairs if pair not in other]
    still = len(pairs) - len(other) - len(moved)
    if not other and _is_only_reordered(a, b, moved, sampled and (len(moved) > 1 or not still)):
        yield Change("data", "", "order of rows")
        return
    if moved and not still and (other or sampled):
        yield Change("data", "", "order of rows")
        moved = []
    for column, _ in other:
        yield _of_column(column, "other values", a, b)
    for column, _ in moved:
        yield _of_column(column, "same values in other rows", a, b)
    if not other and not moved and not unread and before.keys() == after.keys():
        yield Change("data", "", "columns beyond those listed")


def _has_other_values(a: ColumnRecord, b: ColumnRecord, sampled: bool) -> bool:
    if not sampled:
        return a.values != b.values
    if _is_summed(a, b):
        return a.total != b.total
    return a.values != b.values  # of a sample: other rows, or another order


def _is_summed(a: ColumnRecord, b: ColumnRecord) -> bool:
    return a.kind == b.kind and a.total is not None and b.total is not None


def _is_only_reordered(a: DataRecord, b: DataRecord, moved: Sequence[_Pair], sampled: bool) -> bool:
    """Whether the rows are the same in another order; of samples, as far as the sums tell."""
    if sampled:
        return bool(moved)
    renamed = _by_name(a).keys() != _by_name(b).keys()
    return bool(moved) and (renamed or a.unordered == b.unordered)


def _of_column(column: ColumnRecord, how: str, a: DataRecord, b: DataRecord) -> Change:
    rates = _rates(a), _rates(b)
    if column.role == "label" and rates[0] != rates[1] and None not in rates:
        return Change("data", column.name, f"{how}, label rate", *rates)
    return Change("data", column.name, how)


def _rates(record: DataRecord) -> "float | list[float] | None":
    rates = list(record.label_rate)
    return rates[0] if len(rates) == 1 else rates or None


def _by_name(record: DataRecord) -> Mapping[_Key, ColumnRecord]:
    return {_key(column): column for column in record.columns}


def _key(column: ColumnRecord) -> _Key:
    return column.role, column.name


def _is_renamed(column: ColumnRecord, other: ColumnRecord) -> bool:
    return column.role == other.role and column.ordered == other.ordered is not None


def _is_cut(record: DataRecord) -> bool:
    return len(record.columns) >= 150
