"""Tables as plain data: cells of JSON types, with secrets redacted."""

import math
from collections.abc import Sequence
from typing import Any

from .plugin import in_utf8
from .redaction import redact

Cell = bool | int | float | str | None
"""A cell of a recorded table."""

_LONGEST = 2_000  # characters of a cell
_MOST_ROWS = 10_000
_LARGEST_INT = 2**63


def plain_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[list[str], list[list[Cell]]]:
    """Convert a table to plain cells.

    Numbers of NumPy and of tensors of one element become Python's, NaN and the infinities None,
    and other values their text, cut to 2,000 characters.

    Args:
        columns: The names of the columns.
        rows: One cell per column in each row.

    Raises:
        ValueError: A row has more or fewer cells than there are columns, or there are more than
            10,000 rows.

    Example:
        >>> import numpy as np
        >>> plain_table(["item", "score"], [["a", np.float32(0.5)], [None, float("nan")]])
        (['item', 'score'], [['a', 0.5], [None, None]])
    """
    if len(rows) > _MOST_ROWS:
        raise ValueError(
            f"a table has at most {_MOST_ROWS:,} rows, got {len(rows):,}: record a part of "
            "them, or a file with log_artifact"
        )
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(
                f"row {number} of the table has {len(row)} cells for {len(columns)} columns"
            )
    return [_text(column) for column in columns], [[_cell(cell) for cell in row] for row in rows]


def _cell(value: Any) -> Cell:
    value = value.item() if _is_single(value) else value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < _LARGEST_INT:
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return _text(value)


def _is_single(value: Any) -> bool:
    """Whether a value is a number or an array of NumPy, or a tensor, of one element."""
    if not hasattr(value, "item"):
        return False
    size = value.numel if hasattr(value, "numel") else getattr(value, "size", 1)
    return bool((size() if callable(size) else size) == 1)


def _text(value: Any) -> str:
    try:
        value = str(value)
    except Exception as fault:  # of an object of the user's
        return f"<its text raises {type(fault).__name__}>"
    # redact before truncating: half a secret would not be recognized
    text = str(in_utf8(redact(value)))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
