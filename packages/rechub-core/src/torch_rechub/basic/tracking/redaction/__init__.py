"""Redaction: replaces secrets in logged data before any tracker receives them.

`names` recognizes a secret by its name, `forms` by its form, `pairs` in a text that names it, and
`environment` by the value of an environment variable. `Redactor` applies all of them to texts and
plain data; it is the only place in the library that decides what is secret.
"""

import logging
from itertools import pairwise
from typing import Any

from ...._shown import ROOMS
from .environment import environment_secrets
from .forms import REDACTED, without_credentials, without_key_blocks, without_tokens
from .names import Grade, grade, is_secret, is_secret_name
from .pairs import without_named

__all__ = ["REDACTED", "Redactor", "is_secret_name", "redact", "redact_messages"]


def redact(text: str) -> str:
    """Replace secrets in `text` by ``<redacted>``.

    Args:
        text: A text of any length; the time is linear in the length.

    Example:
        >>> redact("fit --token hf_x1 on postgres://me:s3cret@db/clicks, max_tokens=512")
        'fit --token <redacted> on postgres://<redacted>@db/clicks, max_tokens=512'
    """
    return Redactor().text(text)


class Redactor:
    """Replaces secrets by ``<redacted>``; reads the environment variables when it is created.

    Example:
        >>> Redactor().value("api_keys", ["abc"]), Redactor().value("max_tokens", 512)
        ('<redacted>', 512)
    """

    def __init__(self) -> None:
        self._secrets = environment_secrets()

    def text(self, text: str) -> str:
        """Redact a text."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return without_named(without_credentials(without_tokens(without_key_blocks(text))))

    def value(self, name: str, value: Any) -> Any:
        """Redact plain data if its name is that of a secret; texts in it are redacted already."""
        found = grade(name)
        if found == Grade.PLAIN or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return REDACTED if is_secret(name, value) else value
        if isinstance(value, int | float):
            return REDACTED if found == Grade.ANY else value
        if found == Grade.ANY:
            return REDACTED if value else value
        if isinstance(value, dict):
            return {key: self.value(name, item) for key, item in value.items()}
        return [self.value(name, item) for item in value]

    def sequence(self, items: list[Any]) -> list[Any]:
        """Redact a sequence: ``["--api-key", "…"]``, ``["-u", "me:…"]``, ``["api_key", "…"]``."""
        is_pair = len(items) == 2
        return items[:1] + [self._after(*neighbors, is_pair) for neighbors in pairwise(items)]

    def record(self, items: dict[str, Any]) -> dict[str, Any]:
        """Redact a dict that names a value: ``{"name": "API_KEY", "value": "…"}``."""
        name = items.get("name", items.get("key"))
        if "value" not in items or not isinstance(name, str):
            return items
        return {**items, "value": self.value(name, items["value"])}

    def _after(self, before: Any, item: Any, is_pair: bool) -> Any:
        if not isinstance(before, str) or (isinstance(item, str) and item.startswith("-")):
            return item
        name = before.lstrip("-")
        if before.startswith("-"):
            if isinstance(item, str) and without_named(f"{before} {item}") != f"{before} {item}":
                return without_named(f"{before} {item}")[len(before) + 1 :]
            return self.value(name, item)
        # two strings may be two names, for instance of columns
        told = not isinstance(item, str) or any(character.isdigit() for character in item)
        return self.value(name, item) if is_pair and told and is_secret_name(name) else item


class RedactingFilter(logging.Filter):
    """A `logging` filter that redacts secrets in messages."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message of a record; every record passes."""
        message = record.getMessage()
        safe = redact(message)
        if safe != message:
            record.msg, record.args = safe, ()
        return True


_FILTER = RedactingFilter()


def redact_messages() -> None:
    """Redact all messages that the library logs, for every handler."""
    for room in ROOMS:
        logging.getLogger(f"torch_rechub{room}").addFilter(_FILTER)
