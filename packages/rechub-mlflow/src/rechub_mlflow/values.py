"""Encoding of values in MLflow, whose parameters and tags are short texts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

VERSION = "rechub.version"
"""The tag of runs of `MLflowLogger`: their parameters are nested, and their values typed."""

ID, ERROR, NAMES, RESUMED = "rechub.id", "rechub.error", "rechub.names", "rechub.resumed"

LATER = "hyperparams"
"""The prefix of tags that hold values which a parameter cannot: later ones, and long ones."""

REMOVED = {"$removed": True}
"""The later value of a parameter that its dictionary no longer has."""

_PARTS = "$parts"
_LONGEST_TAG = 8_000


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
    except (ValueError, RecursionError):
        return text


def leaves(params: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Iterate over the paths and values of nested hyper-parameters.

    Example:
        >>> list(leaves({"lr": 0.1, "mlp": {"dims": [64], "act": {}}}))
        [(('lr',), 0.1), (('mlp', 'dims'), [64]), (('mlp', 'act'), {})]
    """
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def nested(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Nest values by their paths; a path below another value keeps its joined name.

    Example:
        >>> nested({("lr",): 0.1, ("mlp", "dims"): [64], ("lr", "x"): 2})
        {'lr': 0.1, 'mlp': {'dims': [64]}, 'lr/x': 2}
    """
    params: dict[str, Any] = {}
    made = {id(params)}  # an empty dictionary may be a value, too
    for path, value in values.items():
        inner: Any = params
        for name in path[:-1]:
            if name not in inner:
                inner[name] = {}
                made.add(id(inner[name]))
            inner = inner[name]
            if id(inner) not in made:
                break
        if id(inner) in made and path[-1] not in inner:
            inner[path[-1]] = value
        else:
            params["/".join(path)] = value
    return params


def tag_texts(key: str, text: str) -> dict[str, str]:
    """Split a text into as many tags as it needs.

    Args:
        key: The name of the first tag; others have the number of the part after its first word.
        text: The text.

    Example:
        >>> tag_texts("hyperparams/lr", "0.2")
        {'hyperparams/lr': '0.2'}
        >>> list(tag_texts("hyperparams/features", "x" * 10_000))
        ['hyperparams/features', 'hyperparams.1/features', 'hyperparams.2/features']
    """
    if len(text) <= _LONGEST_TAG:
        return {key: text}
    parts = [text[at : at + _LONGEST_TAG] for at in range(0, len(text), _LONGEST_TAG)]
    named = {_part(key, number): part for number, part in enumerate(parts, 1)}
    return {key: json.dumps({_PARTS: len(parts)}), **named}


def text_of_tags(key: str, tags: Mapping[str, str]) -> str | None:
    """Join what `tag_texts` split; None if there is no such tag, or a part is missing."""
    text = tags.get(key)
    if text is None or not text.startswith(f'{{"{_PARTS}"'):
        return text
    count = from_text(text)
    number = count.get(_PARTS) if isinstance(count, dict) else None
    if type(number) is not int or not 0 < number <= len(tags):
        return text
    parts = [tags.get(_part(key, n)) for n in range(1, number + 1)]
    return None if None in parts else "".join(part for part in parts if part is not None)


def _part(key: str, number: int) -> str:
    first, slash, rest = key.partition("/")
    return f"{first}.{number}{slash}{rest}"
