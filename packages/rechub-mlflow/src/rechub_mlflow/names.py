"""Names that MLflow accepts, and a tag that tells the recorded ones from them."""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from torch_rechub.basic.tracking.names import free_name
from torch_rechub.basic.tracking.plugin import in_utf8, shortened

from .values import from_text

log = logging.getLogger("torch_rechub.tracking")

_ILLEGAL = re.compile(r"[^-\w. /]")
_STEP_FILE = re.compile(r"step-\d+\.\w+")
_LONGEST_NAME = 200  # characters; MLflow's limit is 250, tags need some of them
_LONGEST_PART = 60  # characters of the name of a file, of at most 255 bytes

Path = tuple[str, ...]


def legal_name(name: str) -> str:
    r"""Make a name legal for MLflow: a relative path of letters, digits and ``_ - . /`` and space.

    Example:
        >>> [legal_name(name) for name in ("val/auc", "a:b", "/a//b", "..", "")]
        ['val/auc', 'a_b', '_/a/_/b', '_..', '_']
    """
    parts = _ILLEGAL.sub("_", name).split("/")
    legal = "/".join(part if part.strip(". ") else f"_{part}" for part in parts)
    # a character that precedes the digest of a long name, and is not legal
    legal = shortened(legal, _LONGEST_NAME).replace("#", "-")
    return f"_{legal}" if legal.startswith("..") else legal


def legal_path(name: str) -> str:
    """Make a name legal as the folder of an artifact, whose files are ``step-<n>`` ones."""
    parts = legal_name(name).split("/")
    short = [shortened(part, _LONGEST_PART).replace("#", "-") for part in parts]
    return "/".join(f"{part}_" if _STEP_FILE.fullmatch(part) else part for part in short)


def legal_folder(name: str) -> str:
    """Make a name legal as the name of one folder."""
    return legal_path(name.replace("/", "_"))


_LEGAL = {
    "metric": legal_name,
    "hyper-parameter": legal_name,
    "record": legal_path,
    "artifact": legal_folder,
}


class Names:
    """Maps names to unique ones that MLflow accepts; the changed ones are stored with the run.

    Args:
        owner: The logger's class name, for the report of a change.
        stored: The names of an earlier logger of the run, from `changes`.

    Example:
        >>> names = Names("MLflowLogger")
        >>> names["metric", "val/auc"], names["metric", "a:b"], names["metric", "a_b"]
        ('val/auc', 'a_b', 'a_b_')
        >>> stored = names.changes()
        >>> names.stored()
        >>> stored, names.changes()
        ('{"metric": {"a_b": "a:b", "a_b_": "a_b"}}', '')
        >>> Names("MLflowLogger", stored)["metric", "a_b"]
        'a_b_'
    """

    def __init__(self, owner: str, stored: str | None = None) -> None:
        self._owner = owner
        self._keys: dict[tuple[str, Any], str] = {}
        self._taken: set[tuple[str, str]] = set()
        self._changed = original_names(stored)
        self._new = False
        for kind, changes in self._changed.items():
            for key, name in changes.items():
                self._add(kind, tuple(name) if isinstance(name, list) else name, key)

    def changes(self) -> str:
        """The names that MLflow does not accept, as JSON; empty if there are no new ones."""
        return json.dumps(self._changed, ensure_ascii=False) if self._new else ""

    def stored(self) -> None:
        """Forget that names are new: they were stored with the run."""
        self._new = False

    def __getitem__(self, wanted: tuple[str, str | Path]) -> str:
        """The recorded name of a kind of record; of a hyper-parameter, the name is its path."""
        kind, name = wanted
        key = self._keys.get((kind, name))
        if key is None:
            path = name if isinstance(name, tuple) else (name,)
            joined = "/".join(path)
            key = free_name(_LEGAL[kind](in_utf8(joined)), _Taken(kind, self._taken))
            self._add(kind, name, key)
            if key != joined or (isinstance(name, tuple) and tuple(key.split("/")) != name):
                named = list(path) if isinstance(name, tuple) else name
                self._changed.setdefault(kind, {})[key] = in_utf8(named)
                self._new = True
            if key != joined and kind in ("metric", "hyper-parameter"):
                log.warning("%s records the %s %r as %r.", self._owner, kind, joined, key)
        return key

    def _add(self, kind: str, name: Any, key: str) -> None:
        self._keys[kind, name] = key
        self._taken.add((kind, key))


class _Taken:
    """The taken names of one kind."""

    def __init__(self, kind: str, taken: set[tuple[str, str]]) -> None:
        self._kind, self._taken = kind, taken

    def __contains__(self, name: object) -> bool:
        return (self._kind, name) in self._taken


def original_names(text: str | None) -> dict[str, dict[str, Any]]:
    """Map kinds of records to recorded names to original ones; {} if the text is invalid."""
    found = from_text(text or "")
    kinds: dict[str, dict[str, Any]] = {}
    for kind, changes in found.items() if isinstance(found, Mapping) else ():
        of_texts = list[str] if kind == "hyper-parameter" else str
        if isinstance(changes, Mapping):
            kinds[kind] = {key: name for key, name in changes.items() if _is(name, of_texts)}
    return kinds


def _is(name: Any, kind: Any) -> bool:
    if kind is str:
        return isinstance(name, str)
    return isinstance(name, list) and bool(name) and all(isinstance(part, str) for part in name)
