"""The page of `rechub compare --plot` in a browser: curves, and searches to point at."""

import pytest

from core.runs.test_searches import HOSTILE, run
from core.ui.chromium import Chromium
from torch_rechub.runs import compare, plot

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.driver.quit()


@pytest.fixture
def opened(browser, tmp_path):
    """A function that draws runs and opens their page."""

    def open_page(runs):
        plot(compare(runs, "val/auc"), tmp_path / "out.html")
        browser.requests(), browser.console()
        browser.driver.get((tmp_path / "out.html").as_uri())
        browser.wait("return document.querySelector('#searches') !== null")
        return browser

    return open_page


def runs_of(n):
    runs = [run(k, 0.5 + k / 100, lr=10.0 ** (k % 5), act="ab"[k % 2]) for k in range(n)]
    return [
        *runs,
        run(n, 0.4, "pruned", lr=1.0, act="a"),
        run(n + 1, None, "failed", lr=1.0, act="b"),
    ]


def test_curves_have_the_colors_of_their_legend(opened):
    page = opened(runs_of(3))
    colors = """
      const found = [...document.querySelectorAll(arguments[0])];
      return found.map((element) => getComputedStyle(element)[arguments[1]]);
    """
    drawn = page.run(colors, "#chart path.curve", "stroke")
    assert set(drawn) == set(page.run(colors, ".swatch", "backgroundColor"))
    assert len(set(drawn)) == 4
    assert page.console() == []


def test_a_search_is_drawn_and_answers_to_the_pointer(opened):
    page = opened(runs_of(20))
    count = "return document.querySelectorAll(arguments[0]).length"
    assert page.text(".search h2") == "Search s (jsonl)"
    assert "22 trials: 20 finished, 1 pruned, 1 failed" in page.text(".search")
    assert [page.run(count, f".search circle.{s}") for s in ("finished", "pruned")] == [20, 1]
    assert page.run(count, ".search path.trial") == 21
    assert page.texts(".bars .label")[0] in ("lr", "act")

    point = (
        "document.querySelector('.search circle').dispatchEvent(new PointerEvent('pointerenter'))"
    )
    page.run(point)
    assert page.text(".told") == "trial 0, finished 0.5000: lr 1, act a"

    drag = """
      const axis = document.querySelector(".search .handle"), box = axis.getBoundingClientRect();
      axis.setPointerCapture = () => {};
      for (const [kind, part] of [["pointerdown", 1], ["pointermove", 0.9], ["pointerup", 0.9]])
        axis.dispatchEvent(new PointerEvent(kind, { clientY: box.top + part * box.height }));
    """
    page.run(drag)
    # the lowest tenth of the first axis: every fifth trial has lr 1, and so has the pruned one
    assert page.run(count, ".search path.trial:not(.faint)") == 5
    page.run("document.querySelector('.search .handle').dispatchEvent(new MouseEvent('dblclick'))")
    assert page.run(count, ".search path.faint") == 0
    assert page.console() == []
    assert all(url.startswith("file:") for url in page.requests())


def test_hostile_names_of_a_search_run_nothing(opened):
    page = opened([run(k, 0.5 + k / 9, study=HOSTILE, **{HOSTILE: [HOSTILE, k]}) for k in range(3)])
    assert page.run("return document.querySelectorAll('img, iframe').length") == 0
    assert page.run("return document.querySelectorAll('script').length") == 2
    assert "</script>" in page.text(".search h2")
    assert page.console() == []
