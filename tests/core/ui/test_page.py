"""The live page in a browser."""

import math
import time

import pytest

from benchmarks.many_runs import write_runs
from core.ui.chromium import Chromium
from core.ui.conftest import record, serving
from core.ui.test_answers import record_search
from core.ui.test_hostile import MARKUP, STEERING
from core.ui.test_hostile import record as record_hostile
from core.ui.test_live import wait
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.ui import LiveRuns

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
exceptions = pytest.importorskip("selenium.common.exceptions")
Keys = webdriver.Keys
pytestmark = pytest.mark.slow
NAMES = "tbody tr[data-key] td:nth-child(2)"
FIRST = "document.querySelector('tbody .link').innerText"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.driver.quit()


@pytest.fixture
def page(tmp_path, browser):
    """Opens the page of a folder that is watched."""
    live = LiveRuns([tmp_path], every=0.1)
    with serving(tmp_path, live=live) as served:
        live.start()

        def open_page(fragment="", **how):
            recorded = len(list(tmp_path.rglob("*.run.jsonl")))
            wait(lambda: len(live.asked().entries) == recorded)
            browser.open(served.url + fragment, **how)
            return browser

        yield open_page
        live.stop()
        foreign = [url for url in browser.requests() if not url.startswith(served.url)]
        assert [url for url in foreign if url != "about:blank"] == []


def sweep(folder):
    for number, lr in enumerate((0.1, 0.01, 0.001)):
        for seed in range(2):
            values = [0.5 + number / 10 + seed / 100 + step / 1000 for step in range(5)]
            record(folder, f"run-{number}-{seed}", values, group=f"g{number}", lr=lr, seed=seed)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("language", "words"),
    [("en-US", ["6 runs", "Live", "Columns", "Name", "finished", "Average over"]),
     ("zh-CN", ["6 个运行", "实时", "列", "名称", "完成", "取平均"])],
)  # fmt: skip
def test_the_page_speaks_the_language_and_wears_the_colors_of_the_browser(
    language, words, scheme, tmp_path, page
):
    sweep(tmp_path)
    browser = page(language=language, scheme=scheme)
    browser.wait("return document.querySelectorAll('.plot path.curve').length >= 5")
    text = browser.text()
    assert [word for word in words if word not in text] == []
    assert contrast(browser, "td button.link") > 4.5
    assert contrast(browser, ".badge") > 4.5
    assert (luminance(browser, "body", "backgroundColor") < 0.1) == (scheme == "dark")
    assert browser.console() == []


