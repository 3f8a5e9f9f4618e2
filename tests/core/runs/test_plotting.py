import base64
import hashlib
import json
import math
import struct
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from torch_rechub.runs import Run, compare, plot
from torch_rechub.runs.curves import COLORS, Curve, curve, labels
from torch_rechub.runs.picture import figure

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028{{data}}"


def run(name, values, metric="val/auc", **params):
    points = list(enumerate(values))
    metrics = {metric: points, "other": points}
    return Run(name, "jsonl", name, status="finished", hyperparams=params, metrics=metrics)


@pytest.fixture
def found():
    """Two rows: lr 2 over two seeds, and lr 1, with one value NaN."""
    return compare(
        [
            run("a", [0.5, 0.6, 0.9], lr=2, seed=0),
            run("b", [0.7, 0.8], lr=2, seed=1),
            run("c", [0.4, math.nan, 0.3], lr=1, seed=0),
        ]
    )


def test_a_curve_is_the_mean_of_runs_as_far_as_all_go_and_then_each_by_itself(found):
    first, second = (curve(row, "val/auc") for row in found.rows)
    assert first.steps == [0, 1]
    assert first.mean == pytest.approx([0.6, 0.7])
    assert first.sd == pytest.approx([0.02**0.5, 0.02**0.5])
    assert first.tails == [[(1, 0.6), (2, 0.9)]]
    assert second == Curve(steps=[0, 2], mean=[0.4, 0.3], sd=[], tails=[])


def test_runs_without_a_common_step_are_drawn_each_by_itself():
    runs = [
        Run(n, "b", n, hyperparams={"seed": n}, metrics={"m": [(s, 0.5)]})
        for s, n in enumerate("ab")
    ]
    (row,) = compare(runs).rows
    assert curve(row, "m") == Curve(steps=[], mean=[], sd=[], tails=[[(0, 0.5)], [(1, 0.5)]])


def test_a_row_is_called_by_what_differs_or_by_its_name(found):
    assert labels(found) == ["lr=2", "lr=1"]
    assert labels(compare([run("x", [0.5]), run("y", [0.4])])) == ["x", "y"]
    same_end = compare([run("x", [0.5], a={"d": 1}, b={"d": 2}), run("y", [0.4], a={"d": 3})])
    assert labels(same_end) == ["a/d=1, b/d=2", "a/d=3"]


def test_rows_of_one_training_are_called_by_their_backends():
    runs = [replace(run("n", [0.5], lr=lr), backend=backend)
            for lr in (1, 2) for backend in ("jsonl", "wandb")]  # fmt: skip
    assert sorted(labels(compare(runs[:2]))) == ["n (jsonl)", "n (wandb)"]
    assert sorted(labels(compare(runs))) == [
        "lr=1 (jsonl)", "lr=1 (wandb)", "lr=2 (jsonl)", "lr=2 (wandb)",
    ]  # fmt: skip
    projects = [replace(runs[0], project=project) for project in "ab"]
    assert labels(compare(projects)) == ["n (jsonl, a, finished)", "n (jsonl, b, finished)"]
    long = [replace(r, name="n" * 99, backend=r.backend * 9) for r in runs[:2]]
    assert {len(label) for label in labels(compare(long))} == {60}


def test_a_hyper_parameter_without_a_value_is_not_in_a_label():
    runs = [run("a", [0.5], lr=1, p={}), run("b", [0.4], lr=2, p=[3])]
    assert labels(compare(runs)) == ["lr=1", "lr=2, p=[3]"]


# The picture


def test_the_picture_has_a_line_for_each_row_and_the_ranking_as_its_legend(found):
    (axes,) = figure(found).axes
    lines = {line.get_label(): line for line in axes.lines}
    best, other = lines["0.8500 ± 0.0707   lr=2"], lines["0.4000   lr=1"]
    assert best.get_xydata().tolist() == [[0, 0.6], [1, 0.7]]
    assert other.get_xydata().tolist() == [[0, 0.4], [2, 0.3]]
    assert best.get_zorder() > other.get_zorder()
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [
        best.get_label(),
        other.get_label(),
    ]
    (tail,) = [line for line in axes.lines if line not in (best, other)]
    assert (tail.get_xydata().tolist(), tail.get_color()) == ([[1, 0.6], [2, 0.9]], COLORS[0])
    assert axes.get_title(loc="left") == "val/auc, 3 runs"


