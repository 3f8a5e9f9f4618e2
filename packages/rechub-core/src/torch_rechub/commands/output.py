"""Output of commands: text and tables on the standard output stream."""

import os
import shutil
import sys

from ..runs.tables import Table, aligned, markdown, shortened

_COLORS = {"failed": "31", "interrupted": "33", "unfinished": "33"}


def show(table: Table, form: str) -> None:
    """Write a table as ``table``, fitted to the terminal, or as ``markdown``."""
    if form == "markdown":
        write(markdown(table))
        return
    terminal = sys.stdout.isatty()
    text, left_out = aligned(
        table,
        shutil.get_terminal_size().columns if terminal else None,
        _colored if terminal and not os.environ.get("NO_COLOR") else None,
    )
    write(text)
    if left_out:
        names = ", ".join(shortened(name, 80) for name in left_out)
        write(f"\nno room for: {names} (--format json or csv has all)\n")


def _colored(column: str, text: str) -> str:
    if text.strip() == column:
        return f"\x1b[1m{text}\x1b[0m"
    code = _COLORS.get(text.strip()) if column == "status" else None
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def write(text: str) -> None:
    """Write a text."""
    sys.stdout.write(text)