def luminance(browser, selector, kind):
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    color = browser.run(script, selector, kind)
    parts = [float(part) / 255 for part in color.split("(")[1].rstrip(")").split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(browser, selector):
    """The contrast of a text, after WCAG 2; over the page where it has no background."""
    text = luminance(browser, selector, "color")
    own = browser.run(
        "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor", selector
    )
    behind = luminance(browser, "body" if own.endswith(", 0)") else selector, "backgroundColor")
    return (max(text, behind) + 0.05) / (min(text, behind) + 0.05)


def test_language_and_colors_can_be_switched_and_stay(tmp_path, page):
    sweep(tmp_path)
    browser = page()
    browser.click("#language")
    browser.wait("return document.querySelector('h1').innerText.includes('运行')")
    browser.wait("return document.querySelector('th:nth-child(2)').innerText.includes('名称')")
    browser.click("#theme")
    assert luminance(browser, "body", "backgroundColor") < 0.1
    browser.driver.refresh()
    browser.wait("return document.body.dataset.version !== undefined")
    assert "运行" in browser.text("h1")
    assert luminance(browser, "body", "backgroundColor") < 0.1


def test_a_run_appears_and_its_curve_grows_while_it_is_recorded(tmp_path, page):
    browser = page()
    assert "No runs yet" in browser.text("#table")
    with JSONLLogger("p", "growing", {"lr": 0.1}, dir=tmp_path) as logger:
        for step in range(4):
            logger.log_metrics({"val/auc": 0.5 + step / 10}, step=step)
            browser.wait(
                "return document.querySelectorAll('.plot circle').length === arguments[0]", step + 1
            )
        assert browser.texts(NAMES) == ["growing"]
        assert "unfinished" in browser.text("tbody")
    browser.wait("return document.querySelector('tbody').innerText.includes('finished')")
    browser.wait("return document.querySelector('.badge.finished')")
    assert browser.console() == []


def test_sorting_filtering_and_choosing_columns(tmp_path, page):
    sweep(tmp_path)
    browser = page()
    browser.click("th button[title='Sort by best val/auc']")
    names = ["run-2-1", "run-2-0", "run-1-1", "run-1-0", "run-0-1", "run-0-0"]
    browser.wait(f"return {FIRST} === 'run-2-1'")
    assert browser.texts(NAMES) == names
    browser.click("th button[title='Sort by best val/auc']")
    browser.wait(f"return {FIRST} === 'run-0-0'")
    browser.type("#filter", "lr<0.05 group:g1")
    browser.wait("return document.querySelector('#count').innerText === '2 of 6 runs'")
    assert browser.texts(NAMES) == ["run-1-0", "run-1-1"]
    browser.type("#filter", "lr>fast")
    browser.wait(
        "return document.querySelector('#filter-error').innerText.includes('must be a number')"
    )
    time.sleep(3)  # two looks for news
    assert "must be a number" in browser.text("#filter-error")
    browser.type("#filter", "")
    browser.wait("return document.querySelector('#count').innerText === '6 runs'")
    assert browser.text("#filter-error") == ""
    assert "seed" not in browser.text("thead")
    browser.run("document.querySelector('#columns').open = true")
    browser.run(
        "[...document.querySelectorAll('#columns label')]"
        ".find((label) => label.innerText.trim() === 'seed').querySelector('input').click()"
    )
    browser.wait("return document.querySelector('thead').innerText.includes('seed')")
    again = browser.run("return location.hash")
    browser = page(again)
    assert "seed" in browser.text("thead")  # the choice is in the address


def test_a_mistake_in_the_filter_of_an_address_is_named_and_can_be_mended(tmp_path, page):
    sweep(tmp_path)
    browser = page("#filter=lr%3Efast")
    browser.wait("return document.querySelector('#filter-error').innerText")
    browser.type("#filter", "lr>0.05")
    browser.wait("return document.querySelector('#count').innerText === '2 of 6 runs'")
    assert browser.text("#filter-error") == ""


def test_curves_of_selected_runs_are_averaged_over_seeds(tmp_path, page):
    sweep(tmp_path)
    browser = page()
    browser.click("thead .pick button")
    browser.wait("return document.querySelectorAll('.legend .swatch').length === 6")
    browser.run(
        "const s = document.querySelector('.tools select'); s.value = 'seed';"
        "s.dispatchEvent(new Event('change'))"
    )
    browser.wait("return document.querySelectorAll('.legend .swatch').length === 3")
    assert browser.run("return document.querySelectorAll('.plot .band').length") == 3
    chart = browser.driver.find_element("css selector", ".plot svg")
    chart.send_keys(Keys.ARROW_LEFT)
    values = browser.wait("return document.querySelector('.values').innerText")
    # at the last step, the mean of 0.704 and 0.714 is 0.709
    assert "step 4" in values
    assert f"0.7090 ± {0.01 / math.sqrt(2):.4f}" in values
    assert [line for line in values.split("\n") if line.startswith("lr=")] == [
        "lr=0.001", "lr=0.01", "lr=0.1",
    ]  # fmt: skip


def test_thousands_of_rows_are_scrolled_through_with_few_elements(tmp_path, page):
    write_runs(tmp_path, 3_000, epochs=1)
    browser = page()
    browser.wait("return document.querySelector('#count').innerText === '3000 runs'", seconds=60)
    assert browser.run("return document.querySelectorAll('tbody tr').length") < 100
    assert browser.texts(NAMES)[0] == "WideDeep-2999"
    browser.run("const s = document.querySelector('.scroller'); s.scrollTop = s.scrollHeight")
    browser.wait("return document.querySelector('tbody').innerText.includes('DeepFM-0')")
    assert browser.texts(NAMES)[-1] == "DeepFM-0"
    assert browser.run("return document.querySelectorAll('tbody tr').length") < 100
    browser.type("#filter", "model=AutoInt")
    browser.wait("return document.querySelector('#count').innerText === '750 of 3000 runs'")


def test_the_table_is_used_by_keys(tmp_path, page):
    sweep(tmp_path)
    browser = page()
    browser.run("document.querySelector('tbody .link').focus()")
    active = lambda: browser.driver.switch_to.active_element  # noqa: E731
    active().send_keys(Keys.ARROW_DOWN)
    active().send_keys(Keys.ARROW_DOWN)
    name = active().text
    assert name == browser.texts(NAMES)[2]
    active().send_keys(Keys.ENTER)
    browser.wait("return document.querySelector('#run h3')?.innerText === arguments[0]", name)
    active().send_keys("/")
    assert active().get_attribute("id") == "filter"


def test_searches_are_drawn_when_they_are_opened(tmp_path, page):
    record_search(tmp_path)
    browser = page(language="zh-CN")
    browser.click("#searches summary")
    browser.wait("return document.querySelectorAll('#searches path.trial').length === 20")
    assert browser.texts("#searches .bars .label") == ["lr"]
    assert "到目前为止的最佳值" in browser.text("#searches")
    assert browser.console() == []


@pytest.mark.parametrize("text", [MARKUP, STEERING])
def test_texts_of_runs_do_nothing_but_show(text, tmp_path, page):
    record_hostile(tmp_path, text)
    record(tmp_path, "b", lr=0.1)
    browser = page()
    browser.run("for (const id of ['columns', 'facets']) document.getElementById(id).open = true")
    browser.wait("return document.querySelectorAll('tbody .link').length === 2")
    browser.click("thead .pick button")
    browser.wait("return document.querySelectorAll('.legend .swatch').length === 2")
    browser.type("#filter", "status:failed")
    browser.wait("return document.querySelectorAll('tbody .link').length === 1")
    browser.click("tbody .link")
    shown = browser.wait("return document.querySelector('#run h3')?.innerText")
    assert shown == as_shown(text)
    for selector in (NAMES, "#run .failure", "#run th", "#run pre", ".facet", "#columns label"):
        assert any(as_shown(text)[:6] in found for found in browser.texts(selector)), selector
    inserted = (
        "img:not([src='icon.svg']), script:not([src='main.js']):not([src='axes.js']), iframe, b, i"
    )
    assert browser.run(f'return document.querySelectorAll("{inserted}").length') <= 3  # our <b>
    with pytest.raises(exceptions.NoAlertPresentException):
        browser.driver.switch_to.alert  # noqa: B018
    assert browser.console() == []


def as_shown(text):
    """The text with what steers a terminal or reorders text as escapes."""
    from torch_rechub._shown import shown

    return shown(text).replace("\\r", "\\x0d").replace("\\n", "\\x0a").strip()


def test_a_server_that_has_stopped_is_noticed(tmp_path, browser):
    record(tmp_path, "a")
    with serving(tmp_path) as served:
        browser.open(served.url)
        assert browser.texts(NAMES) == ["a"]
    browser.wait("return document.querySelector('#banner').innerText.includes('does not answer')")
    assert browser.texts(NAMES) == ["a"]
