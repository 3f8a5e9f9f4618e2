"""How hyper-parameters are kept in MLflow, whose parameters are text."""

import json
from typing import Any

CHANGED = "hyperparams/"
"""Before the names of tags that hold a later value of a parameter."""

ERROR = "rechub.error"


def as_text(value: Any) -> str:
    """Text as it is, everything else as JSON; text that reads as JSON is quoted.

    Example:
        >>> [as_text(value) for value in ("adam", 0.1, True, "0.1", [64, 32])]
        ['adam', '0.1', 'true', '"0.1"', '[64, 32]']
    """
    if isinstance(value, str) and from_text(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def from_text(text: str) -> Any:
    """The value that `as_text` was given.

    Example:
        >>> [from_text(text) for text in ("adam", "0.1", "true", '"0.1"')]
        ['adam', 0.1, True, '0.1']
    """
    try:
        return json.loads(text)
    except ValueError:
        return text
