"""The lines of `JSONLLogger`'s files: strict JSON with NaN and the infinities, written and read."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

VERSION = 1
SUFFIX = ".run.jsonl"

_FLOAT = "$float"
_METRICS_START = b'{"v":1,"event":"metrics","time":"'
_METRICS_KEYS = {"v", "event", "time", "step", "metrics"}
_FLOATS_ONLY = {float}
_FLOATS = {str(value): value for value in (math.nan, math.inf, -math.inf)}
_TOO_LARGE = 2**62
_LONGEST = 64 * 2**20  # bytes; a longer line is not one of ours, and must not fill the memory


def json_line(record: dict[str, Any]) -> bytes:
    r"""Encode a record as a line of strict JSON in UTF-8.

    Example:
        >>> json_line({"loss": float("nan"), "名": "a"}).decode()
        '{"loss":{"$float":"nan"},"名":"a"}\n'
    """
    text = json.dumps(_encode(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # a lone surrogate, as in a file name that is not UTF-8, becomes a JSON escape
    return text.encode("utf-8", "backslashreplace") + b"\n"


def from_json_line(line: bytes) -> Any:
    """Decode a line that `json_line` encoded.

    Raises:
        ValueError: The line is not JSON, is nested too deeply, repeats a key, or holds a number
            that is out of range for a float.
    """
    plain = b"\\" not in line and b'"$' not in line  # no key begins with $, escaped or not
    try:
        return (_STRICT_PLAIN if plain else _STRICT).decode(line.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_records(
    file: BinaryIO, damaged: Callable[[int, str], None], after: int = 0
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Iterate over the records of a file with their line numbers, later formats included.

    Empty lines and a truncated last line are skipped.

    Args:
        file: A file opened for reading bytes.
        damaged: Called with the number of each invalid line and the reason.
        after: The number of the last line before the position of `file`.
    """
    for number, line in _lines(file, after):
        if line is None:
            damaged(number, f"longer than {_LONGEST} bytes")
        elif (metrics := _plain_metrics(line)) is not None:
            yield number, metrics
        elif line.strip():
            try:
                yield number, _record(line)
            except ValueError as error:
                cut_off = not line.endswith(b"\n")
                if not (cut_off and isinstance(error, json.JSONDecodeError | UnicodeDecodeError)):
                    damaged(number, _reason(error))


def _reason(error: ValueError) -> str:
    # str(error) would give the line in its input, which is always 1
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
    return "no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def step_of(record: dict[str, Any]) -> int:
    """Return the step of a record.

    Raises:
        ValueError: The record has no step, or one that is out of range.
    """
    step = record.get("step")
    if isinstance(step, float) and step.is_integer():  # JSON does not distinguish 1.0 from 1
        step = int(step)
    if type(step) is not int or not 0 <= step < _TOO_LARGE:
        raise ValueError("step is no whole number from 0 to 2**62")
    return step


def _lines(file: BinaryIO, number: int) -> Iterator[tuple[int, bytes | None]]:
    """Iterate over line numbers and lines; None in place of a line that is too long."""
    while line := file.readline(_LONGEST + 1):
        number += 1
        if line.endswith(b"\n") and len(line) <= _LONGEST:
            yield number, line
            continue
        if len(line) <= _LONGEST:
            line += file.readline(_LONGEST + 1)  # the writer may have completed it meanwhile
        whole = len(line) <= _LONGEST
        while len(line) > _LONGEST and not line.endswith(b"\n"):
            line = file.readline(_LONGEST + 1)
        yield number, line if whole else None


def _record(line: bytes) -> dict[str, Any]:
    record = from_json_line(line)
    if not isinstance(record, dict):
        raise ValueError(f"no JSON object but {type(record).__name__}")
    version = record.get("v")
    if type(version) is not int or not 1 <= version < _TOO_LARGE:
        raise ValueError("v is no version of the format")
    return record


def _plain_metrics(line: bytes) -> dict[str, Any] | None:
    """Decode a line of metrics as `JSONLLogger` writes nearly all; None for every other line.

    Most lines of a file are of this kind, and the hooks that refuse invalid JSON take most of the
    time. They have nothing to do where no key begins with ``$`` or occurs twice, and all numbers
    are in the range of floats.
    """
    if not line.startswith(_METRICS_START) or b"\\" in line or b'"$' in line:
        return None
    try:
        text = line.decode()
        record, end = _LENIENT.raw_decode(text)
        metrics = record["metrics"]
        values = metrics.values()
        plain = (
            text[end:] == "\n"
            # all quotes are those of the 5 keys, 2 texts and the metrics: no key occurs twice
            and text.count('"') == 14 + 2 * len(metrics)
            and record.keys() == _METRICS_KEYS
            and type(record["step"]) is int
            and type(record["time"]) is str
            and {*map(type, values)} == _FLOATS_ONLY
            and math.isfinite(sum(values))
        )
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None
    return record if plain else None


def _encode(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: str(value)}
    if isinstance(value, dict):
        return {f"${k}" if k.startswith("$") else k: _encode(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_encode(item) for item in value]
    return value


def _decode(pairs: list[tuple[str, Any]]) -> Any:
    if len(pairs) == 1 and pairs[0][0] == _FLOAT:
        text = pairs[0][1]
        if not isinstance(text, str) or text not in _FLOATS:
            raise ValueError(f"{_FLOAT} must be one of {', '.join(_FLOATS)}")
        return _FLOATS[text]
    return _unique([(k[1:] if k.startswith("$") else k, v) for k, v in pairs])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is there twice")
    return value


def _finite_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is beyond the range of floats")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_decode, parse_float=_finite_float)
_STRICT_PLAIN = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite_float)
_LENIENT = json.JSONDecoder()
