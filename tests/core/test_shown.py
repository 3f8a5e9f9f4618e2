"""One rule for text on its way out, wherever it leaves: no character of it steers anything."""

import csv
import io
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from torch_rechub._shown import ROOMS, shown, shown_json
from torch_rechub.cli import main
from torch_rechub.runs import Run, compare, plot
from torch_rechub.runs.picture import figure
from torch_rechub.runs.tables import Table, csv_text, markdown

STEERING = {
    "escape": "\x1b[2J", "C1": "\x9b31m", "title": "\x1b]0;owned\x07", "new line": "a\nb",
    "return": "a\rb", "backspace": "a\bb", "tab": "a\tb", "NUL": "\0", "DEL": "\x7f",
    "bidi override": "\u202e", "bidi isolate": "\u2066", "mark": "\u200f", "zero width": "\u200b",
    "line separator": "\u2028", "next line": "\x85", "surrogate": "\udce9", "tag": "\U000e0041",
    "private": "\ue000", "interlinear": "\ufff9", "soft hyphen": "\xad", "BOM": "\ufeff",
}  # fmt: skip
ALL = "".join(STEERING.values())
HARMLESS = ["精排模型", "é", "e\u0301", "α β", "🙂", "a\u3000b", "a\xa0b", "$x^2$", "<b>", "\\"]


@pytest.mark.parametrize("text", STEERING.values(), ids=STEERING)
def test_a_character_that_steers_is_shown_as_its_escape(text):
    assert shown(text).isprintable()
    assert shown(text).encode("ascii").decode("unicode_escape") == text  # nothing is lost
    assert shown(shown(text)) == shown(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_is_shown_as_it_is(text):
    assert shown(text) == text


@pytest.mark.parametrize("text", [*STEERING.values(), *HARMLESS])
def test_json_says_the_same_with_escapes_of_its_own(text):
    out = shown_json(json.dumps([text, 1], ensure_ascii=False, indent=2))
    assert shown(out.replace("\n", "")) == out.replace("\n", "")
    assert json.loads(out) == [text, 1]


def test_no_table_holds_a_character_that_steers():
    table = Table((ALL, "b"), ((ALL, ALL),), frozenset({ALL}), (ALL,))
    assert table == Table((shown(ALL), "b"), ((shown(ALL),) * 2,), frozenset({shown(ALL)}),
                          (shown(ALL),))  # fmt: skip


# The command


@pytest.fixture
def hostile(tmp_path):
    """Two runs in whose every text there is something that steers."""
    time = "2026-01-01T00:00:00+00:00"
    for seed in range(2):
        lines = [
            {"event": "start", "id": ALL, "name": f"{ALL}{seed}", "project": f"{ALL}{seed}"},
            {"event": "hyperparams", "hyperparams": {ALL: f"{ALL}{seed}", "seed": ALL,
                                                     "monitor": ALL, "at": [ALL]}},
            {"event": "metrics", "step": 0, "metrics": {ALL: 0.5, "b": 0.5}},
            {"event": "finish", "status": "failed", "error": ALL},
            {"event": ALL},
            {"event": "metrics", "step": 0, "metrics": {ALL: ALL}},
        ]  # fmt: skip
        with open(tmp_path / f"\x1b[2J\u202e{seed}.run.jsonl", "w") as file:
            for line in lines:
                file.write(json.dumps({"v": 1, "time": time, **line}) + "\n")
    return tmp_path


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
@pytest.mark.parametrize(
    "command",
    [["runs"], ["compare"], ["compare", "--top", "1"], ["runs", "--metric", "b"]],
    ids=" ".join,
)
def test_no_command_writes_one_in_any_format(command, form, hostile, capsys):
    code = main([command[0], str(hostile), *command[1:], "--format", form])
    captured = capsys.readouterr()
    assert code == 0
    assert "damaged lines are left out" in captured.err
    for text in captured:
        assert shown(text.replace("\n", "")) == text.replace("\n", "")


@pytest.mark.parametrize(
    "arguments",
    [["{}", "--metric", "none"], ["{}", "--metric", ALL + "none"], ["{}/" + ALL.replace("\0", "")],
     ["{}", "--plot", "a.html\x1b[2J"], ["{}", "--backend", ALL],
     ["{}", "--plot", "{}/\x1b/a.html"]],
    ids=["metric", "steering metric", "path", "plot", "backend", "plot's folder"],
)  # fmt: skip
def test_no_error_has_one(arguments, hostile, capsys):
    code = main(["compare", *(argument.replace("{}", str(hostile)) for argument in arguments)])
    err = capsys.readouterr().err
    assert code == 1
    assert "error: " in err
    assert shown(err.replace("\n", "")) == err.replace("\n", "")


def test_a_mistake_in_the_arguments_shows_them_without(capsys):
    with pytest.raises(SystemExit):
        main(["runs", "a", "--\x1b[2J\u202e"])
    err = capsys.readouterr().err
    assert shown(err.replace("\n", "")) == err.replace("\n", "")
    assert r"unrecognized arguments: --\x1b[2J\u202e" in err


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal of Unix")
def test_a_terminal_gets_colors_and_no_other_escapes(hostile):
    import pty

    main_end, other_end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "torch_rechub", "runs", str(hostile)],
        stdout=other_end, stderr=other_end, env={**os.environ, "TERM": "xterm"},
    ) as child:  # fmt: skip
        child.wait(120)
    os.close(other_end)
    output = os.read(main_end, 65_536).decode()
    os.close(main_end)
    assert "\x1b[31mfailed" in output
    rest = re.sub(r"\x1b\[(0|1|31|33)m|\r\n", "", output)
    assert shown(rest) == rest


