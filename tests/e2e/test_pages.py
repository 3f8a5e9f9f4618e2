"""README and docs: every Python block runs, every link inside the repository leads somewhere."""

import ast
import builtins
import os
import re
from pathlib import Path

import pytest

from e2e.markdown import blocks, run_page
from torch_rechub.data.public.ml_100k import MovieLens100K

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *REPOSITORY.glob("docs/**/*.md"),
        *REPOSITORY.glob("packages/*/README.md"),
    ]
)
# Its code needs a package that is not installed here: see tests/workspace/test_example_plugin.py.
ONLY_LINKS = sorted(REPOSITORY.glob("examples/plugins/*/README.md"))
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(#[^)]*)?\)")


def title(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def in_chinese(page: Path) -> bool:
    """Whether the page says in Chinese what another one says with the same code."""
    return "zh" in page.parts or page.name.endswith(".zh.md")


def takes_long(page: Path) -> bool:
    """Whether the page is in Chinese, or of MLflow, which takes seconds for its database."""
    return in_chinese(page) or page.parent.name == "rechub-mlflow"


WITH_CODE = [
    pytest.param(p, marks=pytest.mark.slow if takes_long(p) else (), id=title(p))
    for p in PAGES
    if blocks(p)
]


@pytest.fixture
def fewer_clicks(monkeypatch):
    """Makes every tenth row of MovieLens-100K all its click log."""

    def shorten():
        whole = MovieLens100K.clicks

        def tenth(self, *args, **kwargs):
            x, y = whole(self, *args, **kwargs)
            return {name: column[::10] for name, column in x.items()}, y[::10]

        monkeypatch.setattr(MovieLens100K, "clicks", tenth)

    return shorten


@pytest.mark.parametrize("page", WITH_CODE)
def test_every_python_block_of_a_page_runs(page, monkeypatch, fewer_clicks):
    if title(page) == "README.md":  # README.zh.md trains on all rows, by the same code
        fewer_clicks()
    # what a page sets in the environment must not outlive it
    monkeypatch.setattr(os, "environ", os.environ.copy())
    run_page(page)


@pytest.mark.parametrize("page", PAGES + ONLY_LINKS, ids=title)
def test_every_link_of_a_page_leads_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{title(page)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor[1:] in anchors, f"{title(page)} links to {target}{anchor}"


@pytest.mark.parametrize(
    ("task", "most"), [("trainer = CTRTrainer(", 20), ("matcher = MatchTrainer(", 30)]
)
def test_a_raw_file_becomes_a_tested_model_in_few_lines_that_stand_alone(task, most):
    page = REPOSITORY / "docs/en/raw-data.md"
    code = next(code for _, code in blocks(page) if task in code)
    assert len(re.findall(r"^.*\S.*$", code, re.MULTILINE)) <= most
    tree = ast.parse(code)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    imported = {a.asname or a.name for n in ast.walk(tree) for a in getattr(n, "names", ())}
    stored = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    assert read - stored - imported <= set(dir(builtins))


@pytest.mark.slow
def test_the_requests_of_the_page_on_serving_are_answered():
    from fastapi.testclient import TestClient

    from torch_rechub.server import make_app

    page = REPOSITORY / "docs/en/deliver.md"
    run_page(page)
    curl = re.compile(r"curl -s localhost:8000(/\w+) [^\n]* -d '(.*?)'", re.DOTALL)
    requests = curl.findall(page.read_text(encoding="utf-8"))
    bundles = {"/predict": "bundles/ranking", "/recommend": "bundles/candidates"}
    assert [path for path, _ in requests] == list(bundles)
    for path, body in requests:
        with TestClient(make_app(bundles[path])) as http:
            answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 200, answer.text
        kind = "predictions" if path == "/predict" else "recommendations"
        assert len(answer.json()[kind]) == (2 if path == "/predict" else 3)


def test_both_languages_have_the_same_pages_with_the_same_code():
    english = {p.name: p for p in (REPOSITORY / "docs/en").glob("*.md")}
    chinese = {p.name: p for p in (REPOSITORY / "docs/zh").glob("*.md")}
    assert english.keys() == chinese.keys()
    pairs = [(english[name], chinese[name]) for name in english]
    for one, other in [*pairs, (REPOSITORY / "README.md", REPOSITORY / "README.zh.md")]:
        assert without_comments(one) == without_comments(other), title(one)


def without_comments(page: Path) -> list[str]:
    """The code of a page, apart from comments, docstrings and words, which are translated."""
    return [
        re.sub(r'#.*|"""(.|\n)*?"""|"[^"\n]*"', "", code).replace(" ", "")
        for _, code in blocks(page)
    ]
