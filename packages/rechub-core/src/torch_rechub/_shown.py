"""The one rule for text on its way out: to a terminal, a table, a log, a page or a picture.

Names, statuses, errors and paths come from files and services that anyone may have written. Some
characters steer a terminal, reorder what is read (bidirectional overrides) or begin a new line;
each is shown as its escape instead.
"""

import json
import logging
import unicodedata


def shown(text: object) -> str:
    r"""A text with every character that is more than a glyph or a space as its escape.

    Example:
        >>> shown("精排 a"), shown("a\x1b[2J\x9b\n"), shown("\u202ecba")
        ('精排 a', 'a\\x1b[2J\\x9b\\n', '\\u202ecba')
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in plain)


def shown_json(text: str) -> str:
    r"""JSON with the same characters as JSON's own escapes, so that it still says the same.

    Example:
        >>> shown_json('{"a": "\x9b精"}')
        '{"a": "\\u009b精"}'
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or _is_harmless(c) else json.dumps(c)[1:-1] for c in text)


def show_logs() -> None:
    """Have every message of the library follow the rule, whoever handles it; each is one line."""
    for room in ("", ".data", ".runs", ".tracking"):
        logging.getLogger(f"torch_rechub{room}").addFilter(_as_shown)


def _as_shown(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    if not message.isprintable():
        record.msg, record.args = shown(message), None
    return True


def _is_harmless(character: str) -> bool:
    # `isprintable` takes other spaces than " ", such as that of Chinese text, for control
    return character.isprintable() or unicodedata.category(character) == "Zs"
