"""Escapes text for output: to a terminal, a table, a log, a page or a picture.

Names, statuses, errors and paths come from files and services that are not trusted. Characters that
control a terminal, reorder text (bidirectional overrides) or begin a new line are escaped.
"""

import json
import logging
import unicodedata

ROOMS = ("", ".alerts", ".data", ".runs", ".tracking", ".ui")
"""The endings of the names of the loggers that the library logs to."""


def shown(text: object) -> str:
    r"""Escape every character of a text that is neither a glyph nor a space.

    Example:
        >>> shown("精排 a"), shown("a\x1b[2J\x9b\n"), shown("\u202ecba")
        ('精排 a', 'a\\x1b[2J\\x9b\\n', '\\u202ecba')
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in plain)


def shown_json(text: str) -> str:
    r"""Escape the same characters in JSON by JSON escapes, which keeps its value.

    Example:
        >>> shown_json('{"a": "\x9b精"}')
        '{"a": "\\u009b精"}'
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or _is_harmless(c) else json.dumps(c)[1:-1] for c in text)


def show_logs() -> None:
    """Escape all messages that the library logs, for every handler; each becomes one line."""
    for room in ROOMS:
        logging.getLogger(f"torch_rechub{room}").addFilter(_as_shown)


def _as_shown(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    if not message.isprintable():
        record.msg, record.args = shown(message), None
    return True


def _is_harmless(character: str) -> bool:
    # `isprintable` is false for other spaces than " ", such as the ideographic space
    return character.isprintable() or unicodedata.category(character) == "Zs"
