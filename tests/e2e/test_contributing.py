"""The contributor pages: their diff is what the repository holds, their commands exist."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "docs" / language / "contributing.md" for language in ("en", "zh")]


def additions(diff: str) -> dict[str, str]:
    """The added lines of each file of a diff."""
    files = re.split(r"^--- .*\n\+\+\+ b/(.*)\n", diff, flags=re.MULTILINE)[1:]
    return {
        path: "".join(re.findall(r"^\+(.*\n)", hunks, re.MULTILINE))
        for path, hunks in zip(files[::2], files[1::2], strict=True)
    }


@pytest.fixture(params=PAGES, ids=["en", "zh"])
def page(request):
    return request.param.read_text(encoding="utf-8")


def test_the_diff_that_adds_a_model_is_what_the_files_hold(page):
    (diff,) = re.findall(r"^```diff\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    found = additions(diff)
    assert len(found) == 4
    for path, added in found.items():
        text = (REPOSITORY / path).read_text(encoding="utf-8")
        if path.endswith("fm.py"):
            assert added == text
        lines = iter(text.splitlines())
        assert [line for line in added.splitlines() if line not in lines] == [], path


def test_the_commands_exist(page):
    hatch = (REPOSITORY / "hatch.toml").read_text(encoding="utf-8")
    named = set(re.findall(r"hatch run ([\w:-]+)", page)) - {"full:pytest"}
    assert {"test", "cards", "lint:fix", "types:check", "core:test"} <= named
    for command in named:
        environment, _, script = command.rpartition(":")
        table = f"[envs.{environment or 'default'}.scripts]"
        own = hatch.partition(table)[2].partition("\n[")[0]
        assert re.search(rf"^{script} = ", own, re.MULTILINE), command
