"""Random sequences of calls of a logger, sound and broken, and what should be kept of each.

A call is a pair of the method's name and its arguments. The expected records are derived from the
documentation of the loggers: see `Kept`.
"""

import decimal
import enum
import fractions
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from torch_rechub.basic.tracking.redaction import redact
from torch_rechub.basic.tracking.redaction.names import Grade, grade

LARGEST = sys.float_info.max


class Color(enum.Enum):
    RED = "red"


class Broken:
    """Looks like a number and raises when it is read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def item(self) -> float:
        raise self.error

    def __repr__(self) -> str:
        return f"Broken({self.error!r})"


def cycle() -> dict[str, Any]:
    inner: dict[str, Any] = {}
    inner["again"] = inner
    return inner


ORDINARY = ("auc", "loss", "train/loss", "val/auc")
STRANGE = (
    "", " ", "two words", "two_words", "精排/损失", "🙂", "/slashes/", "ends.", "a\nb", "a\0b",
    "\ud800", "_step", "step", "_timestamp", "_runtime", "_wandb", "_wandb/x", "__swanlab__.cpu",
    "x" * 600, "x" * 601, "é" * 600, "_hparams_/session_start_info", "_hparams_/session_end_info",
    "status/text_summary", "$float", "a.b", "a\\.b", "nan", "hyperparameters",
    "global_step", "epoch",
)  # fmt: skip
NAMES = st.sampled_from(ORDINARY) | st.sampled_from(STRANGE) | st.text(max_size=8)

# Values with the number that each is, None if it is none.
NUMBERS = (
    st.floats().map(lambda x: (x, x))
    | st.integers(-(2**70), 2**70).map(lambda n: (n, float(n)))
    | st.sampled_from(
        [
            (True, 1.0),
            (10**400, math.inf),
            (-(10**400), -math.inf),
            (1e39, 1e39),
            (5e-324, 5e-324),
            (np.float32(0.1), float(np.float32(0.1))),
            (np.float16("inf"), math.inf),
            (np.int64(-3), -3.0),
            (np.bool_(True), 1.0),
            (np.array([[2.5]]), 2.5),
            (torch.tensor(0.25), 0.25),
            (torch.tensor([3], dtype=torch.uint8), 3.0),
            (torch.tensor(1.5, dtype=torch.bfloat16), 1.5),
            (torch.tensor(2.0, requires_grad=True), 2.0),
            (decimal.Decimal("0.5"), 0.5),
            (fractions.Fraction(1, 4), 0.25),
        ]
    )
)
NO_NUMBERS = st.sampled_from(
    ["0.5", b"1", None, [1.0], (), {1}, object(), 1j, np.array([1, 2]), np.array([]), np.array("x"),
     torch.zeros(2), torch.zeros(0), decimal.Decimal("sNaN"), print, Broken(KeyError("k")),
     Broken(OverflowError()), Broken(ZeroDivisionError()), Broken(RuntimeError()), cycle()]
).map(lambda value: (value, None))  # fmt: skip
METRICS = st.recursive(
    st.dictionaries(NAMES | st.integers(0, 2), NUMBERS | NO_NUMBERS, max_size=4),
    lambda inner: st.dictionaries(NAMES, inner | NUMBERS, max_size=3),
    max_leaves=4,
)

# Steps with the whole number that each is, None if it is refused.
WHOLE_STEPS = st.integers(0, 12).map(lambda n: (n, n)) | st.sampled_from(
    [
        *((n, n) for n in (2**31, 2**48, 2**53 + 1, 2**62 - 2)),
        *((np.int64(3), 3), (np.uint8(4), 4), (5.0, 5), (np.float64(7.0), 7)),
        *((True, 1), (torch.tensor(6), 6)),
    ]
)
REFUSED_STEPS = st.sampled_from(
    [-1, -(2**70), 2**62, 10**30, 0.5, -1.0, math.nan, math.inf, "1", [1], 1j, np.float64(0.5)]
).map(lambda step: (step, None))
STEPS = st.just((None, "next")) | WHOLE_STEPS | WHOLE_STEPS | REFUSED_STEPS

# Hyper-parameters with what each becomes.
# YAML, in which SwanLab keeps hyper-parameters, takes three characters for ends of lines.
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029")
# values and names of secrets, which are redacted
TEXT = st.text(CHARACTERS, max_size=12).filter(lambda text: redact(text) == text)
PARAM_NAMES = (st.sampled_from(ORDINARY) | st.sampled_from(STRANGE) | TEXT).filter(
    lambda name: grade(name) == Grade.PLAIN
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | TEXT
    | st.sampled_from(
        ["null", "1e5", ".nan", "yes", "~", "\ud800", "a\0b", "2026-01-01", "x" * 1999]
    )
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARAM_NAMES, inner, max_size=3),
    max_leaves=6,
).map(lambda value: (value, value))
OBJECTS = st.sampled_from(
    [
        (Color.RED, "red"),
        (Path("a") / "b", str(Path("a") / "b")),
        (print, "print"),
        (np.float64(0.5), 0.5),
        (torch.tensor(2), 2),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (Broken(KeyError()), "Broken"),
        (cycle(), {"again": "..."}),
    ]
)
PARAMS = st.dictionaries(PARAM_NAMES, PLAIN | OBJECTS, max_size=4)
ERRORS = st.sampled_from(
    [ValueError("the loss is nan"), ValueError("\ud800\0"), KeyboardInterrupt()]
)

CALLS = st.one_of(
    st.tuples(st.just("log_metrics"), METRICS, STEPS),
    st.tuples(st.just("log_metrics"), METRICS, STEPS),
    st.tuples(st.just("log_hyperparams"), PARAMS),
    st.tuples(st.just("log_failure"), ERRORS),
)
SEQUENCES = st.tuples(st.lists(CALLS, max_size=8), st.lists(CALLS, max_size=2))


def given(data: Any) -> Any:
    """The inputs of the logger: the first of each pair."""
    if isinstance(data, dict):
        return {name: given(value) for name, value in data.items()}
    return data[0]


def kept(data: Any) -> Any:
    """The expected records: the second of each pair."""
    if isinstance(data, dict):
        return {name: kept(value) for name, value in data.items()}
    return data[1]


def leaves(data: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested names joined with slashes."""
    for name, value in data.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def series_of(data: Mapping[Any, Any], outer: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Nested keys and values: "1" and 1 are two series, and so are "a/b" and "b" in "a"."""
    for key, value in data.items():
        keys = (*outer, key)
        if isinstance(value, dict) and value:
            yield from series_of(value, keys)
        else:
            yield (key if not outer and isinstance(key, str) else keys), value


class Kept:
    """The records that a backend should store for given calls, according to the documentation.

    All flatten nested metrics and skip values that are not numbers; a missing step is the largest
    one with numbers + 1. A second value of a metric at one step: JSONL,
    TensorBoard and MLflow keep both, SwanLab the first, wandb the later. TensorBoard keeps 32-bit
    floats; MLflow stores infinity as the largest float, and -0.0 as 0.
    """

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.metrics: dict[Any, list[tuple[int, float]]] = {}
        self.params: dict[str, Any] = {}
        self.status = "finished"
        self.next_step = 0

    def refuses(self, method: str, *args: Any) -> bool:
        """Take a call; say whether it must raise ValueError."""
        if method == "log_failure":
            self.status = "failed" if isinstance(args[0], Exception) else "interrupted"
        elif method == "log_hyperparams":
            params = kept(args[0])
            if self.backend == "wandb":  # as the class says
                params = {name.strip("-"): value for name, value in params.items()}
                if "_wandb" in params:
                    params["_wandb_"] = params.pop("_wandb")
            self.params |= params
        else:
            return self._refuses_metrics(args[0], args[1][1])
        return False

    def _refuses_metrics(self, metrics: Any, step: Any) -> bool:
        at = self.next_step if step == "next" else step
        if at is None or at >= 2**62:
            return True
        numbers = {n: v for n, v in series_of(kept(metrics)) if isinstance(v, float)}
        if numbers and self.backend == "swanlab" and at > 2**48:
            return True
        for name, number in numbers.items():
            self.metrics.setdefault(name, []).append((at, number))
            self.next_step = max(self.next_step, at + 1)
        return False

    def series(self) -> list[list[tuple[int, str]]]:
        """The pairs (step, value) of every metric, with values as text, in a fixed order."""
        return comparable(self.backend, self.metrics)

    def hyperparams(self) -> dict[str, Any]:
        """The hyper-parameters in the form that the backend keeps."""
        if self.backend == "jsonl":
            return self.params
        params = escaped(self.params)
        if self.backend == "tensorboardx":
            return {name: _hparam(value) for name, value in leaves(params)}
        if self.backend == "wandb":
            return none_for_nan(params)
        if self.backend == "swanlab":
            return {name: as_swanlab(value) for name, value in params.items()}
        return params


def none_for_nan(data: Any) -> Any:
    """As wandb keeps hyper-parameters."""
    if isinstance(data, dict):
        return {name: none_for_nan(value) for name, value in data.items()}
    if isinstance(data, list):
        return [none_for_nan(item) for item in data]
    return None if isinstance(data, float) and math.isnan(data) else data


def as_swanlab(data: Any) -> Any:
    """None and an empty mapping are one, which is read as None; NaN and infinities are text."""
    if isinstance(data, float) and not math.isfinite(data):
        return "NaN" if math.isnan(data) else "Inf"
    if isinstance(data, dict):
        return {name: as_swanlab(value) for name, value in data.items()} or None
    return [as_swanlab(item) for item in data] if isinstance(data, list) else data


def escaped(data: Any) -> Any:
    """Plain data with lone surrogates, which UTF-8 lacks, as ``\\ud800``."""
    if isinstance(data, str):
        return "".join(f"\\u{ord(c):x}" if "\ud800" <= c <= "\udfff" else c for c in data)
    if isinstance(data, dict):
        return {escaped(name): escaped(value) for name, value in data.items()}
    return [escaped(item) for item in data] if isinstance(data, list) else data


def _hparam(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) <= 2**53 else str(value)
    return None if value == "null" else value  # None is kept as the text null


def comparable(
    backend: str, metrics: Mapping[Any, list[tuple[int, float]]]
) -> list[list[tuple[int, str]]]:
    """The series of `metrics` without their names, ready to be compared."""
    found = []
    for pairs in metrics.values():
        if backend == "tensorboardx":
            with np.errstate(over="ignore"):
                pairs = [(step, float(np.float32(value))) for step, value in pairs]
        elif backend == "wandb":
            # it writes -0.0 as -0, which is 0
            pairs = sorted((step, value + 0.0) for step, value in dict(pairs).items())
        elif backend == "mlflow":
            large = [(step, value * 2 if abs(value) == LARGEST else value) for step, value in pairs]
            pairs = [(step, value + 0.0) for step, value in large]
        elif backend == "swanlab":
            pairs = sorted(dict(reversed(pairs)).items())
        found.append([(step, repr(float(value))) for step, value in pairs])
    return sorted(found)
