"""Facts about test data, from the fingerprint that a run records, and how those of two runs differ.

The facts are "rows", "digest", "hashed_rows", "split", and for each column "column <role> <name>",
the digest of its values in order.
"""

import json
from collections.abc import Mapping
from typing import Any

_COLUMN = "column "
_PLAIN = ("rows", "digest", "hashed_rows")


def facts_of(fingerprint: Any) -> dict[str, str]:
    """The facts in the fingerprint of a data set, as a run records it; {} without one.

    Example:
        >>> columns = ["role type in_order any_order sum name", "input int64 5a 7b - user"]
        >>> facts_of({"rows": 8, "digest": "9f", "columns": columns})
        {'rows': '8', 'digest': '9f', 'column input user': '5a'}
    """
    if not isinstance(fingerprint, Mapping):
        return {}
    given = {name: fingerprint.get(name) for name in _PLAIN}
    found = {name: str(value) for name, value in given.items() if isinstance(value, str | int)}
    split = fingerprint.get("split")
    if isinstance(split, Mapping):
        found["split"] = json.dumps(dict(split), sort_keys=True, ensure_ascii=False, default=str)
    columns = fingerprint.get("columns")
    texts = columns[1:] if isinstance(columns, list | tuple) else ()  # the first is the legend
    for entry in "\n".join(map(str, texts)).split("\n"):
        parts = entry.split(" ", 5)
        if len(parts) == 6:
            found[f"{_COLUMN}{parts[0]} {parts[5]}"] = parts[2]
    return found


def difference_of_data(a: Mapping[str, str], b: Mapping[str, str]) -> str | None:
    """Which fact shows that two tests were of different data; None if none does.

    Data of different columns may be of the same rows: a model with another feature. They are the
    same data if the columns that both have are equal.

    Args:
        a: The facts of one test.
        b: Those of the other.

    Example:
        >>> difference_of_data({"digest": "9f", "rows": "8"}, {"digest": "9f", "rows": "8"})
        >>> difference_of_data({"rows": "8"}, {"rows": "9"})
        'the data differ: 8 and 9 test rows'
    """
    if "digest" in a and a["digest"] == b.get("digest"):
        return None
    if not _same(a, b, "rows"):
        return f"the data differ: {a['rows']} and {b['rows']} test rows"
    comparable = a.get("hashed_rows") == b.get("hashed_rows")
    both = [name for name in a if name.startswith(_COLUMN) and name in b and comparable]
    for name in both:
        if a[name] != b[name]:
            return f"the data differ: {name.removeprefix(_COLUMN)} has other values in the test"
    if not both and comparable and not _same(a, b, "digest"):
        return f"the data differ: the test data have the digests {a['digest']} and {b['digest']}"
    if not both and not _same(a, b, "split"):
        return f"the split differs: {a['split']} and {b['split']}"
    return None


def _same(a: Mapping[str, str], b: Mapping[str, str], name: str) -> bool:
    """Whether a fact is the same, or is not known of both."""
    return name not in a or name not in b or a[name] == b[name]
