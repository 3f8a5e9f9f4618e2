"""Unique names of metrics and hyper-parameters; every change of a name is reported."""

import logging
from collections.abc import Container, Hashable, Iterable
from numbers import Number
from typing import Any

from .redaction import redact

log = logging.getLogger("torch_rechub.tracking")

Keys = tuple[Any, ...]


def free_name(name: str, taken: Container[str]) -> str:
    """Append ``_`` to `name` until it is not taken.

    Example:
        >>> free_name("a", {"a", "a_"})
        'a__'
    """
    while name in taken:
        name += "_"
    return name


_reported: set[str] = set()


def distinct(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make the names of hyper-parameters unique: later ones of a name get ``_`` appended.

    Example:
        >>> distinct([("dims", 1), ("dims", 2)])
        {'dims': 1, 'dims_': 2}
    """
    kept: dict[str, Any] = {}
    for name, value in items:
        free = free_name(name, kept)
        kept[free] = value
        if free != name and free not in _reported:
            _reported.add(free)
            log.warning("Two hyper-parameters are called %r; one is recorded as %r.", name, free)
    return kept


class MetricNames:
    """Joins nested keys to metric names that are unique in a run.

    The same keys always get the same name. On a collision ``_`` is appended, which is reported
    once. Secrets in names are redacted.

    Example:
        >>> names = MetricNames()
        >>> names[("val", "auc")], names[("val/auc",)], names[("val/auc",)]
        ('val/auc', 'val/auc_', 'val/auc_')
    """

    def __init__(self) -> None:
        self._names: dict[Hashable, str] = {}
        self._keys: dict[str, Keys] = {}

    def __getitem__(self, keys: Keys) -> str:
        identity = tuple(map(_identity, keys))
        name = self._names.get(identity)
        if name is None:
            wanted = redact("/".join(map(_text, keys)))
            name = self._names[identity] = free_name(wanted, self._keys)
            self._keys[name] = keys
            if name != wanted:
                log.warning(
                    "The metrics %s and %s are both called %r; the second is recorded as %r.",
                    list(self._keys[wanted]),
                    list(keys),
                    wanted,
                    name,
                )
        return name


def _text(key: Any) -> str:
    return str.__str__(key) if isinstance(key, str) else f"{key}"


def _identity(key: Any) -> Hashable:
    """An identity of keys: equal where dict keys are equal, except that True differs from 1."""
    kind = bool if isinstance(key, bool) else Number if isinstance(key, Number) else type(key)
    return (str, _text(key)) if isinstance(key, str) else (kind, key)
