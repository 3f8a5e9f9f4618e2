"""Converts logged values to plain data: metrics to floats, hyper-parameters to JSON-like data.

The conversion happens once, so that all trackers receive the same data, with secrets redacted.
"""

import dataclasses
import datetime
import enum
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from .names import Keys, MetricNames, distinct
from .redaction import Redactor

log = logging.getLogger("torch_rechub.tracking")

_MAX_DEPTH = 8
_MAX_ITEMS = 200
_MAX_TEXT = 2_000
_ROOM = 32  # room for the note of a truncation, so that it is not truncated again
_READ = 2**16  # characters of a text that are searched for secrets
_BEYOND_FLOATS = 2**1024  # too large to become a float

_warned: set[str] = set()
_warned_of_cut: set[str] = set()


def plain_metrics(metrics: Mapping[str, Any], names: MetricNames | None = None) -> dict[str, float]:
    """Convert metrics to floats, and flatten nested dicts to ``outer/inner``.

    Values may be Python or NumPy numbers and bools, and arrays or tensors of one element, on any
    device and of any dtype. Other values are skipped, with one warning for each name. Names are
    unique: see `MetricNames`.

    Args:
        metrics: Name to value, or to nested metrics.
        names: The names used in the run so far.

    Example:
        >>> import numpy as np
        >>> plain_metrics({"auc": np.float32(0.5), "task": {"a": 1}})
        {'auc': 0.5, 'task/a': 1.0}
    """
    values: dict[str, float] = {}
    known = MetricNames() if names is None else names
    for keys, value in _flatten(metrics):
        name, number = known[keys], _as_float(value)
        if number is not None:
            values[name] = number
        elif name not in _warned:
            _warned.add(name)
            log.warning(
                "The metric %r is not a number (%s) and was not recorded.",
                name,
                type(value).__name__,
            )
    return values


def _flatten(metrics: Mapping[Any, Any], above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    for key, value in metrics.items():
        keys = (*above, key)
        if isinstance(value, Mapping) and len(keys) < _MAX_DEPTH:  # a dict may contain itself
            yield from _flatten(value, keys)
        else:
            yield keys, value


def _as_float(value: Any) -> float | None:
    if isinstance(value, str | bytes) or value is None:
        return None
    try:
        # numpy arrays and torch tensors of one element, whatever their type, device and shape
        number = value.item() if hasattr(value, "item") else value
        if isinstance(number, int) and abs(number) >= _BEYOND_FLOATS:
            return math.inf if number > 0 else -math.inf
        return float(number)
    except Exception:  # an object of any type may raise anything here
        return None


def plain_hyperparams(params: Mapping[str, Any]) -> dict[str, Any]:
    """Copy `params` as plain data: None, bool, int, float, str, lists and dicts of these.

    Dataclasses and namespaces become dicts, enums their value, paths text, NumPy and tensor scalars
    numbers, larger arrays and tensors their shape and dtype, classes and functions their qualified
    name (they are never called). Other objects become the name of their type. Secrets become
    ``<redacted>``; see `redaction`. Depth, length and text are limited. Plain data is unchanged.

    Example:
        >>> plain_hyperparams({"lr": 1e-3, "optimizer": dict, "wandb_api_key": "abc"})
        {'lr': 0.001, 'optimizer': 'dict', 'wandb_api_key': '<redacted>'}
    """
    converter = _Converter()
    plain = converter.mapping(params, ())
    for name in converter.cut:
        if name not in _warned_of_cut:
            _warned_of_cut.add(name)
            log.warning(
                "The hyper-parameter %r is too large to be recorded whole: of texts the first %d "
                "characters are, of lists and dicts the first %d items, %d levels deep.",
                name,
                _MAX_TEXT,
                _MAX_ITEMS,
                _MAX_DEPTH,
            )
    return plain


class _Converter:
    def __init__(self) -> None:
        self.redactor = Redactor()
        self.cut: list[str] = []
        self.cuts = 0

    def mapping(self, value: Mapping[Any, Any], above: tuple[int, ...]) -> dict[str, Any]:
        kept = len(value) if len(value) <= _MAX_ITEMS + 1 else _MAX_ITEMS
        plain = distinct(self.item(key, item, above) for key, item in list(value.items())[:kept])
        if len(value) > kept:
            self.cuts += 1
            plain["..."] = f"{len(value) - kept} more"
            if not above:
                self.cut.append("...")
        return self.redactor.record(plain)

    def item(self, key: Any, item: Any, above: tuple[int, ...]) -> tuple[str, Any]:
        before = self.cuts
        name = key if isinstance(key, str) else str(self.convert(key, above))
        plain = self.text(name), self.redactor.value(name, self.convert(item, above))
        if not above and self.cuts > before:
            self.cut.append(plain[0])
        return plain

    def convert(self, value: Any, above: tuple[int, ...]) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return self.convert(value.value, above)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, str | os.PathLike):
            return self.text(os.fspath(value) if isinstance(value, os.PathLike) else value)
        if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            return self.text(value.__qualname__)
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if hasattr(value, "dtype") and hasattr(value, "shape"):
            return self.array(value, above)
        return self.container(value, above)

    def array(self, value: Any, above: tuple[int, ...]) -> Any:
        if len(value.shape) == 0 and hasattr(value, "item"):
            item = value.item()
            return self.convert(item, above) if type(item) is not type(value) else str(item)
        return f"{type(value).__name__}(shape={tuple(value.shape)}, dtype={value.dtype})"

    def container(self, value: Any, above: tuple[int, ...]) -> Any:
        if id(value) in above or len(above) >= _MAX_DEPTH:
            self.cuts += id(value) not in above
            return "..."
        inside = (*above, id(value))
        if isinstance(value, Mapping):
            return self.mapping(value, inside)
        if dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            return self.mapping({f.name: getattr(value, f.name) for f in fields}, inside)
        if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray):
            items = sorted(value, key=repr) if isinstance(value, Set) else value
            return self.sequence(items, inside)
        if type(value).__name__ in ("Namespace", "SimpleNamespace"):
            return self.mapping(vars(value), inside)
        return type(value).__qualname__

    def sequence(self, items: Sequence[Any], above: tuple[int, ...]) -> list[Any]:
        if hasattr(items, "_fields"):  # a named tuple: its field names may be names of secrets
            return list(self.mapping(dict(zip(items._fields, items, strict=True)), above).values())
        kept = len(items) if len(items) <= _MAX_ITEMS + 1 else _MAX_ITEMS
        plain = self.redactor.sequence([self.convert(item, above) for item in items[:kept]])
        self.cuts += len(items) > kept
        return plain + [f"... {len(items) - kept} more"] * (len(items) > kept)

    def text(self, value: str | bytes) -> str:
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        length = len(text)
        # redact before truncating: half a secret would not be recognized
        text = self.redactor.text(text[:_READ])
        if length <= _READ and len(text) <= _MAX_TEXT + _ROOM:
            return text
        self.cuts += 1
        return f"{text[:_MAX_TEXT]}... ({length} characters)"
