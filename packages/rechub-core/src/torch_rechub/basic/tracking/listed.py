"""Names with values as a recorded list of texts, many to a text: trackers cut long lists.

Names are no keys, because the value of a key such as ``google-auth`` or ``user_token`` would be
redacted; they come last in their line, so that nothing follows a name that could be its secret.
"""

from collections.abc import Iterable

_LONGEST = 1_900  # characters of a text, of the 2,000 that are recorded


def listed(legend: str, lines: Iterable[str]) -> list[str]:
    r"""Return lines as a list of texts; the first text explains the others.

    Args:
        legend: The meaning of the words of a line.
        lines: The lines; a line break within one is escaped.

    Example:
        >>> listed("ids input", ["3 user", "9 item\nid"])
        ['ids input', '3 user\n9 item\\nid']
    """
    found: list[str] = []
    for line in lines:
        text = line.replace("\\", "\\\\").replace("\n", "\\n")
        if found and len(found[-1]) + len(text) < _LONGEST:
            found[-1] += f"\n{text}"
        else:
            found.append(text)
    return [legend, *found]


def unlisted(texts: object) -> list[str]:
    r"""Return the lines of a list of texts; nothing of what is no such list.

    Example:
        >>> unlisted(["ids input", "3 user\n9 item\\nid"])
        ['3 user', '9 item\nid']
    """
    if not isinstance(texts, list | tuple):
        return []
    lines = [line for text in texts[1:] if isinstance(text, str) for line in text.split("\n")]
    return [_unescaped(line) if "\\" in line else line for line in lines]


def _unescaped(line: str) -> str:
    parts = line.split("\\\\")
    return "\\".join(part.replace("\\n", "\n") for part in parts)
