"""Values of runs as strict JSON that a browser reads without loss."""

import json
import math
from typing import Any

_LARGEST = 2**53 - 1  # beyond it, JavaScript rounds integers
_LONGEST = 2_000  # characters of a cell


def plain(value: Any) -> Any:
    """Return a value for `json.dumps`: NaN, the infinities and large integers become texts.

    Example:
        >>> plain({"a": float("nan"), "seed": 2**63, "dims": [64, 0.5]})
        {'a': 'nan', 'seed': '9223372036854775808', 'dims': [64, 0.5]}
    """
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else str(value)
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else str(value)


def cell(value: Any) -> Any:
    """Return a value for a cell: a scalar; lists and dicts are their JSON, cut off if long.

    Example:
        >>> cell([64, 32]), cell(0.5)
        ('[64, 32]', 0.5)
    """
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}…"
    return plain(value)


def order(value: Any) -> tuple[int, Any]:
    """Return a key that sorts numbers before texts; see `is_absent` for what comes last.

    Example:
        >>> sorted(["b", 2, "a", 0.5], key=order)
        [0.5, 2, 'a', 'b']
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, value
    return 1, str(cell(value)).casefold()


def is_absent(value: Any) -> bool:
    """Whether a value has no place in an order: None, NaN and an empty list."""
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))