# Logs, pages, pictures


@pytest.mark.parametrize("room", ROOMS)
def test_what_the_library_logs_is_one_line_without_one(room, caplog):
    logging.getLogger(f"torch_rechub{room}").warning("%s: %d", ALL, 3)
    (record,) = caplog.records
    assert record.getMessage() == f"{shown(ALL)}: 3"


def test_no_module_logs_to_a_logger_next_to_these():
    packages = Path(__file__).parents[2] / "packages"
    found = {
        name
        for file in packages.glob("rechub-*/src/**/*.py")
        for name in re.findall(r'getLogger\("(.*?)"\)', file.read_text(encoding="utf-8"))
    }
    assert found == {f"torch_rechub{room}" for room in ROOMS}


def hostile_comparison():
    runs = [
        Run(f"{ALL}{n}", "jsonl", ALL, ALL, hyperparams={ALL: f"{ALL}{n}"},
            metrics={ALL: [(0, 0.5)], "b": [(0, 1.0)]})
        for n in range(2)
    ]  # fmt: skip
    return compare(runs, ALL)


def test_a_page_has_none_and_keeps_names_apart(tmp_path):
    plot(hostile_comparison(), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert shown(text.replace("\n", "")) == text.replace("\n", "")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert data["metrics"] == sorted([ALL, "b"])
    assert data["shown"] == [shown(name) for name in data["metrics"]]
    assert all(shown(curve["label"]) == curve["label"] for curve in data["curves"])


def test_a_picture_has_none_and_takes_no_name_for_a_formula(tmp_path, recwarn):
    (axes,) = figure(hostile_comparison()).axes
    texts = [axes.get_title(loc="left"), *(t.get_text() for t in axes.get_legend().get_texts())]
    assert all(shown(text) == text for text in texts)
    names = ("$x^2$", r"\$y", "$\\bad{$")
    runs = [Run(name, "jsonl", name, metrics={"$a_b$": [(0, 0.5)]}) for name in names]
    plotted = compare(runs, "$a_b$")
    (axes,) = figure(plotted).axes
    legend = axes.get_legend().get_texts()
    assert [text.get_text().split()[-1] for text in legend] == [r"$\bad{$", "$x^2$", r"\$y"]
    assert not any(text.get_parse_math() for text in [axes._left_title, *legend])
    plot(plotted, tmp_path / "a.png")


# Spreadsheets and Markdown


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd''!A0", "＝1+1", "＠a", " =1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_compute_begins_with_an_apostrophe(text):
    (header, row) = csv.reader(io.StringIO(csv_text([{text: text, "b": 1}])))
    assert header == [*row[:1], "b"]
    assert row[0] == f"'{shown(text)}"


@pytest.mark.parametrize("value", [-0.5, -3, 1e-7, -float("inf")])
def test_numbers_of_a_csv_stay_numbers(value):
    _, row = csv.reader(io.StringIO(csv_text([{"a": value}])))
    assert float(row[0]) == value


@pytest.mark.parametrize("text", ["a=1", "精", "1-2", "'=1", "", "a,b", '"'])
def test_other_texts_of_a_csv_are_as_they_are(text):
    (_, row) = csv.reader(io.StringIO(csv_text([{"a": text, "b": 0}])))
    assert row[0] == text


def test_no_name_ends_a_cell_of_markdown_or_begins_a_formula():
    table = Table(("a",), ((r"x\|y $z$ ~~w~~",),))
    assert markdown(table).splitlines()[2] == r"| x\\\|y \$z\$ \~\~w\~\~ |"
