"""The Python code blocks of Markdown pages, run as a reader would: in order, one after another."""

import re
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[tuple[int, str]]:
    """The line each block starts at, and its code."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start(1)) + 1, m.group(1)) for m in BLOCK.finditer(text)]


def run_page(page: Path) -> dict[str, Any]:
    """Run the blocks of a page in one namespace; an error names the page and the line."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for line, code in blocks(page):
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
    return names
