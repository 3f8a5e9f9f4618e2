"""The language of the page's filter: which runs to show.

All of its terms must hold: ``deepfm status:failed tag:night lr>0.01 val/auc>=0.8``.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..runs.record import Mode
from .entry import Entry

_TERM = re.compile(
    r"(?P<no>-)?(?:(?P<key>\"(?:[^\"\\]|\\.)*\"|[^\s\"<>=!:]+)(?P<op><=|>=|!=|=|<|>|:))?"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|[^\s\"<>=!][^\s\"]*)?",
    re.DOTALL,
)
_FIELDS = ("name", "status", "group", "tag", "project", "backend", "epochs", "error", "run")
_MOST_TERMS = 50
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


@dataclass(frozen=True)
class Term:
    """One condition.

    Attributes:
        text: The term as it was written.
        key: A field, a hyper-parameter or a metric; empty for text within the name.
        op: ``:`` (contains), ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        value: The text to compare with.
        negated: Whether a ``-`` stands before the term.
    """

    text: str
    key: str
    op: str
    value: str
    negated: bool

    def holds(self, entry: Entry, modes: Mapping[str, Mode]) -> bool:
        """Whether a run meets the condition."""
        values = _values(entry, self.key.casefold(), self.key, modes)
        return any(map(self._compares, values)) != (self.negated != (self.op == "!="))

    def _compares(self, value: Any) -> bool:
        if self.op in _ORDERS:
            number = _number(value)
            return number is not None and _ORDERS[self.op](number, float(self.value))
        text, wanted = _text(value).casefold(), self.value.casefold()
        if self.op == ":":
            return wanted in text
        number, bound = _number(value), _number(self.value)
        return text == wanted or (number is not None and number == bound)


def parse(text: str) -> tuple[Term, ...]:
    """Parse a filter.

    Raises:
        ValueError: A term is incomplete, or compares with something that is no number.

    Example:
        >>> [(term.key, term.op, term.value) for term in parse('wide tag:night "lr">0.01')]
        [('', ':', 'wide'), ('tag', ':', 'night'), ('lr', '>', '0.01')]
        >>> parse("lr>high")
        Traceback (most recent call last):
        ValueError: lr>high: the text after > must be a number
    """
    terms: list[Term] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        match = _TERM.match(text, place)
        if match is None or match.end() == place or (match["value"] is None):
            part = text[place : place + 40]
            raise ValueError(f"{part}: incomplete; write name:text, key=value or key>number")
        place = match.end()
        terms.append(_term(match))
    if len(terms) > _MOST_TERMS:
        raise ValueError(f"a filter has at most {_MOST_TERMS} terms, got {len(terms)}")
    return tuple(terms)


def _term(match: "re.Match[str]") -> Term:
    key, op, value = _unquoted(match["key"] or ""), match["op"] or ":", _unquoted(match["value"])
    if op in _ORDERS and _number(value) is None:
        raise ValueError(f"{match[0]}: the text after {op} must be a number")
    return Term(match[0], key, op, value, match["no"] is not None)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text[:1] == '"' else text


def selected(
    entries: Sequence[Entry], terms: Sequence[Term], modes: Mapping[str, Mode]
) -> list[Entry]:
    """Return the runs that meet all conditions."""
    return [entry for entry in entries if all(term.holds(entry, modes) for term in terms)]


def _values(entry: Entry, folded: str, key: str, modes: Mapping[str, Mode]) -> list[Any]:
    """The values of a key; hyper-parameters can be named by the last part of their names."""
    if not folded:
        return [entry.run.name]
    if folded in _FIELDS:
        value = entry.value("tags" if folded == "tag" else folded, modes)
        return value if isinstance(value, list) else [] if value is None else [value]
    if key in entry.run.metrics:
        value = entry.value(f"best:{key}", modes)
        return [] if value is None else [value]
    found = [v for name, v in entry.params.items() if name.casefold() == folded]
    end = f"/{folded}"
    return found or [v for name, v in entry.params.items() if name.casefold().endswith(end)]


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
