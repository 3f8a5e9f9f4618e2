"""Two runs' data: which data sets, columns, vocabularies and splits differ, and what is unknown."""

from collections.abc import Iterator, Mapping

from .changes import Change, united
from .identity import SPLITS, DataRecord, data_of, entries, section
from .record import Run, flat
from .table_difference import comparable, same_content, table_changes
from .values import signature

_Records = Mapping[str, DataRecord]


def data_changes(a: Run, b: Run) -> tuple[list[Change], list[str]]:
    """Return the differences between the data of two runs, and what is unknown of them.

    A data set is compared by its recorded fingerprint. Where two splits divide the same rows in
    another way, that is the one difference, not the rows of each part.
    """
    before, after = data_of(a), data_of(b)
    if not before or not after:
        return [], [_missing("data", bool(before), bool(after))]
    both = [name for name in SPLITS if name in before and name in after]
    divided = _is_divided_otherwise(before, after, both)
    changes = [change for name in SPLITS for change in _of_set(before, after, name, divided)]
    changes += _of_source(before, after, both)
    changes += _of_vocabulary(before, after, both) + _of_sizes(a, b)
    changes += _of_split(before, after, both, divided)
    unknown = [text for name in both for text in _unknown(name, before[name], after[name])]
    if not any(record.vocabulary for records in (before, after) for record in records.values()):
        unknown.append("vocabulary: not recorded in either run")
    return united(changes), unknown


def _missing(what: str, first: bool, second: bool) -> str:
    if not first and not second:
        return f"{what}: not recorded in either run"
    return f"{what}: not recorded in the {'second' if first else 'first'} run"


def _of_set(before: _Records, after: _Records, name: str, divided: bool) -> list[Change]:
    a, b = before.get(name), after.get(name)
    if a is None or b is None:
        if a is b:
            return []
        before_rows, after_rows = (record and record.rows for record in (a, b))
        how = "data set in one run only, rows"
        return [Change("data", "", how, before_rows, after_rows, (name,))]
    return table_changes(a, b, name, content=not divided)


def _is_divided_otherwise(before: _Records, after: _Records, both: list[str]) -> bool:
    """Whether the parts differ, but all rows together are the same."""
    pairs = [(before[name], after[name]) for name in both]
    if before.keys() != after.keys() or all(_have_same_digests(a, b) for a, b in pairs):
        return False
    if _have_one_source(pairs):
        return True
    sums = [_sum([record.unordered for record in records]) for records in zip(*pairs, strict=True)]
    whole = all(r.hashed_rows is None for pair in pairs for r in pair)
    moved = any(a.unordered != b.unordered for a, b in pairs)
    return whole and moved and len(pairs) > 1 and sums[0] is not None and sums[0] == sums[1]


def _have_same_digests(a: DataRecord, b: DataRecord) -> bool:
    return same_content(a, b) or (a.digest, a.source, a.drawn) == (b.digest, b.source, b.drawn)


def _have_one_source(pairs: list[tuple[DataRecord, DataRecord]]) -> bool:
    """Whether all parts were drawn from tables with the same rows, in whichever order."""
    sources = [(a.source_unordered, b.source_unordered) for a, b in pairs]
    return all(a is not None and a == b for a, b in sources)


def _sum(digests: list[str | None]) -> int | None:
    """The digest of all rows in any order, of those of the parts."""
    try:
        return sum(int(digest or "", 16) for digest in digests) % 2**64
    except ValueError:
        return None


def _of_source(before: _Records, after: _Records, both: list[str]) -> list[Change]:
    """Tables that differ in rows which no sample of their parts has seen."""
    pairs = [(name, before[name], after[name]) for name in both]
    if not all(same_content(a, b) for _, a, b in pairs):
        return []
    where = tuple(n for n, a, b in pairs if a.source and b.source and a.source != b.source)
    return [Change("data", "", "the table that was split", where=where)] if where else []


def _of_vocabulary(before: _Records, after: _Records, both: list[str]) -> list[Change]:
    pairs = ((n, before[n].vocabulary, after[n].vocabulary) for n in both)
    return [
        Change("vocabulary", "", "fitted on other data or with other settings", a, b, where=(name,))
        for name, a, b in pairs
        if a is not None and b is not None and a != b
    ]


def _of_sizes(a: Run, b: Run) -> list[Change]:
    """The vocabulary sizes of the inputs of the models."""
    first, second = (entries(section(run.hyperparams, "data").get("sizes")) for run in (a, b))
    return [
        Change("vocabulary", name, "size of the input in the model", first.get(name),
               second.get(name))
        for name in {**first, **second}
        if first.get(name) != second.get(name) and first and second
    ]  # fmt: skip


def _of_split(before: _Records, after: _Records, both: list[str], divided: bool) -> list[Change]:
    found: list[Change] = []
    for name in both:
        first, second = (dict(flat(records[name].split)) for records in (before, after))
        for key in {**first, **second} if first and second else ():
            if signature(first.get(key)) != signature(second.get(key)):
                found.append(
                    Change("split", key, "", first.get(key), second.get(key), where=(name,))
                )
    if divided and not found:
        same_places = all(before[n].drawn == after[n].drawn is not None for n in both)
        if same_places:
            return [Change("data", "", "order of rows, before the split", where=tuple(both))]
        return [Change("split", "", "the same rows, divided otherwise", where=tuple(both))]
    return found


def _unknown(name: str, a: DataRecord, b: DataRecord) -> Iterator[str]:
    """The unknown parts of a data set that both runs have."""
    if a.unread is not None and a.unread == b.unread:
        yield f"content of {name}: {a.unread}"
    else:
        runs = ((a, "first"), (b, "second"))
        yield from (f"content of {name} in the {n} run: {r.unread}" for r, n in runs if r.unread)
    if a.unread is None and b.unread is None:
        if a.digest is None or b.digest is None:
            yield _missing(f"content of {name}", a.digest is not None, b.digest is not None)
        elif a.rows == b.rows and not comparable(a, b):
            yield f"content of {name}: other rows of it were hashed, by another sample"
        elif a.hashed_rows is not None and comparable(a, b):
            sample = f"the sample of {a.hashed_rows:,} of {a.rows or 0:,} rows"
            yield f"content of {name} outside of {sample}"
        if a.files != b.files and same_content(a, b):
            yield f"content of {name}: the files were written anew, and their sample is the same"
    unread = [c.name for r in (a, b) if r.digest for c in r.columns if c.ordered is None]
    if unread:
        yield f"column {unread[0]!r} of {name}: its cells have no content that can be hashed"
    if bool(a.split) != bool(b.split):
        yield f"{_missing(f'split of {name}', bool(a.split), bool(b.split))}"
    if bool(a.vocabulary) != bool(b.vocabulary):
        yield _missing(f"vocabulary of {name}", bool(a.vocabulary), bool(b.vocabulary))
