"""Blocks of lines that each hold a JSON object or a Python literal, to frames.

Literals are parsed by `ast.literal_eval`, which builds values and runs nothing.
"""

import ast
import json
import math
import warnings
from typing import Any

import pandas as pd

from .layout import Column, FaultError, Table
from .values import finish

_TEXT = pd.Series(["text"]).dtype  # str or object, by the version of pandas
_ALLOWED: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int, float), "a whole number"),
    "number": ((int, float), "a number"),
    "text": ((str, int, float), "text"),
    "time": ((str,), "text"),
    "choice": ((str,), "text"),
    "list": ((str, list), "text or a list"),
}
_BAD_LINE = (ValueError, SyntaxError, RecursionError, MemoryError)


def parse_records(block: bytes, table: Table, line: int) -> pd.DataFrame:
    """Parse a block of lines with one record each.

    Args:
        block: Whole lines.
        table: The layout.
        line: The number of the block's first line.

    Returns:
        The columns of `table`; other keys of the records are left out.

    Raises:
        FaultError: A line is not a record, or lacks a key, or a value has another type.
    """
    values: dict[str, list[Any]] = {column.name: [] for column in table.stored}
    for number, text in enumerate(block[:-1].split(b"\n"), start=line):
        record = _record(text, table, number)
        for column in table.stored:
            try:
                values[column.name].append(_value(record, column))
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise FaultError(number, str(error.args[0])) from None
    frame = pd.DataFrame({c.name: _series(values[c.name], c) for c in table.stored})
    return finish(frame, table, line)


def _record(text: bytes, table: Table, line: int) -> dict[str, Any]:
    try:
        if table.format == "json":
            record = json.loads(text)
        else:
            with warnings.catch_warnings():  # of escapes such as "\d" in a review
                warnings.simplefilter("ignore")
                record = ast.literal_eval(text.decode(table.encoding))
    except _BAD_LINE as error:
        kind = "a JSON object" if table.format == "json" else "a Python dict"
        raise FaultError(line, f"is not {kind} ({error}): {text[:80]!r}") from None
    if not isinstance(record, dict):
        raise FaultError(line, f"is a {type(record).__name__}, expected an object with keys")
    return record


def _value(record: dict[str, Any], column: Column) -> Any:
    if column.in_file not in record and not column.optional:
        raise KeyError(f"has no key {column.in_file!r}, only {', '.join(map(str, record))[:200]}")
    value: Any = record.get(column.in_file)
    allowed, words = _ALLOWED[column.type]
    if value is None and column.type != "int":
        return math.nan if column.type == "number" else None
    if not isinstance(value, allowed) or (column.type == "int" and not _is_int64(value)):
        raise TypeError(f"key {column.in_file!r} has {value!r:.80}, expected {words}")
    convert = {"int": int, "number": float, "text": str}.get(column.type)
    return value if convert is None else convert(value)


def _is_int64(value: Any) -> bool:
    return float(value).is_integer() and -(2**63) <= value < 2**63


def _series(values: list[Any], column: Column) -> "pd.Series[Any]":
    types: dict[str, Any] = {"int": "int64", "number": "float64", "text": _TEXT}
    series: pd.Series[Any] = pd.Series(values, dtype=types.get(column.type, object))
    return series
