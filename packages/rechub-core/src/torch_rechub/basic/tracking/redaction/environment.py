"""Secrets in environment variables: their values are redacted wherever they occur."""

import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from .names import Grade, grade, is_secret, looks_secret

_SHORTEST = 8
_FOLDERS = ("PWD", "OLDPWD")


def environment_secrets() -> list[str]:
    """Values of variables with the name of a secret, and passwords of URLs in any variable.

    Values of fewer than eight characters are skipped: they occur in ordinary words.

    Returns:
        Distinct values, the longest first, each also in its JSON and URL encoding.
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
        return  # the path of a file with a secret is not a secret
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
