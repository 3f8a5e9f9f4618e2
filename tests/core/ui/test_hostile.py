"""Texts of runs that try to be more than text: in answers, CSV and tables."""

import csv
import io
import json

import pytest

from core.ui.conftest import serving
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.cli import main

MARKUP = "</script><img src=//evil.example/x onerror=alert(1)>"
STEERING = "\x1b]0;owned\x07\u202e\r\nfake: line\x00\u2028\x9b2J\u200f"
FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "  =1", '=HYPERLINK("//evil")', "＝1"]


def record(folder, text):
    """Records a run that has a text everywhere."""
    with JSONLLogger(text, text, {text: text}, dir=folder, group=text, tags=[text]) as logger:
        logger.log_metrics({text: 0.5}, step=0)
        logger.log_text(text, text, step=0)
        logger.log_table(text, [text], [[text]], step=0)
        logger.log_failure(RuntimeError(text))


@pytest.mark.parametrize("text", [MARKUP, STEERING, FORMULAS[0]])
def test_answers_are_json_with_the_exact_texts(text, tmp_path):
    record(tmp_path, text)
    with serving(tmp_path) as served:
        answer = served.ask("/api/columns")
        (row,) = served.data("runs", columns=f"name\x1fgroup\x1ftags\x1fparam:{text}")["rows"]
        about = served.data(f"run/{row['key']}")
        chosen = served.data("runs", filter="status:failed")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.body.isascii()
    assert text in json.loads(answer.body)["metrics"]
    assert row["cells"] == [text, text, [text], text]
    assert about["params"] == [[text, text]]
    assert about["tables"][0]["columns"] == [text]
    assert chosen["matched"] == 1


@pytest.mark.parametrize("text", [*FORMULAS, MARKUP, STEERING])
def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers(text, tmp_path, capsys):
    record(tmp_path, text)
    with JSONLLogger(name="b", config={"x": -1.5, text: "t"}, dir=tmp_path) as logger:
        logger.log_metrics({text: -0.25}, step=0)
    with serving(tmp_path) as served:
        names = "\x1f".join(["name", "group", "error", "param:x", f"param:{text}", f"last:{text}"])
        of_page = served.ask("/api/runs.csv", columns=names).body.decode()
    assert main(["runs", str(tmp_path), "--format", "csv"]) == 0
    for written in (of_page, capsys.readouterr().out):
        cells = [cell for row in csv.reader(io.StringIO(written)) for cell in row]
        assert "-0.25" in cells
        texts = [cell for cell in cells if not is_number(cell)]
        assert [c for c in texts if c.lstrip(" ").startswith(tuple("=+-@\t\r＝"))] == []
        assert all(cell.isprintable() for cell in cells)
    assert "-1.5" in of_page


def is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return cell == cell.strip()


@pytest.mark.parametrize("text", [MARKUP, STEERING])
@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_no_format_of_the_command_lets_a_text_steer_the_terminal(text, form, tmp_path, capsys):
    record(tmp_path, text)
    assert main(["runs", str(tmp_path), "--format", form]) == 0
    out = capsys.readouterr().out
    assert {c for c in out if not c.isprintable()} == {"\n"}
    if form == "json":
        (found,) = json.loads(out)
        assert found["name"] == text
