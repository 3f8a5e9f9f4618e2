"""Encoding of hyper-parameters in MLflow, whose parameters are text."""

import json
from typing import Any

CHANGED = "hyperparams/"
"""Before the names of tags that hold a later value of a parameter."""

ERROR = "rechub.error"


def as_text(value: Any) -> str:
    """Encode text unchanged, other values as JSON; text that is valid JSON is quoted.

    Example:
        >>> [as_text(value) for value in ("adam", 0.1, True, "0.1", [64, 32])]
        ['adam', '0.1', 'true', '"0.1"', '[64, 32]']
    """
    if isinstance(value, str) and from_text(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def from_text(text: str) -> Any:
    """Decode a value encoded by `as_text`.

    Example:
        >>> [from_text(text) for text in ("adam", "0.1", "true", '"0.1"')]
        ['adam', 0.1, True, '0.1']
    """
    try:
        return json.loads(text)
    except ValueError:
        return text
