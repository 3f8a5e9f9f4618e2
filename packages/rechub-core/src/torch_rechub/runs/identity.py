"""The identity of a run: which hyper-parameters are no settings, and what they say of its data."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..basic.tracking.listed import unlisted
from .record import Run, flat

_IDS = frozenset({"run_id", "parent_run_id", "parent_digest"})
SPLITS = ("train", "val", "test", "retrieval")
"""The data sets of a run, in the order in which they are shown."""

_OF_SPLIT = frozenset({
    "rows", "digest", "unordered", "schema", "columns", "n_columns", "hashed_rows", "label_rate",
    "split", "vocabulary", "files", "unread",
})  # fmt: skip
_RECORDS = {
    "code": frozenset({"commit", "dirty", "changes", "unknown"}),
    "environment": None,
    "trial": None,
    "copied_from": None,
}
_UNHASHED = "-"


def is_identity(name: str) -> bool:
    """Whether a flat name is no setting: it identifies the run, its data, code, or environment.

    A setting of the same name that holds other values, such as ``data="ml-1m"`` or
    ``data={"train": "day1.csv"}``, is a setting.

    Example:
        >>> is_identity("run_id"), is_identity("data/train/rows"), is_identity("data/train")
        (True, True, False)
    """
    head, _, rest = name.partition("/")
    if head in _IDS:
        return True
    if head == "data":
        name, _, entry = rest.partition("/")
        return rest == "sizes" or (name in SPLITS and entry.partition("/")[0] in _OF_SPLIT)
    if head not in _RECORDS or not rest:
        return False
    known = _RECORDS[head]
    return known is None or rest.partition("/")[0] in known


def settings_of(run: Run, ignored: Collection[str] = ()) -> dict[str, Any]:
    """Return the hyper-parameters of a run that are settings, by flat name.

    Args:
        run: The run.
        ignored: Flat names to leave out.

    Example:
        >>> settings_of(Run("a", "jsonl", "a", hyperparams={"lr": 0.1, "run_id": "4b"}))
        {'lr': 0.1}
    """
    pairs = flat(run.hyperparams)
    return {n: v for n, v in pairs if n not in ignored and not is_identity(n)}


def section(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a nested hyper-parameter, also of a tracker that stores flat names.

    Example:
        >>> section({"data/train/rows": 8.0, "data/train/columns": "[1]"}, "data")
        {'train': {'rows': 8, 'columns': [1]}}
    """
    nested = params.get(name)
    if isinstance(nested, Mapping):
        return _identity_of(nested, name)
    found: dict[str, Any] = {}
    for key, value in flat(params):
        head, _, rest = key.partition("/")
        if head == name and rest and is_identity(key):
            inner = found
            *path, last = rest.split("/")
            for part in path:
                there = inner.setdefault(part, {})
                inner = there if isinstance(there, dict) else {}
            inner[last] = _plain(value)
    return found


@dataclass(frozen=True)
class ColumnRecord:
    """The recorded fingerprint of a column; digests are None where they are unknown.

    Attributes:
        role: "input", "label" or "weight".
        kind: Its type and shape.
        ordered: The digest of its values in the order of the rows.
        values: That of its values in any order.
        total: The sum of the bits of its numbers, where the digests are of a sample.
        name: Its name.
    """

    role: str
    kind: str
    ordered: str | None
    values: str | None
    total: str | None
    name: str


@dataclass(frozen=True)
class DataRecord:
    """The recorded fingerprint of a data set; None where an entry was not recorded.

    Attributes:
        rows: The number of rows.
        digest: The digest of the rows in their order.
        unordered: That of the rows in any order; parts add up.
        schema: That of names, roles and types of the columns.
        hashed_rows: The number of rows that the digests cover; None means all.
        listed: The recorded lines of the columns, the first 150 of wide tables.
        label_rate: The means of the labels.
        split: The rule of the split and its arguments, `source` and `drawn` apart.
        source: The digest of the table that the rows were drawn from.
        source_unordered: That of its rows in any order.
        drawn: That of their numbers in it.
        vocabulary: The digest of the vocabulary.
        files: That of the metadata of Parquet files.
        unread: Why the content, or some of it, was not read.
    """

    rows: int | None = None
    digest: str | None = None
    unordered: str | None = None
    schema: str | None = None
    hashed_rows: int | None = None
    listed: tuple[str, ...] = ()
    label_rate: tuple[float, ...] = ()
    split: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    source_unordered: str | None = None
    drawn: str | None = None
    vocabulary: str | None = None
    files: str | None = None
    unread: str | None = None

    @cached_property
    def columns(self) -> tuple[ColumnRecord, ...]:
        """The columns; damaged lines are left out."""
        return tuple(filter(None, map(_column, self.listed)))


def data_of(run: Run) -> dict[str, DataRecord]:
    """Return the recorded data sets of a run, by name; damaged entries count as not recorded.

    Example:
        >>> run = Run("a", "jsonl", "a", hyperparams={"data": {"train": {"rows": 8}}})
        >>> data_of(run)["train"].rows, data_of(run)["train"].digest
        (8, None)
    """
    found = section(run.hyperparams, "data")
    return {name: _record(found[name]) for name in SPLITS if isinstance(found.get(name), Mapping)}


def entries(values: Any) -> dict[str, str]:
    r"""Read a recorded list of values with names, whose first text explains the others.

    Example:
        >>> entries(["ids input", "3 user\n9 item"])
        {'user': '3', 'item': '9'}
    """
    pairs = (line.split(" ", 1) for line in unlisted(values) if " " in line)
    return {name: value for value, name in pairs}


def _identity_of(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The entries of a nested hyper-parameter that are no settings."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{name}/{key}"
        if is_identity(path):
            found[key] = value
        elif name == "data" and isinstance(value, Mapping) and (of := _identity_of(value, path)):
            found[key] = of
    return found


def _record(found: Mapping[str, Any]) -> DataRecord:
    split = found.get("split")
    split = dict(split) if isinstance(split, Mapping) else {}
    files = found.get("files")
    rate = found.get("label_rate")
    rates = rate if isinstance(rate, list) else [rate]
    return DataRecord(
        rows=_number(found.get("rows")),
        digest=_text(found.get("digest")),
        unordered=_text(found.get("unordered")),
        schema=_text(found.get("schema")),
        hashed_rows=_number(found.get("hashed_rows")),
        listed=tuple(unlisted(found.get("columns"))),
        label_rate=tuple(r for r in rates if isinstance(r, int | float)),
        source=_text(split.pop("source", None)),
        source_unordered=_text(split.pop("source_unordered", None)),
        drawn=_text(split.pop("drawn", None)),
        split=split,
        vocabulary=_text(found.get("vocabulary")),
        files=_text(files.get("digest")) if isinstance(files, Mapping) else None,
        unread=_text(found.get("unread")),
    )


def _column(entry: str) -> ColumnRecord | None:
    words = entry.split(" ", 5)
    if len(words) < 6:
        return None
    role, kind, *digests, name = words
    ordered, values, total = (None if digest == _UNHASHED else digest for digest in digests)
    return ColumnRecord(role, kind, ordered, values, total, name)


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) and value != "" else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _plain(value: Any) -> Any:
    """A value as it was recorded: trackers store numbers as floats, and lists as JSON."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value[:1] == "[":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
