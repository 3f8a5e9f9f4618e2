"""Details of runs: times, texts, histograms, tables, figures and files, read from every tracker."""

import shutil
import time
from pathlib import Path

import pytest
from backends import BACKENDS, open_logger, read_run

from torch_rechub.runs import details

WITHOUT_HISTOGRAMS = {"swanlab"}
HOSTILE = "<script>alert(1)</script>\n| a | b |\n\x1b[31mred"


def png():
    matplotlib = pytest.importorskip("matplotlib.figure")
    return matplotlib.Figure(figsize=(1, 1))


@pytest.fixture(params=BACKENDS)
def recorded(request, tmp_path):
    """The backend, a run that was recorded in it, and the time before and after."""
    began = time.time()
    with open_logger(request.param, tmp_path) as logger:
        logger.log_metrics({"val/auc": 0.5, "train/loss": 1.0}, 0)
        logger.log_text("model", HOSTILE, 0)
        logger.log_histogram("norms", [1, 2], [0.0, 0.5, 2.0], 0)
        logger.log_metrics({"val/auc": 0.75}, 1)
        logger.log_table("val/top", ["item"], [["a"], ["b"]], 1)
        logger.log_figure("val/roc", png(), 1)
    return request.param, read_run(request.param, tmp_path), began, time.time()


def test_every_value_of_a_metric_has_its_time(recorded):
    _, run, began, ended = recorded
    times = details(run).times
    assert {name: len(times[name]) for name in times} == {"val/auc": 2, "train/loss": 1}
    first, second = times["val/auc"]
    # a tracker may round times to seconds
    assert began - 1 <= first <= second <= ended + 1


def test_texts_tables_and_figures_are_read_back(recorded):
    backend, run, *_ = recorded
    found = details(run)
    assert [(text.name, text.text) for text in found.texts] == [("model", HOSTILE)]
    assert [(t.name, t.columns, t.rows) for t in found.tables] == [
        ("val/top", ["item"], [["a"], ["b"]])
    ]
    (figure,) = found.figures
    assert (figure.name, figure.png[:8]) == ("val/roc", b"\x89PNG\r\n\x1a\n")
    histograms = [(h.name, h.counts, h.edges) for h in found.histograms]
    expected = [] if backend in WITHOUT_HISTOGRAMS else [("norms", [1, 2], [0.0, 0.5, 2.0])]
    assert histograms == expected


def test_a_run_whose_files_are_gone_has_no_details(recorded, caplog):
    backend, run, *_ = recorded
    path = Path(run.path)
    shutil.rmtree(path if path.is_dir() else path.parent)
    found = details(run)
    assert (found.texts, found.tables, found.figures, dict(found.files)) == ((), (), (), {})
    assert backend == "tensorboardx" or "cannot be read" in caplog.text
