"""The secrets among the environment variables, whose values are secrets wherever they occur."""

import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from .names import Grade, grade, is_secret, looks_secret

_SHORTEST = 8
_FOLDERS = ("PWD", "OLDPWD")


def environment_secrets() -> list[str]:
    """The values of variables that are named as secrets, and the passwords of URLs in any of them.

    Values of less than eight characters are left out: they occur in ordinary words.

    Returns:
        Without duplicates, the longest first, each also as JSON and URLs write it.
    """
    found: set[str] = set()
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and name not in _FOLDERS:
            found.update(_secrets_of(name, value))
    for text in list(found):
        found |= {quote(text, safe=""), json.dumps(text)[1:-1]}
    return sorted(found, key=len, reverse=True)


def _secrets_of(name: str, value: str) -> Iterator[str]:
    if "://" in value:
        yield from _of_url(value)
    if grade(name) == Grade.PLAIN or (value.startswith("/") and not looks_secret(value)):
        return  # a path is where a secret lies
    if is_secret(name, value):
        yield value
        parts = value.split("/") if "://" in value else re.split(r"[\s,;]+", value)
        yield from (part for part in parts if len(part) >= _SHORTEST and looks_secret(part))


def _of_url(value: str) -> Iterator[str]:
    try:
        password = urlsplit(value).password
    except ValueError:
        return
    if password and len(password) >= _SHORTEST:
        yield password