def test_rows_beyond_the_colors_are_gray_and_counted():
    found = compare([run(f"r{i}", [i / 30, i / 30]) for i in range(30)])
    (axes,) = figure(found).axes
    assert len(axes.lines) == 30
    assert len(axes.get_legend().get_texts()) == len(COLORS)
    assert "20 more in gray" in axes.get_legend().get_title().get_text()


@pytest.mark.parametrize("name", ["$\\frac{", "_hidden", "精排", "a\x1bb", HOSTILE])
def test_a_png_is_written_whatever_runs_are_called(name, tmp_path, recwarn):
    found = compare([run(name, [0.5, 0.6], metric=name), run("x", [0.5], metric=name)], name)
    plot(found, tmp_path / "out.png")
    data = (tmp_path / "out.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert min(struct.unpack(">II", data[16:24])) > 500


def test_without_matplotlib_the_command_that_installs_it_is_named(found, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'rechub-core\[plot\]'"):
        plot(found, tmp_path / "out.png")
    plot(found, tmp_path / "out.html")


def test_a_plot_of_another_kind_is_refused(found):
    with pytest.raises(ValueError, match=r"\.png or a \.html file, got 'out.svg'"):
        plot(found, "out.svg")


def test_drawing_a_picture_leaves_pyplot_alone(tmp_path):
    code = (
        "import sys; from torch_rechub.runs import Run, compare, plot\n"
        "plot(compare([Run('a', 'b', 'c', metrics={'m': [(0, 1.0)]})]), sys.argv[1])\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == "False\n"


# The page


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.inside = [], [], [], None
        self.cells = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes.extend(attributes)
        self.inside = tag
        if tag == "script":
            self.scripts.append("")
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
        if self.inside in ("td", "th"):
            self.cells[-1] += data


def page(found, folder):
    plot(found, folder / "out.html")
    return Page(folder / "out.html")


def test_the_page_holds_the_curves_of_every_metric_and_the_table(found, tmp_path):
    read = page(found, tmp_path)
    data = json.loads(read.scripts[0])
    assert data["metrics"] == ["other", "val/auc"]
    first, second = (c["series"]["val/auc"] for c in data["curves"])
    assert (first["steps"], first["mean"]) == ([0, 1], pytest.approx([0.6, 0.7]))
    assert first["tails"] == [[[1, 0.6], [2, 0.9]]]
    assert (second["steps"], second["mean"], second["sd"]) == ([0, 2], [0.4, 0.3], [])
    header = ["#", "name", "lr", "n", "seeds", "best val/auc", "at", "last"]
    assert read.cells[: len(header)] == header
    assert read.cells[len(header) :][:3] == ["1", "a", "2"]


def test_hostile_names_are_text_and_nothing_else(found, tmp_path):
    plain = page(found, tmp_path)
    runs = [
        run(HOSTILE, [0.5, 0.6], HOSTILE, **{HOSTILE: HOSTILE, "seed": 0}),
        run("b", [0.7, 0.8], HOSTILE, **{HOSTILE: "x", "seed": 1}),
    ]
    hostile = page(compare(runs, HOSTILE), tmp_path)
    assert set(hostile.tags) == set(plain.tags)
    assert len(hostile.scripts) == 2
    assert not [name for name, _ in hostile.attributes if name.startswith("on")]
    data = json.loads(hostile.scripts[0])
    assert data["metric"] == HOSTILE
    assert hostile.cells[2] == HOSTILE.replace("\u2028", "\\u2028")  # a column's name


def test_the_page_runs_its_own_script_alone_and_reaches_nothing(found, tmp_path):
    read = page(found, tmp_path)
    digest = base64.b64encode(hashlib.sha256(read.scripts[1].encode()).digest()).decode()
    (policy,) = [value for name, value in read.attributes if value and "default-src" in value]
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )
    assert not {"src", "href"} & {name for name, _ in read.attributes}


def test_long_curves_and_many_rows_keep_the_page_small(tmp_path):
    steps = [math.sin(step / 1e4) for step in range(40_000)]
    found = compare([run(f"r{i}", steps if i == 0 else [i / 300]) for i in range(300)])
    data = json.loads(page(found, tmp_path).scripts[0])
    assert (len(data["curves"]), data["hidden"]) == (50, 250)
    assert max(len(c["series"]["val/auc"]["steps"]) for c in data["curves"]) <= 1_000
    assert (tmp_path / "out.html").stat().st_size < 300_000
