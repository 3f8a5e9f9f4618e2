"""Whether ranked runs were trained and evaluated on the same data."""

from collections.abc import Sequence

from .identity import DataRecord, data_of
from .record import Run
from .trials import status_of

_Content = tuple[object, ...]


def different_data(rows: Sequence[Sequence[Run]]) -> str | None:
    """Return how the data of ranked runs differ, as a text; None if they are the same, or unknown.

    Runs that have recorded no data do not count. Random splits of the same rows are the same data
    if each row of the ranking has the same ones, as with the same seeds; a pruned trial, which has
    one seed, may have some of them.

    Args:
        rows: The runs of each row of a ranking.

    Example:
        >>> digests = ("a", "b")
        >>> params = [{"data": {"train": {"digest": d, "rows": 8}}} for d in digests]
        >>> different_data([[Run("r", "jsonl", "r", hyperparams=p)] for p in params])
        'different data: train (2 different)'
    """
    sources: dict[str, set[_Content]] = {}
    contents: dict[str, list[set[_Content]]] = {}
    some: dict[str, list[set[_Content]]] = {}  # of pruned trials
    for runs in rows:
        of_row: dict[str, set[_Content]] = {}
        for run in runs:
            for name, record in data_of(run).items():
                if record.digest is not None:
                    source, content = _source(record), _content(record)
                    sources.setdefault(name, set()).add(source or content)
                    of_row.setdefault(name, set()).add(content)
        pruned = any(status_of(run) == "pruned" for run in runs)
        for name, found in of_row.items():
            (some if pruned else contents).setdefault(name, []).append(found)
    counts = {name: len(found) for name, found in sources.items() if len(found) > 1}
    if counts:
        return f"different data: {_listed(counts)}"
    apart = {}
    for name in {**contents, **some}:
        whole, parts = contents.get(name, []), some.get(name, [])
        if _differ(whole, parts):
            apart[name] = len(set.union(*whole, *parts))
    return f"different splits of the same rows: {_listed(apart)}" if apart else None


def _content(record: DataRecord) -> _Content:
    sampled = record.hashed_rows is not None
    totals = tuple((c.name, c.total) for c in record.columns) if sampled else ()
    return record.digest, record.rows, record.hashed_rows, totals


def _source(record: DataRecord) -> _Content | None:
    """The table that rows were drawn from, in whichever order."""
    return None if record.source_unordered is None else (record.source_unordered,)


def _differ(whole: Sequence[set[_Content]], parts: Sequence[set[_Content]]) -> bool:
    most = whole[0] if whole else max(parts, key=len)
    return any(contents != most for contents in whole) or any(not part <= most for part in parts)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count} different)" for name, count in counts.items())
