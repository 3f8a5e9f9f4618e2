"""Hooks of `json.loads` that refuse what JSON does not define: NaN, and a key that occurs twice."""

from typing import Any, NoReturn


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, for `object_pairs_hook`.

    Raises:
        ValueError: A key occurs twice; of them, `json` would keep the last.

    Example:
        >>> import json
        >>> json.loads('{"a": 1, "a": 2}', object_pairs_hook=unique_keys)
        Traceback (most recent call last):
        ValueError: the key 'a' occurs twice
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return found


def refuse_constant(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, for `parse_constant`.

    Raises:
        ValueError: Always; the message names the constant.
    """
    raise ValueError(f"{constant} is no number")
